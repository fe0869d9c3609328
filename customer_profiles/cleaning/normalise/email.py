"""Email addresses."""

import re
import unicodedata

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_ADDRESS = re.compile(
    r"[^\s@\"(),:;<>\[\\\]]+(?<!\.)@(?!-)[^\s@\"(),:;<>\[\\\]!#$%&'*+/=?^`{|}~_.]+"
    r"(?:\.[^\s@\"(),:;<>\[\\\]!#$%&'*+/=?^`{|}~_.]+)+"
)
_LONGEST = 254  # RFC 5321, 4.5.3.1.3


def email(value: object) -> str | Reason | None:
    """The address in lower case, trimmed, in one Unicode form; `mailto:` and `Name <…>` taken off.

    Dots and `+tags` stay: only the provider knows whether they mean the same mailbox.
    """
    found = text(value)
    if found is None or found.__class__ is Reason:
        return found
    if found.__class__ is not str:
        return Reason.WRONG_TYPE
    address = unicodedata.normalize("NFKC", found.casefold()) if not found.isascii() else found.lower()
    if address[-1] == ">" and "<" in address:
        address = address[address.rindex("<") + 1 : -1].strip()
    address = address.removeprefix("mailto:").strip()
    if len(address) > _LONGEST or not _ADDRESS.fullmatch(address) or ".." in address or address[0] == ".":
        return Reason.BAD_EMAIL
    return address
