"""Postcodes."""

import re

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_UK = re.compile(r"((?:[A-Z]{1,2}\d[A-Z\d]?)|GIR)(\d[ABD-HJLNP-UW-Z]{2})")
_NOT_CODE = re.compile(r"[^A-Z0-9]+")


def postcode(value: object, country: str | None = None) -> str | Reason | None:
    """A postcode in capitals; a British one in its canonical form, with one space before the last three.

    Args:
        value: As the source has it.
        country: The country (ISO 3166, two letters) where known. A code of another country is only tidied, even when
            it would pass for a British one.
    """
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    code = " ".join(found.upper().split())
    if country in (None, "GB", "GG", "JE", "IM") and (british := _UK.fullmatch(_NOT_CODE.sub("", code))):
        return f"{british[1]} {british[2]}"
    return code
