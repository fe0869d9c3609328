"""Facts: named numbers over a customer's windows, as rules of segments use them. Pure.

Names of facts::

    <subject>_count_<window>             page_count_7d, web_count_36h, interaction_count_5m
    <subject>_days_<window>              page_days_30d: on how many days (UTC)
    <subject>_value_<window>             purchase_value_30d: minor units of the company's currency
    <subject>_value_<window>_<currency>  purchase_value_30d_eur
    days_since_last_<subject>            days_since_last_purchase: whole days; null when there was none
    <fact>[<property>=<value>]           purchase_count_30d[category=shoes]: only those with this value

A subject is an interaction type, a channel, or `interaction` for all of them: in small letters, with `_` for every run
of other signs (`product_viewed` for "Product Viewed"). A word that is both a type and a channel takes the interactions of
either. Windows and properties are those of the settings.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from customer_profiles.marts.buckets import DAY, Bucket, Grain
from customer_profiles.marts.windows import LIFETIME, Window, window, windows_of
from customer_profiles.settings import Settings

EVERYTHING = "interaction"
LONGEST_VALUE = 200
"""A longer text is no category of anything, and is not counted by itself."""


class Measure(StrEnum):
    """What a fact tells."""

    COUNT = "count"
    DAYS = "days"
    VALUE = "value"
    DAYS_SINCE_LAST = "days_since_last"


_MEASURED: Mapping[Measure, tuple[str, ...]] = {
    Measure.COUNT: ("count",),
    Measure.DAYS: (),
    Measure.VALUE: ("value_sum", "currency"),
    Measure.DAYS_SINCE_LAST: ("last_at",),
}


@dataclass(frozen=True, slots=True)
class Grammar:
    """What names of facts may say.

    Attributes:
        windows: The windows there are, by name.
        properties: The properties that are counted.
        currency: The company's currency, which a value without one is in; empty when it has none.
    """

    windows: Mapping[str, Window] = field(hash=False)
    properties: tuple[str, ...] = ()
    currency: str = ""

    @classmethod
    def of(cls, lengths: Iterable[str], properties: Iterable[str] = (), currency: str = "") -> "Grammar":
        """A grammar from the windows' names."""
        return cls({name: window(name) for name in lengths}, tuple(properties), currency)


def grammar_of(settings: Settings) -> Grammar:
    """What names of facts may say by the settings."""
    windows = {one.name: one for one in windows_of(settings)}
    return Grammar(windows, settings.windows.properties, settings.defaults.currency or "")


@lru_cache(maxsize=4096)
def subject_of(name: str) -> str:
    """A type or channel as names of facts write it."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def counted_properties(said: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """What an interaction's properties say of those that are counted, as `name=value`, each once.

    A list counts once for each of its values. Texts of more than 200 signs, and what is neither text, number nor
    true or false, are not counted by themselves.
    """
    found: dict[str, None] = {}
    for name in names:
        value = said.get(name)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, bool):
                one = "true" if one else "false"
            if isinstance(one, str | int | float) and (text := str(one)) and len(text) <= LONGEST_VALUE:
                found[f"{name}={text}".replace("\0", "")] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Fact:
    """A named number over a customer's buckets.

    Attributes:
        name: As the grammar above writes it.
        subject: A type, a channel or everything.
        measure: What is told of it.
        window: When.
        currency: Of a value.
        of_property: Empty, or `name=value`: only those interactions.
    """

    name: str
    subject: str
    measure: Measure
    window: Window
    currency: str = ""
    of_property: str = ""

    @property
    def grain(self) -> Grain:
        """The grain of the buckets that it is computed from."""
        return self.window.day_grain if self.measure == Measure.DAYS else self.window.grain

    @property
    def column(self) -> str:
        """The name as a column of a query, which does not tell capital letters from small ones."""
        if not self.of_property:
            return self.name
        head, _, _ = self.name.partition("[")
        return f"{head}[{self.of_property.encode().hex()}]"

    @property
    def reads(self) -> frozenset[str]:
        """The fields of its buckets that it is computed from, besides grain and property, which are the same in all of them."""
        subject = () if self.subject == EVERYTHING else ("type", "channel")
        return frozenset(("start", *_MEASURED[self.measure], *subject))

    def covers(self, bucket: Bucket) -> bool:
        """Whether the bucket is of this fact's grain, subject, property and currency."""
        return (
            bucket.grain == self.grain
            and bucket.property == self.of_property
            and self.subject in (EVERYTHING, subject_of(bucket.type), subject_of(bucket.channel))
            and (self.measure != Measure.VALUE or bucket.currency == self.currency)
        )


