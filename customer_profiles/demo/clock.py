"""Times of the demo: drawn as microseconds UTC, written the way each source writes them."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from customer_profiles.demo.columns import Indexes
from customer_profiles.demo.rates import HISTORY_DAYS

Unit = Literal["s", "ms"]
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of a moment that knows its time zone."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def within_history(rng: np.random.Generator, count: int, as_of: int) -> Indexes:
    """Moments of the days of history, whole milliseconds, more of them in the day than at night."""
    day = rng.integers(1, HISTORY_DAYS, count)
    hour = np.clip(rng.normal(15, 4.5, count), 0, 23.99)
    moment = as_of // DAY * DAY - day * DAY + (hour * HOUR).astype(np.int64)
    return np.asarray(moment // 1_000 * 1_000, dtype=np.int64)


def before_history(rng: np.random.Generator, count: int, as_of: int) -> Indexes:
    """Moments of the eight years before the history: when people became customers."""
    return np.asarray(
        as_of - HISTORY_DAYS * DAY - rng.integers(0, 8 * 365 * 86_400, count) * SECOND, dtype=np.int64
    )


def iso(moments: Indexes, unit: Unit = "s") -> list[str]:
    """``2026-10-31T12:00:00`` without a time zone, to seconds or (``ms``) milliseconds."""
    return [str(text) for text in np.datetime_as_string(moments.astype("datetime64[us]"), unit=unit)]


def iso_utc(moments: Indexes, unit: Unit = "s") -> list[str]:
    """``2026-10-31T12:00:00Z``."""
    return [text + "Z" for text in iso(moments, unit)]


def london(moments: Indexes) -> Indexes:
    """What clocks in the United Kingdom show, as microseconds: an hour ahead in summer."""
    changes = np.array(
        [micros(change) for year in range(2000, 2041) for change in _summer(year)], dtype=np.int64
    )
    in_summer = np.searchsorted(changes, moments, side="right") % 2 == 1
    return moments + np.where(in_summer, HOUR, 0)


def iso_with_offset(moments: Indexes) -> list[str]:
    """London time with its offset: ``2026-08-31T13:00:00+01:00``."""
    local = london(moments)
    offsets = ((local - moments) // HOUR).tolist()
    return [f"{text}+0{offset}:00" for text, offset in zip(iso(local), offsets, strict=True)]


def british(moments: Indexes) -> list[str]:
    """London time as spreadsheets write it: ``31/10/2026 12:00:00``."""
    return [f"{t[8:10]}/{t[5:7]}/{t[:4]} {t[11:]}" for t in iso(london(moments))]


def social_style(moments: Indexes) -> list[str]:
    """``Sat Oct 31 12:00:00 +0000 2026``."""
    weekdays = (moments // DAY % 7).tolist()
    return [
        f"{_WEEKDAYS[w]} {_MONTHS[int(t[5:7]) - 1]} {t[8:10]} {t[11:]} +0000 {t[:4]}"
        for t, w in zip(iso(moments), weekdays, strict=True)
    ]


def _summer(year: int) -> tuple[datetime, datetime]:
    """When summer time begins and ends in the United Kingdom (Summer Time Order 2002)."""

    def last_sunday(month: int) -> datetime:
        last = datetime(year, month, 31, 1, tzinfo=UTC)
        return last - timedelta(days=(last.weekday() + 1) % 7)

    return last_sunday(3), last_sunday(10)
