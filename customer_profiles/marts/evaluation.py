"""Segment rules evaluated set by set, in memory, over the customers of one batch. Reads no state.

The facts are those of :mod:`customer_profiles.marts.facts`, computed here for thousands of customers at
once, column by column; a test holds the two to each other. DuckDB decides the rules, all of them in one query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from customer_profiles.marts.buckets import DAY, LENGTH
from customer_profiles.marts.facts import EVERYTHING, Fact, Measure, subject_of
from customer_profiles.marts.rules import Rule, SegmentError

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max

BUCKET_SCHEMA = pa.schema(
    [
        ("customer_no", pa.int64()),
        ("grain", pa.string()),
        ("start", pa.int64()),
        ("type", pa.string()),
        ("channel", pa.string()),
        ("currency", pa.string()),
        ("property", pa.string()),
        ("count", pa.int64()),
        ("value_sum", pa.int64()),
        ("last_at", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of a batch of customers.

    Attributes:
        members: The customers inside each segment.
        due: Of each segment, when a customer can change with time alone (micros), by customer.
    """

    members: Mapping[str, frozenset[int]]
    due: Mapping[str, Mapping[int, int]]

    def without(self, customers: frozenset[int]) -> "Evaluated":
        """The same but for some customers."""
        due = {
            segment: {one: at for one, at in by_customer.items() if one not in customers}
            for segment, by_customer in self.due.items()
        }
        return Evaluated({segment: inside - customers for segment, inside in self.members.items()}, due)


def evaluate(
    rules: Sequence[Rule],
    customers: Sequence[int],
    traits: Mapping[str, Mapping[int, Any]],
    buckets: pa.Table,
    now: int,
) -> Evaluated:
    """Evaluate rules for a batch of customers.

    Args:
        rules: The rules.
        customers: The customers' numbers, rising.
        traits: Of each trait a rule uses, its values by customer; customers without one are left out.
        buckets: Buckets of all records of the customers, as `BUCKET_SCHEMA`.
        now: Micros.

    Raises:
        SegmentError: a rule compares what cannot be compared.
    """
    numbers = np.array(customers, dtype=np.int64)
    columns = _Columns(buckets, numbers)
    facts = {fact.name: columns.measure(fact, now) for rule in rules for fact in rule.facts}
    known = _trait_table(rules, customers, traits)
    for fact in {fact.name: fact for rule in rules for fact in rule.facts}.values():
        known = known.append_column(fact.column, facts[fact.name].values)
    inside = _decide(rules, known)
    members = {rule.segment: frozenset(numbers[inside[rule.segment]].tolist()) for rule in rules}
    due: dict[str, dict[int, int]] = {}
    for rule in rules:
        at = np.full(len(numbers), NEVER)
        for fact in rule.facts:
            at = np.minimum(at, facts[fact.name].next_change(rule.days.get(fact.name)))
        coming = np.flatnonzero(at < NEVER)
        due[rule.segment] = dict(zip(numbers[coming].tolist(), at[coming].tolist(), strict=True))
    return Evaluated(members, due)


