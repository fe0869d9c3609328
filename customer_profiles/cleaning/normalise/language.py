"""Language tags."""

import re

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?", re.IGNORECASE)
_NAMES = {
    "english": "en",
    "french": "fr",
    "german": "de",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "dutch": "nl",
    "polish": "pl",
    "welsh": "cy",
    "chinese": "zh",
    "japanese": "ja",
    "arabic": "ar",
}


def language(value: object) -> str | Reason | None:
    """A language tag of BCP 47, such as en or en-GB; `en_GB.UTF-8` and English names of languages are understood."""
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    tag = _TAG.fullmatch(_NAMES.get(found.lower(), found.split(".")[0].replace("_", "-")))
    if tag is None:
        return Reason.BAD_LANGUAGE
    parts = (tag[1].lower(), (tag[2] or "").title(), (tag[3] or "").upper())
    return "-".join(part for part in parts if part)
