"""Birth dates."""

import re
from datetime import date, datetime
from functools import lru_cache

from customer_profiles.cleaning.reasons import Reason

_FORMATS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_WITH_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_EARLIEST = date(1900, 1, 1)


def birth_date(value: object, today: date, formats: tuple[str, ...] = ()) -> str | Reason | None:
    """A birth date as YYYY-MM-DD, not before 1900 and not after today.

    Args:
        value: Text in one of the usual formats (day before month where both could be), a date or a datetime.
        today: The last day a person can have been born on.
        formats: The source's own formats (`strptime`), tried before the usual ones.
    """
    if value is None:
        return None
    if isinstance(value, str):
        found = _of_text(value, formats)
    elif isinstance(value, datetime):
        found = value.date()
    elif isinstance(value, date):
        found = value
    else:
        return Reason.WRONG_TYPE
    if found is None or isinstance(found, Reason):
        return found
    return found.isoformat() if _EARLIEST <= found <= today else Reason.BAD_DATE


@lru_cache(maxsize=65_536)
def _of_text(written: str, formats: tuple[str, ...]) -> date | Reason | None:
    written = written.strip()
    if not written:
        return None
    for form in formats:
        try:
            return datetime.strptime(written, form).date()
        except ValueError:
            continue
    if with_time := _WITH_TIME.fullmatch(written):
        written = with_time[1]
    if _ISO.fullmatch(written):
        try:
            return date.fromisoformat(written)
        except ValueError:
            return Reason.BAD_DATE
    for form in _FORMATS:
        try:
            return datetime.strptime(written, form).date()
        except ValueError:
            continue
    return Reason.BAD_DATE
