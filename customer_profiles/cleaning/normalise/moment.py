"""Moments: whatever a source calls a time, as int microseconds since 1970 in UTC."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from customer_profiles.cleaning.reasons import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_EARLIEST = -2_208_988_800 * _SECOND  # 1900-01-01
_LATEST = 4_102_444_800 * _SECOND  # 2100-01-01
_NUMBER = re.compile(r"-?\d{9,19}(?:\.\d+)?")
_FRACTION = re.compile(r"(\.\d{6})\d+")
_FORMATS = (
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y%m%d%H%M%S",
)


def moment(value: object, zone: str = "UTC", formats: tuple[str, ...] = ()) -> int | Reason | None:
    """A time as microseconds since 1970 in UTC.

    Args:
        value: ISO 8601 or RFC 5322 text, a number of seconds, milliseconds, microseconds or nanoseconds since 1970 (told
            by its size), or a date or datetime.
        zone: The source's time zone, for times that name none. An hour that a clock change repeats is its first.
        formats: The source's own formats (`strptime`), tried before the usual ones.

    Returns:
        The moment, between 1900 and 2100, or the reason.
    """
    kind = value.__class__
    if value is None or value == "":
        return None
    if kind is str:
        return _of_text(value, zone, formats)
    if isinstance(value, datetime):
        return _of_datetime(value, zone)
    if kind is int or kind is float or kind is Decimal:
        return _of_number(value)  # type: ignore[arg-type]
    if isinstance(value, date):
        return _of_datetime(datetime(value.year, value.month, value.day), zone)
    return Reason.WRONG_TYPE


@lru_cache(maxsize=65_536)
def _of_text(written: str, zone: str, formats: tuple[str, ...]) -> int | Reason | None:
    written = written.strip()
    if not written:
        return None
    if written.startswith("0000-00-00"):
        return Reason.BAD_DATE
    for form in formats:
        try:
            return _of_datetime(datetime.strptime(written, form), zone)
        except ValueError:
            continue
    if _NUMBER.fullmatch(written):
        # Before ISO 8601, whose compact form would take some numbers for dates.
        found = _of_number(Decimal(written))
        if found is not Reason.BAD_DATE or len(written) != len("20261031120000"):
            return found
    try:
        return _of_datetime(datetime.fromisoformat(written), zone)
    except ValueError:
        pass
    try:
        return _of_datetime(datetime.fromisoformat(_FRACTION.sub(r"\1", written.removesuffix(" UTC"))), zone)
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return _of_datetime(datetime.strptime(written, form), zone)
        except ValueError:
            continue
    try:
        return _of_datetime(parsedate_to_datetime(written), zone)
    except (ValueError, IndexError, TypeError, OverflowError):
        return Reason.BAD_DATE


def _of_datetime(at: datetime, zone: str) -> int | Reason:
    if at.tzinfo is None:
        at = at.replace(tzinfo=time_zone(zone))
    try:
        since: timedelta = at - _EPOCH
    except OverflowError:
        return Reason.BAD_DATE
    return _bounded((since.days * 86_400 + since.seconds) * _SECOND + since.microseconds)


def _of_number(number: int | float | Decimal) -> int | Reason:
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not exact.is_finite():
        return Reason.BAD_DATE
    size = abs(exact)
    if size < 10**11:
        scale = Decimal(_SECOND)
    elif size < 10**14:
        scale = Decimal(1000)
    elif size < 10**17:
        scale = Decimal(1)
    else:
        scale = Decimal(1) / 1000
    return _bounded(int(exact * scale))


def _bounded(micros: int) -> int | Reason:
    return micros if _EARLIEST <= micros < _LATEST else Reason.BAD_DATE


@lru_cache(maxsize=64)
def time_zone(name: str) -> tzinfo:
    """The time zone of that IANA name."""
    return UTC if name == "UTC" else ZoneInfo(name)
