"""Whether the live graph is right around some records by chance, at the cost of these. Reads; never writes.

Of each record its content, its keys, its edges to all holders of its keys and the customers in its reach are made anew from
what the record says. Who else holds a key is looked up in the index: an entry that it lacks is found with the record
whose entry it is, as long as the key lives.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.claims.claim_store import ClaimsByNeed
from customer_profiles.identity.claims.succession import Rulebook
from customer_profiles.identity.clusters.changed_clusters import change_clusters
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.edges.copies import Copies
from customer_profiles.identity.edges.edges import (
    PROBABILISTIC,
    Edges,
    Pairs,
    pairs_of_records,
)
from customer_profiles.identity.edges.features import load_content_of, load_digested
from customer_profiles.identity.edges.finder import EdgeFinder
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_parts import Entries
from customer_profiles.identity.edges.index_rows import read_entries, rows_of
from customer_profiles.identity.evaluation.verify import (
    ENTRY,
    Comparing,
    Part,
    Tell,
    Verification,
    entry_table,
)
from customer_profiles.identity.graph.graph_store import edge_table, refusal_of, resolved_table, review_table
from customer_profiles.identity.graph.records import STORED_COLUMNS, identity_versions
from customer_profiles.identity.graph.standing import standing
from customer_profiles.identity.graph.stored_graph import StoredGraph
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.tables import edge, resolved_record, review_pair
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]
_AT_ONCE = 500
_PAIR = ("left_no", "right_no")
_SAID = ("weight", "kind", "support")


def verify_sample(
    connection: sa.Connection, settings: IdentitySettings, size: int, tell: Tell, seed: int | None = None
) -> Verification:
    """Look at the surroundings of records by chance.

    Args:
        connection: Reading the state store, one snapshot.
        settings: Identifiers, caps, thresholds.
        size: How many records.
        tell: Hears how it gets on.
        seed: Of the chance; None for another sample each time.

    Raises:
        NotResolved: There is no graph, or changes wait to be resolved.
        BundleError: The model in use cannot be read.
    """
    at = standing(connection, settings)
    sample = _sample(connection, size, random.Random(seed))
    finder = EdgeFinder(model_in_use(connection).bundle, settings, Index(at.generation))
    finder.index.refresh(connection)
    around = _Surroundings(
        connection, at.generation, finder, Rulebook(at.changes.decisions).at(at.changes.until)
    )
    for start in range(0, len(sample), _AT_ONCE):
        tell("looking at the surroundings of records", start / len(sample))
        around.look_at(sample[start : start + _AT_ONCE])
    finder.close()
    tell("done", 1.0)
    return around.comparing.result(at.generation, len(sample))


class _Surroundings:
    """What is stored around records, compared with what they say."""

    def __init__(
        self, connection: sa.Connection, generation: int, finder: EdgeFinder, rulings: Rulings
    ) -> None:
        self._connection, self._generation = connection, generation
        self._finder, self._rulings = finder, rulings
        self._bench, self._bundle, self._settings = finder.bench, finder.bundle, finder.settings
        self.comparing = Comparing(self._records_of)

    def look_at(self, sample: list[int]) -> None:
        """Make anew what follows from these records."""
        rows = rows_by_key(self._connection, record, "record_no", sample, STORED_COLUMNS)
        records = identity_versions(sorted(rows, key=lambda row: row[0]))
        own = self._own_contents(records)
        pairs = self._pairs(own)
        self._edges(own, pairs, sample)
        self._customers(sample)

    def _own_contents(self, records: pa.Table) -> pa.Table:
        """The index rows of the records' contents; what the graph has taken in of the records is compared on the way."""
        load_digested(self._bench, records, self._bundle.extras)
        rows = self._bench.arrays("select record_no, digest from digested order by record_no")
        contents = np.asarray(rows["digest"], dtype=np.int64)
        _, first = np.unique(contents, return_index=True)
        load_content_of(self._bench, rows["record_no"][first].tolist())
        numbers = records["record_no"].to_pylist()
        self.comparing.compare(
            Part.RECORD,
            self._rows(resolved_record, "record_no", numbers),
            resolved_table(records, contents),
            ("record_no",),
        )
        here = np.asarray(rows["record_no"], dtype=np.int64)
        having, records_there = self._copies(contents)
        of_sample = np.isin(records_there, here)
        self.comparing.compare(
            Part.COPY,
            entry_table([Entries(having[of_sample], records_there[of_sample])]),
            entry_table([Entries(contents, here)]),
            ENTRY,
        )
        held = self._finder.held()
        hubs = self._finder.hubs(self._connection, held)
        self._finder.load_contacts(hubs)
        self._hubs = hubs
        own = rows_of(self._bench, self._finder.shares, self._bundle, self._settings, "true")
        own = own.sort_by("content_no")
        stored = self._finder.index.contents(self._connection, own["content_no"].to_numpy())
        self.comparing.compare(
            Part.CONTENT, own.slice(0, 0) if stored is None else stored, own, ("content_no",)
        )
        return own

    def _pairs(self, own: pa.Table) -> tuple[Numbers, Numbers, Numbers]:
        """Pairs of contents that share a live key, one of them a record's own, with the bits of what they share."""
        contents, keys, bits = read_entries(self._bench, self._finder.kinds, self._bundle)
        each, first = np.unique(keys, return_index=True)
        bit = bits[first]
        counts = self._finder.index.counts(self._connection, each)
        few = len(self._finder.kinds)
        lives = np.where(
            bit < few, ~np.isin(each, self._hubs), counts.counts <= self._finder.caps[bit]
        ).astype(np.bool_)
        place, holder = counts.holders(lives)
        there = pa.table({"place": place, "holder": holder})
        at = np.searchsorted(each, keys)
        alive = lives[at]
        said = pa.table(
            {"content_no": contents[alive], "place": at[alive], "bit": np.int64(1) << bits[alive]}
        )
        with self._bench.given("there", there), self._bench.given("said", said):
            found = self._bench.arrays(
                "select s.content_no, t.holder, bit_or(s.bit) as support from said s join there t using (place) "
                "group by all"
            )
        self._compare_entries(own, each, place, holder, contents[alive], at[alive])
        one, other, support = (
            np.asarray(found[name], dtype=np.int64) for name in ("content_no", "holder", "support")
        )
        left, right = np.minimum(one, other), np.maximum(one, other)
        _, once = np.unique(np.stack([left, right], axis=1), axis=0, return_index=True)
        return left[once], right[once], support[once]

    def _compare_entries(
        self, own: pa.Table, keys: Numbers, place: Numbers, holder: Numbers, contents: Numbers, at: Numbers
    ) -> None:
        mine = np.isin(holder, own["content_no"].to_numpy())
        self.comparing.compare(
            Part.KEY,
            entry_table([Entries(keys[place[mine]], holder[mine])]),
            entry_table([Entries(keys[at], contents)]),
            ENTRY,
        )

    def _edges(self, own: pa.Table, pairs: tuple[Numbers, Numbers, Numbers], sample: list[int]) -> None:
        left, right, support = pairs
        others = np.setdiff1d(np.union1d(left, right), own["content_no"].to_numpy())
        stored = self._finder.index.contents(self._connection, others)
        rows = own if stored is None else pa.concat_tables([own, stored.cast(own.schema)])
        copies = Copies.of(*self._copies(rows["content_no"].to_numpy()))
        each, records = np.unique(copies.contents, return_counts=True)
        wanted = (left != right) | np.isin(left, each[records > 1])
        wanted_pairs = pa.table(
            {"left_no": left[wanted], "right_no": right[wanted], "support": support[wanted]}
        )
        found = pairs_of_records(self._finder.scoring(rows, wanted_pairs)(), copies)
        strong, review = self._finder.edges_and_review(found)
        edges = Edges(
            pairs=_touching(strong, sample),
            review=_touching(review, sample),
            kinds=(*self._finder.kinds, PROBABILISTIC),
            supports=(*self._finder.kinds, *(rule.name for rule in self._bundle.rules)),
            hubs=(),
            candidates=len(left),
        )
        anew = edge_table(edges, np.zeros(len(edges.pairs), dtype=np.int8)).select([*_PAIR, *_SAID])
        self.comparing.compare(Part.EDGE, self._incident(edge, sample).select([*_PAIR, *_SAID]), anew, _PAIR)
        self.comparing.compare(Part.REVIEW, self._incident(review_pair, sample), review_table(edges), _PAIR)

    def _customers(self, sample: list[int]) -> None:
        """Cluster the region of the records again, by the stored edges."""
        finder = self._finder
        graph = StoredGraph(
            self._connection,
            self._generation,
            conflict_veto=finder.bundle.conflict_veto,
            exclusive=finder.exclusive_values(self._connection),
        )
        claims = ClaimsByNeed(self._connection, graph.lives)
        found = change_clusters(
            graph, sample, (), self._rulings, self._rulings, linkage_of(self._settings), claims
        )
        stored, anew = (
            pa.table({"record_no": one.records, "customer_no": one.customers})
            for one in (found.old, found.new)
        )
        self.comparing.compare(Part.MEMBER, stored, anew, ("record_no",))
        verdicts = found.region.verdicts
        told = pa.table(_columns([(*pair, refusal_of(verdict)) for pair, verdict in verdicts.items()]))
        kept = pa.table(_columns([(*pair, graph.refusals[pair]) for pair in verdicts]))
        self.comparing.compare(Part.VERDICT, kept, told, _PAIR)

    def _records_of(self, contents: Sequence[int]) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        columns = self._copies(np.array(contents, dtype=np.int64))
        for content, number in zip(*(column.tolist() for column in columns), strict=True):
            found[content] = (*found.get(content, ()), number)
        return found

    def _copies(self, contents: Numbers) -> tuple[Numbers, Numbers]:
        """Contents and the records that have them, pair by pair."""
        return self._finder.index.copies(self._connection, np.unique(contents))

    def _incident(self, table: sa.Table, records: list[int]) -> pa.Table:
        both = [self._rows(table, end, records) for end in _PAIR]
        again = pa.array(np.isin(both[1]["left_no"].to_numpy(), records))
        return pa.concat_tables([both[0], both[1].filter(pc.invert(again))])

    def _rows(self, table: sa.Table, key: str, values: Sequence[int]) -> pa.Table:
        columns = [column for column in table.columns if column.name != "generation"]
        names = tuple(str(column.name) for column in columns)
        keys = [(self._generation, value) for value in values]
        rows = rows_by_key(self._connection, table, ("generation", key), keys, names)
        kinds = [pa.int64() if isinstance(column.type, sa.BigInteger) else pa.string() for column in columns]
        return pa.table(
            [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)], list(names)
        )


