"""What kind of personal data a field holds, and for how long it may be kept. Not where it is stored."""

import re
from enum import StrEnum


class DataClass(StrEnum):
    """The class of personal data of a field or column, from harmless to harmful."""

    NONE = "none"
    """Says nothing about a person: sequence numbers, versions, settings."""
    PSEUDONYM = "pseudonym"
    """Stands for one person and means nothing outside: record numbers, customer IDs, keyed hashes."""
    IDENTIFIER = "identifier"
    """Names one person: names, log-ins, account numbers, device IDs."""
    CONTACT = "contact"
    """Reaches one person: email, phone, postal address."""
    DEMOGRAPHIC = "demographic"
    """Describes a person: birth date, language, city."""
    BEHAVIOURAL = "behavioural"
    """What a person did or prefers: visits, messages, choices."""
    SENSITIVE = "sensitive"
    """May harm when it leaks (GDPR article 9 and free text that may hold such things)."""
    FINANCIAL = "financial"
    """Money: amounts, orders."""


_DURATION = re.compile(r"P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")


class Retention(str):
    """How long a field is kept after the record's last change: an ISO 8601 duration such as `P3Y`."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Retention":
        """Check the duration.

        Raises:
            ValueError: the text is no ISO 8601 duration.
        """
        if not _DURATION.fullmatch(text):
            raise ValueError("a retention is an ISO 8601 duration, such as P3Y, P18M or P90D")
        return super().__new__(cls, text)

    @property
    def days(self) -> int:
        """The duration in whole days, a year as 365 and a month as 30; hours and below are left out."""
        parts = _DURATION.fullmatch(self)
        years, months, weeks, days = (
            (int((part or "0X")[:-1]) for part in parts.groups()[:4]) if parts else (0,) * 4
        )
        return 365 * years + 30 * months + 7 * weeks + days