_NAME = re.compile(
    r"(?:days_since_last_(?P<since>[a-z0-9_]+)"
    r"|(?P<subject>[a-z0-9_]+?)_(?P<measure>count|days|value)_(?P<window>[0-9]+[mhd]|lifetime)"
    r"(?:_(?P<currency>[a-z]{3}))?)"
    r"(?:\[(?P<property>[a-z][a-z0-9_]*)=(?P<value>.+)\])?",
    re.DOTALL,
)


def read_fact(name: str, grammar: Grammar) -> Fact | None:
    """Read a fact's name.

    Args:
        name: A name of the grammar above.
        grammar: What it may say.

    Returns:
        The fact, or None when the name is not of the grammar.
    """
    found = _NAME.fullmatch(name)
    if found is None or (found["property"] and found["property"] not in grammar.properties):
        return None
    of = f"{found['property']}={found['value']}" if found["property"] else ""
    if found["since"]:
        return Fact(name, found["since"], Measure.DAYS_SINCE_LAST, LIFETIME, of_property=of)
    measure = Measure(found["measure"])
    money = (found["currency"] or grammar.currency).upper() if measure == Measure.VALUE else ""
    if (
        found["window"] not in grammar.windows
        or (found["currency"] and not money)
        or (measure == Measure.VALUE and not money)
    ):
        return None
    return Fact(name, found["subject"], measure, grammar.windows[found["window"]], money, of)


def value_of(fact: Fact, buckets: Iterable[Bucket], now: int) -> int | None:
    """Compute a fact.

    Args:
        fact: What to compute.
        buckets: The buckets of all of a customer's records, in any order; other grains and kinds may be among
            them.
        now: End of the window, micros.

    Returns:
        A count, days, minor units, or whole days since (None when there was no interaction).
    """
    since = fact.window.since(now)
    inside = [one for one in buckets if one.start >= since and fact.covers(one)]
    if fact.measure == Measure.DAYS_SINCE_LAST:
        return max(0, (now - max(one.last_at for one in inside)) // DAY) if inside else None
    if fact.measure == Measure.VALUE:
        return sum(one.value_sum for one in inside)
    if fact.measure == Measure.DAYS:
        return len({one.start // DAY for one in inside})
    return sum(one.count for one in inside)


def next_change(
    fact: Fact, buckets: Iterable[Bucket], now: int, days: Sequence[int] | None = None
) -> int | None:
    """The earliest moment after `now` at which a fact can change with time alone.

    Args:
        fact: The fact.
        buckets: As for :func:`value_of`.
        now: Micros.
        days: For days since the last: the only numbers of days that matter to who asks; None when every day
            does.

    Returns:
        Micros, or None when it stays as it is until something happens.
    """
    inside = [one for one in buckets if one.start >= fact.window.since(now) and fact.covers(one)]
    if not inside:
        return None
    if fact.measure == Measure.DAYS_SINCE_LAST:
        last = max(one.last_at for one in inside)
        passed = max(0, (now - last) // DAY)
        coming = [passed + 1] if days is None else [day for day in days if day > passed]
        return last + min(coming) * DAY if coming else None
    leaving = (fact.window.leaves_at(one.start) for one in inside)
    return min((at for at in leaving if at is not None), default=None)