def _sample(connection: sa.Connection, size: int, chance: random.Random) -> list[int]:
    """Living records by chance: for each the first from a number drawn on."""
    newest = connection.execute(sa.select(sa.func.max(record.c.record_no))).scalar_one() or 0
    living = record.c.deleted_at.is_(None) & record.c.change_no.is_not(None)
    drawn = range(1, newest + 1) if newest <= size else sorted(chance.sample(range(1, newest + 1), size))
    found: set[int] = set()
    for number in drawn:
        first = connection.execute(
            sa.select(record.c.record_no)
            .where(record.c.record_no >= number, living)
            .order_by(record.c.record_no)
            .limit(1)
        ).scalar_one_or_none()
        if first is not None:
            found.add(first)
    return sorted(found)


def _touching(pairs: Pairs, records: list[int]) -> Pairs:
    which = np.isin(pairs.left, records) | np.isin(pairs.right, records)
    return Pairs(
        pairs.left[which],
        pairs.right[which],
        pairs.weight[which],
        pairs.kind[which],
        pairs.conflict[which],
        pairs.support[which],
    )


def _columns(rows: list[tuple[int, int, str | None]]) -> dict[str, pa.Array]:
    return {
        "left_no": pa.array([row[0] for row in rows], pa.int64()),
        "right_no": pa.array([row[1] for row in rows], pa.int64()),
        "refusal": pa.array([row[2] for row in rows], pa.string()),
    }
