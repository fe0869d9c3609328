"""Plain text: one Unicode form, no control characters, single spaces."""

import re
import unicodedata
from uuid import UUID

from customer_profiles.cleaning.reasons import Reason

_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u2060\ufeff\ud800-\udfff]")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_EMPTY = frozenset(
    {"", "-", "--", "n/a", "na", "nil", "none", "null", "unknown", "undefined", "(null)", "\\n", "?"}
)


def text(value: object) -> str | Reason | None:
    """Text in Unicode form NFKC, without control characters, with single spaces; nothing for the usual words for nothing.

    Numbers become their text (a source key is often a number); a truth value, list or mapping is of the wrong type.
    """
    if value is None:
        return None
    if type(value) is not str:
        return _other(value)
    if not _PLAIN.fullmatch(value):
        value = _CONTROL.sub("", value)
        # Dropping a control character can let two others compose, so the form is taken after it.
        value = _SPACE.sub(" ", unicodedata.normalize("NFKC", value)).strip()
    if len(value) < 10 and value.lower() in _EMPTY:
        return None
    return value


def key(value: object) -> str | Reason | None:
    """A source's key: kept letter by letter, only trimmed; a number becomes its text.

    Two keys that differ in case or form are two records: the source says so.
    """
    if type(value) is str:
        if not value.isascii() or not value.isprintable():
            value = _CONTROL.sub("", value)
        return value.strip() or None
    if value is None:
        return None
    return _other(value)


def _other(value: object) -> str | Reason:
    if type(value) is int:
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return Reason.BAD_ENCODING
    if isinstance(value, UUID):
        return str(value)
    return value if isinstance(value, Reason) else Reason.WRONG_TYPE