def check_rules(rules: Sequence[Rule]) -> None:
    """Evaluate the rules for nobody, so that one that DuckDB cannot run is found at start.

    Raises:
        SegmentError: as :func:`evaluate`.
    """
    evaluate(rules, (), {}, BUCKET_SCHEMA.empty_table(), 0)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A fact of every customer of the batch.

    Attributes:
        fact: Which.
        there: Who has a bucket in its window.
        values: The fact, as rules read it.
        days: For days since the last: how many passed. ``last_at``: and since when (micros).
        leaves_at: For all else: when the oldest bucket leaves the window (micros).
    """

    fact: Fact
    there: Flags
    values: pa.Array
    days: Numbers
    last_at: Numbers
    leaves_at: Numbers

    def next_change(self, days: Sequence[int] | None) -> Numbers:
        """When the fact can change with time alone, by customer; see :func:`~customer_profiles.marts.facts.next_change`."""
        if self.fact.measure != Measure.DAYS_SINCE_LAST:
            return self.leaves_at
        if days is None:
            coming, some = self.days + 1, self.there
        else:
            wanted = np.unique(np.array(days, dtype=np.int64))
            place = np.searchsorted(wanted, self.days, side="right")
            some = self.there & (place < len(wanted))
            coming = np.append(wanted, 0)[place]
        return np.where(some, self.last_at + coming * DAY, NEVER)


class _Columns:
    """The buckets of a batch by column, texts as numbers."""

    def __init__(self, buckets: pa.Table, customers: Numbers) -> None:
        self._size = len(customers)
        self._place = np.searchsorted(customers, buckets.column("customer_no").to_numpy())
        self._start, self._count, self._value, self._last = (
            buckets.column(name).to_numpy() for name in ("start", "count", "value_sum", "last_at")
        )
        self._words: dict[str, tuple[list[str], NDArray[np.int32]]] = {}
        for name in ("grain", "type", "channel", "currency", "property"):
            coded = buckets.column(name).combine_chunks().dictionary_encode()
            words = coded.dictionary.to_pylist()
            if name in ("type", "channel"):
                words = [subject_of(word) for word in words]
            self._words[name] = words, coded.indices.to_numpy()

    def measure(self, fact: Fact, now: int) -> _Measured:
        """A fact of every customer."""
        inside = self._is("grain", str(fact.grain)) & self._is("property", fact.of_property)
        inside &= self._start >= fact.window.since(now)
        if fact.subject != EVERYTHING:
            inside &= self._is("type", fact.subject) | self._is("channel", fact.subject)
        if fact.measure == Measure.VALUE:
            inside &= self._is("currency", fact.currency)
        place = self._place[inside]
        there = np.zeros(self._size, dtype=np.bool_)
        there[place] = True
        last_at, leaves_at = np.zeros(self._size, dtype=np.int64), np.full(self._size, NEVER)
        days, values = np.zeros(self._size, dtype=np.int64), np.zeros(self._size, dtype=np.int64)
        if fact.measure == Measure.DAYS_SINCE_LAST:
            np.maximum.at(last_at, place, self._last[inside])
            days = np.maximum(0, (now - last_at) // DAY)
            return _Measured(fact, there, pa.array(days, mask=~there), days, last_at, leaves_at)
        if fact.measure == Measure.DAYS:
            each = np.unique(np.stack([place, self._start[inside] // DAY], axis=1), axis=0)
            values = np.bincount(each[:, 0], minlength=self._size)
        else:
            np.add.at(values, place, (self._value if fact.measure == Measure.VALUE else self._count)[inside])
        if fact.window.length is not None:
            np.minimum.at(leaves_at, place, self._start[inside])
            leaves_at[there] += fact.window.length + LENGTH[fact.window.grain]
        return _Measured(fact, there, pa.array(values), days, last_at, leaves_at)

    def _is(self, column: str, word: str) -> Flags:
        words, codes = self._words[column]
        return np.array([each == word for each in words] or [False])[codes]


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Kept: opening one takes longer than deciding the rules of a batch."""
    return duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})


def _decide(rules: Sequence[Rule], known: pa.Table) -> dict[str, Flags]:
    """Of each segment, which rows of the table are inside."""
    if not rules:
        return {}
    with _database().cursor() as connection:
        connection.register("known", known)
        try:
            return _ask(connection, rules)
        except duckdb.Error:
            for rule in rules:
                _ask_by_itself(connection, rule)
            raise


def _ask(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> dict[str, Flags]:
    said = ", ".join(
        f"CASE WHEN {rule.condition} THEN true ELSE false END AS rule_{place}"
        for place, rule in enumerate(rules)
    )
    answers = connection.execute(f"SELECT {said} FROM known").fetchnumpy()
    return {rule.segment: np.asarray(answers[f"rule_{place}"]) for place, rule in enumerate(rules)}


def _ask_by_itself(connection: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    try:
        _ask(connection, [rule])
    except duckdb.Error as error:
        raise SegmentError(
            f"segments.{rule.segment}.when compares things of different types "
            f"({type(error).__name__}): quote texts, leave numbers bare, "
            "declare numeric traits as numbers."
        ) from None


def _trait_table(
    rules: Sequence[Rule], customers: Sequence[int], traits: Mapping[str, Mapping[int, Any]]
) -> pa.Table:
    columns = {"customer_no": pa.array(customers, pa.int64())}
    for spec in {spec.name: spec for rule in rules for spec in rule.traits}.values():
        held = traits.get(spec.name, {})
        values = [_plain(held.get(customer_no), spec.number) for customer_no in customers]
        columns[spec.name] = pa.array(values, pa.float64() if spec.number else pa.string())
    return pa.table(columns)


def _plain(value: Any, number: bool) -> float | str | None:
    """A trait's value as a rule compares it: the first of several, a number where declared, else text."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return None
    if number:
        try:
            return float(value)
        except (TypeError, ValueError):
            return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
