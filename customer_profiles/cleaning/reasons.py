"""Why a row is in the quarantine. Codes only: a reason never repeats a value."""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """What was wrong with a row or with one of its fields."""

    UNREADABLE_JSON = "unreadable_json"
    """The line or document is not JSON, or was cut."""
    UNREADABLE_ROW = "unreadable_row"
    """A CSV line whose number of columns is not the header's, or a JSON value that is not an object."""
    BAD_ENCODING = "bad_encoding"
    """Bytes that are not text in the source's encoding."""
    TOO_LARGE = "too_large"
    """A line or a field longer than allowed."""
    WRONG_TYPE = "wrong_type"
    """A list, mapping, number, text or truth value where the contract has something else."""
    BAD_DATE = "bad_date"
    """No date or time in any known format, or one that cannot be."""
    BAD_AMOUNT = "bad_amount"
    """No amount of money, or more decimals than its currency has."""
    BAD_CURRENCY = "bad_currency"
    """No currency of ISO 4217."""
    MISSING_KEY = "missing_key"
    """Nothing says which record or event it is."""
    MISSING_FIELD = "missing_field"
    """Another required field is empty."""
    NOT_ALLOWED = "not_allowed"
    """A text that the contract does not list, or that does not have its form."""
    FUTURE_EVENT = "future_event"
    """An event more than five minutes ahead of our clock."""
    FAULT = "fault"
    """Neither this program nor the database could take the row, for a reason that no contract foresees: please report it."""
    BAD_EMAIL = "bad_email"
    """No email address. Dropped from the row and noted; the row stays."""
    BAD_PHONE = "bad_phone"
    """No phone number that can be in its region. Dropped from the row and noted; the row stays."""
    BAD_COUNTRY = "bad_country"
    """No country of ISO 3166. Dropped from the row and noted; the row stays."""
    BAD_LANGUAGE = "bad_language"
    """No language tag. Dropped from the row and noted; the row stays."""


NOTED = frozenset({Reason.BAD_EMAIL, Reason.BAD_PHONE, Reason.BAD_COUNTRY, Reason.BAD_LANGUAGE})
"""Reasons that drop the value and keep the row; the value as received stays in `record.raw`."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One reason of one row, with the field it is about (empty for the whole row)."""

    code: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.code}:{self.field}" if self.field else self.code
