"""Segment rules evaluated set by set in DuckDB, in memory, over the customers of one batch. Reads no state.

The facts are those of :mod:`customer_profiles.marts.facts`, computed here for thousands of customers at
once; a test holds the two to each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from customer_profiles.marts.buckets import DAY, LENGTH
from customer_profiles.marts.facts import Fact, Measure, subject_of
from customer_profiles.marts.rules import Rule, SegmentError

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

# One row for each customer and fact that has at least one bucket in its window.
_MEASURED = """
CREATE TEMP TABLE measured AS
SELECT
    bucket.customer_no,
    fact.name,
    fact.measure,
    CASE fact.measure
        WHEN 'count' THEN sum(bucket.count)
        WHEN 'days' THEN count(DISTINCT bucket.start // $day)
        WHEN 'value' THEN sum(bucket.value_sum)
        ELSE greatest(0, ($now - max(bucket.last_at)) // $day)
    END::BIGINT AS value,
    min(bucket.start) + fact.leaves_after AS leaves_at,
    max(bucket.last_at) AS last_at
FROM bucket
JOIN fact
    ON fact.grain = bucket.grain
    AND bucket.start >= fact.since
    AND bucket.property = fact.property
    AND (fact.subject = 'interaction' OR fact.subject = bucket.type OR fact.subject = bucket.channel)
    AND (fact.measure <> 'value' OR fact.currency = bucket.currency)
GROUP BY bucket.customer_no, fact.name, fact.measure, fact.leaves_after
"""

_DUE = """
SELECT used.segment, measured.customer_no, min(
    CASE
        WHEN measured.measure <> 'days_since_last' THEN measured.leaves_at
        WHEN used.days IS NULL THEN measured.last_at + (measured.value + 1) * $day
        ELSE measured.last_at + list_min(list_filter(used.days, lambda d: d > measured.value)) * $day
    END
) AS due_at
FROM measured
JOIN used ON used.name = measured.name
GROUP BY used.segment, measured.customer_no
HAVING due_at IS NOT NULL
ORDER BY used.segment, measured.customer_no
"""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of a batch of customers.

    Attributes:
        members: The customers inside each segment.
        due: Of each segment, when a customer can change with time alone (micros), by customer.
    """

    members: Mapping[str, frozenset[int]]
    due: Mapping[str, Mapping[int, int]]


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
        customers: The customers' numbers.
        traits: Of each trait a rule uses, its values by customer; customers without one are left out.
        buckets: Buckets of all records of the customers, as `BUCKET_SCHEMA`.
        now: Micros.

    Raises:
        SegmentError: a rule compares what cannot be compared.
    """
    with duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "2"}) as connection:
        facts = {fact.name: fact for rule in rules for fact in rule.facts}
        connection.register("bucket", _with_subjects(buckets))
        connection.register("fact", _fact_table(facts.values(), now))
        connection.register("used", _use_table(rules))
        connection.register("trait", _trait_table(rules, customers, traits))
        connection.execute(_MEASURED, {"now": now, "day": DAY})
        connection.execute(f"CREATE TEMP TABLE known AS {_known(facts.values())}")
        members: dict[str, frozenset[int]] = {}
        for rule in rules:
            try:
                rows = connection.execute(f"SELECT customer_no FROM known WHERE {rule.condition}").fetchall()
            except duckdb.Error as error:
                raise SegmentError(
                    f"segments.{rule.segment}.when compares things of different types "
                    f"({type(error).__name__}): quote texts, leave numbers bare, "
                    "declare numeric traits as numbers."
                ) from None
            members[rule.segment] = frozenset(customer_no for (customer_no,) in rows)
        due: dict[str, dict[int, int]] = {rule.segment: {} for rule in rules}
        for segment, customer_no, due_at in connection.execute(_DUE, {"day": DAY}).fetchall():
            due[segment][customer_no] = due_at
    return Evaluated(members, due)


def check_rules(rules: Sequence[Rule]) -> None:
    """Evaluate the rules for nobody, so that one that DuckDB cannot run is found at start.

    Raises:
        SegmentError: as :func:`evaluate`.
    """
    evaluate(rules, (), {}, BUCKET_SCHEMA.empty_table(), 0)


def _with_subjects(buckets: pa.Table) -> pa.Table:
    """Types and channels as names of facts write them."""
    for name in ("type", "channel"):
        coded = buckets.column(name).combine_chunks().dictionary_encode()
        words = pa.array([subject_of(word) for word in coded.dictionary.to_pylist()], pa.string())
        at = buckets.schema.get_field_index(name)
        buckets = buckets.set_column(at, name, words.take(coded.indices))
    return buckets


def _known(facts: Iterable[Fact]) -> str:
    """The query of one row for each customer: its traits, and its facts as columns."""
    pivoted, chosen = "", ""
    for fact in facts:
        text = exp.Literal.string(fact.name).sql(dialect="duckdb")
        name = exp.to_identifier(fact.column, quoted=True).sql(dialect="duckdb")
        pivoted += f", max(value) FILTER (WHERE name = {text}) AS {name}"
        chosen += (
            f", {name}" if fact.measure == Measure.DAYS_SINCE_LAST else f", coalesce({name}, 0) AS {name}"
        )
    return (
        f"SELECT trait.*{chosen} FROM trait LEFT JOIN "
        f"(SELECT customer_no{pivoted} FROM measured GROUP BY customer_no) AS by_customer USING (customer_no)"
    )


def _fact_table(facts: Iterable[Fact], now: int) -> pa.Table:
    rows = [
        (
            fact.name,
            fact.subject,
            str(fact.measure),
            str(fact.grain),
            fact.window.since(now),
            None if fact.window.length is None else fact.window.length + LENGTH[fact.window.grain],
            fact.currency,
            fact.of_property,
        )
        for fact in facts
    ]
    names = ("name", "subject", "measure", "grain", "since", "leaves_after", "currency", "property")
    types = (pa.string(),) * 4 + (pa.int64(), pa.int64(), pa.string(), pa.string())
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(values, kind) for values, kind in zip(columns, types, strict=True)], names)


def _use_table(rules: Sequence[Rule]) -> pa.Table:
    uses = [(rule.segment, fact.name, rule.days.get(fact.name)) for rule in rules for fact in rule.facts]
    return pa.table(
        {
            "segment": pa.array([segment for segment, _, _ in uses], pa.string()),
            "name": pa.array([name for _, name, _ in uses], pa.string()),
            "days": pa.array([days for _, _, days in uses], pa.list_(pa.int64())),
        }
    )


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
