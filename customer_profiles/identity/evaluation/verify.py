"""Whether the live graph is what a rebuild of the same inputs would give. Reads; never writes.

`verify_all` computes everything anew in memory, as a rebuild does; `verify_sample` (`verify_sample.py`) looks at the
surroundings of some records, at the cost of these. What differs is told by record number, never by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims.claim_store import read_claims
from customer_profiles.identity.claims.claims import founders, record_of
from customer_profiles.identity.claims.succession import Rulebook
from customer_profiles.identity.edges.edges import Edges
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_parts import Entries, contents_of_parts
from customer_profiles.identity.edges.index_rows import WholeIndex
from customer_profiles.identity.edges.workbench import Workbench, workbench
from customer_profiles.identity.graph.changes import all_living
from customer_profiles.identity.graph.graph_store import edge_table, resolved_table, review_table
from customer_profiles.identity.graph.standing import Standing, standing
from customer_profiles.identity.linking import Linked, link
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.tables import customer, edge, member, resolved_record, review_pair
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import arrow_table

Numbers = NDArray[np.int64]
Tell = Callable[[str, float], None]
"""Told what is being done, and which share of all is done (0 to 1)."""
LISTED = 1_000
"""So many differences of a part are listed; all are counted."""
_VERDICT = {"accepted", "refusal"}
_PAIR = ("left_no", "right_no")
ENTRY = ("key", "held_by")
"""The columns of entries of the index: a key and a content, or for copies a content and a record."""


class Part(StrEnum):
    """What is compared."""

    RECORD = "record"
    """What the graph has taken in of a record."""
    KEY = "index key"
    CONTENT = "index content"
    COPY = "index copy"
    """Which record has which content."""
    EDGE = "edge"
    VERDICT = "verdict"
    """What clustering made of an edge."""
    REVIEW = "review pair"
    MEMBER = "member"
    CUSTOMER = "customer"
    SIZE = "size"
    """How many records, customers and edges the graph is said to have."""


class Fault(StrEnum):
    """How what is stored differs."""

    MISSING = "missing"
    EXTRA = "extra"
    OTHER = "other"


@dataclass(frozen=True)
class Difference:
    """Something that is stored otherwise than a rebuild would have it.

    Attributes:
        part: Of what.
        fault: Whether it is missing, is there and should not be, or says something else.
        records: The records concerned, of many the first few.
        columns: What it says otherwise.
    """

    part: Part
    fault: Fault
    records: tuple[int, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    """What was compared, and what differs.

    Attributes:
        generation: The graph.
        records: How many records were looked at.
        compared: By part how many there are of it, stored or anew.
        differing: By part how many of them differ, where any do.
        differences: Of each part the first of them.
    """

    generation: int
    records: int
    compared: dict[Part, int]
    differing: dict[Part, int]
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differing


class Comparing:
    """Compares tables part by part and adds up what it finds. A context manager."""

    def __init__(self, records_of: Callable[[Sequence[int]], dict[int, tuple[int, ...]]]) -> None:
        """Nothing is compared yet.

        Args:
            records_of: Gives the records of contents.
        """
        self._records_of = records_of
        self._compared: dict[Part, int] = {}
        self._found: dict[Part, list[Difference]] = {}
        self._differing: dict[Part, int] = {}

    def compare(self, part: Part, stored: pa.Table, anew: pa.Table, key: Sequence[str]) -> None:
        """Compare the rows of two tables of the same columns.

        Args:
            part: What they are.
            stored: As stored; every key once.
            anew: As computed anew; every key once.
            key: The columns that name a row; the first two are records for pairs, the last is the content in an index, and the
                record in its copies.
        """
        values = [name for name in anew.column_names if name not in key]
        self._compared[part] = self._compared.get(part, 0) + anew.num_rows
        with workbench() as bench:
            rows = list(_differing(bench, stored, anew, key, values))
        records = self._names(part, [row[0] for row in rows])
        for (_, fault, columns), of in zip(rows, records, strict=True):
            told = Part.VERDICT if part is Part.EDGE and columns and set(columns) <= _VERDICT else part
            self.add(Difference(told, fault, of, columns))

    def add(self, difference: Difference) -> None:
        """Take in a difference."""
        part = difference.part
        self._differing[part] = self._differing.get(part, 0) + 1
        found = self._found.setdefault(part, [])
        if len(found) < LISTED:
            found.append(difference)

    def result(self, generation: int, records: int) -> Verification:
        """All that was found."""
        return Verification(
            generation,
            records,
            self._compared,
            self._differing,
            tuple(one for part in Part for one in self._found.get(part, ())),
        )

    def _names(self, part: Part, keys: Sequence[tuple[int, ...]]) -> Iterable[tuple[int, ...]]:
        if part in (Part.KEY, Part.CONTENT):
            records = self._records_of([key[-1] for key in keys[:LISTED]])
            return (records.get(key[-1], ()) for key in keys)
        if part is Part.COPY:
            return ((key[-1],) for key in keys)
        if part is Part.CUSTOMER:
            return ((record_of(key[0]),) for key in keys)
        return keys


def verify_all(connection: sa.Connection, settings: IdentitySettings, tell: Tell) -> Verification:
    """Compute everything anew with the model in use, and compare it with the live graph.

    Args:
        connection: Reading the state store, one snapshot.
        settings: Identifiers, caps, thresholds.
        tell: Hears how it gets on.

    Raises:
        NotResolved: There is no graph, or changes wait to be resolved.
        BundleError: The model in use cannot be read.
    """
    at = standing(connection, settings)
    generation, rulings = at.generation, Rulebook(at.changes.decisions).at(at.changes.until)
    bundle = model_in_use(connection).bundle
    tell("reading records", 0.0)
    records = all_living(connection, at.changes)
    tell("scoring and clustering", 0.05)
    linked = link(records, bundle, settings, rulings)
    numbers = linked.clustering.records
    tell("making the index", 0.45)
    index = WholeIndex(records, bundle, settings)
    stored_claims = read_claims(connection)
    founded = founders(
        stored_claims.claims(set(numbers.tolist()).__contains__),
        stored_claims.numbers,
        stored_claims.seniority,
        numbers,
        linked.clustering.labels,
        rulings,
    )
    tell("comparing records and customers", 0.6)
    comparing = Comparing(_records_of(index.content_of, numbers))
    comparing.compare(
        Part.RECORD,
        stored_rows(connection, resolved_record, generation),
        resolved_table(records, index.content_of),
        ("record_no",),
    )
    members = pa.table({"record_no": numbers, "customer_no": founded})
    comparing.compare(Part.MEMBER, stored_rows(connection, member, generation), members, ("record_no",))
    customers, sizes = np.unique(founded, return_counts=True)
    comparing.compare(
        Part.CUSTOMER,
        stored_rows(connection, customer, generation, customer.c.size > 0).select(["customer_no", "size"]),
        pa.table({"customer_no": customers, "size": sizes}),
        ("customer_no",),
    )
    _compare_sizes(comparing, at, len(numbers), len(customers), linked.edges)
    tell("comparing edges", 0.7)
    _compare_edges(comparing, connection, generation, linked)
    tell("comparing the index", 0.85)
    _compare_index(comparing, connection, generation, index)
    tell("done", 1.0)
    return comparing.result(generation, len(numbers))


def stored_rows(
    connection: sa.Connection, table: sa.Table, generation: int, *where: sa.ColumnElement[bool]
) -> pa.Table:
    """The rows of a derived table of one generation, without the column that says which."""
    columns = [column for column in table.columns if column.name != "generation"]
    return arrow_table(connection, sa.select(*columns).where(table.c.generation == generation, *where))


def _compare_sizes(comparing: Comparing, at: Standing, records: int, customers: int, edges: Edges) -> None:
    said = {"records": at.records, "customers": at.customers, "edges": at.edges}
    anew = {"records": records, "customers": customers, "edges": len(edges.pairs)}
    columns = tuple(name for name in said if said[name] != anew[name])
    if columns:
        comparing.add(Difference(Part.SIZE, Fault.OTHER, (), columns))


def _compare_edges(comparing: Comparing, connection: sa.Connection, generation: int, linked: Linked) -> None:
    anew = edge_table(linked.edges, linked.clustering.verdicts)
    comparing.compare(Part.EDGE, stored_rows(connection, edge, generation), anew, _PAIR)
    review = review_table(linked.edges)
    comparing.compare(Part.REVIEW, stored_rows(connection, review_pair, generation), review, _PAIR)


def _compare_index(
    comparing: Comparing, connection: sa.Connection, generation: int, anew: WholeIndex
) -> None:
    index = Index(generation)
    index.refresh(connection)
    stored = index.everything(connection)
    for part, entries, bodies in (
        (Part.KEY, stored.keys, anew.keys),
        (Part.COPY, stored.copies, anew.copies),
    ):
        made = [Entries.from_bytes(body) for *_, body in bodies]
        comparing.compare(part, entry_table([entries]), entry_table(made), ENTRY)
    contents = stored.contents
    of_parts = contents_of_parts(anew.contents)
    if of_parts is not None or contents is not None:
        some = of_parts if of_parts is not None else contents
        assert some is not None
        empty = some.slice(0, 0)
        comparing.compare(
            Part.CONTENT,
            contents if contents is not None else empty,
            of_parts if of_parts is not None else empty,
            ("content_no",),
        )


def entry_table(runs: Sequence[Entries]) -> pa.Table:
    """Entries in columns, for comparing."""
    nothing = np.zeros(0, dtype=np.int64)
    columns = ([run.keys for run in runs], [run.contents for run in runs])
    return pa.table([np.concatenate([nothing, *column]) for column in columns], list(ENTRY))


def _records_of(
    content_of: Numbers, records: Numbers
) -> Callable[[Sequence[int]], dict[int, tuple[int, ...]]]:
    def records_of(contents: Sequence[int]) -> dict[int, tuple[int, ...]]:
        wanted = np.isin(content_of, np.array(contents, dtype=np.int64))
        found: dict[int, tuple[int, ...]] = {}
        for content, record in zip(content_of[wanted].tolist(), records[wanted].tolist(), strict=True):
            found[content] = (*found.get(content, ()), record)
        return found

    return records_of


def _differing(
    bench: Workbench,
    stored: pa.Table,
    anew: pa.Table,
    key: Sequence[str],
    values: Sequence[str],
) -> Iterator[tuple[tuple[int, ...], Fault, tuple[str, ...]]]:
    """The rows that are in one table only, or say different things."""
    differ = [f"s.{name} is distinct from a.{name}" for name in values]
    keys = ", ".join(key)
    query = (
        f"select {keys}, s.there is null, a.there is null{''.join(f', {one}' for one in differ)} "
        f"from (select *, true as there from stored) s full join (select *, true as there from anew) a "
        f"using ({keys}) "
        f"where s.there is null or a.there is null{''.join(f' or {one}' for one in differ)} order by {keys}"
    )
    with bench.given("stored", stored), bench.given("anew", anew):
        rows = bench.execute(query).fetchall()
    for row in rows:
        missing, extra, *flags = row[len(key) :]
        fault = Fault.MISSING if missing else Fault.EXTRA if extra else Fault.OTHER
        columns = tuple(name for name, flag in zip(values, flags, strict=True) if flag)
        yield row[: len(key)], fault, columns if fault is Fault.OTHER else ()
