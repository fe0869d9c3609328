"""Which edges a batch of changed records makes, takes back and weighs anew, at the cost of the batch.

The rules are those of `edges.py`, which computes everything; a test holds both to the same edges. Contents are what is
compared, so the batch is first told in contents: new ones, gone ones, those with other copies. Then what depends on counts:

- an identifier that becomes a hub, or is none any more, changes what its holders say: they are scored again;
- a blocking key that dies or comes to life concerns pairs of its holders only.

Everything is looked up through the index; nothing is scanned. All of it happens in the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from customer_profiles.identity.edges.batch_contents import BatchContents, sorted_numbers
from customer_profiles.identity.edges.copies import Copies
from customer_profiles.identity.edges.edges import (
    PROBABILISTIC,
    Edges,
    pairs_of_records,
)
from customer_profiles.identity.edges.features import load_content_of, load_digested
from customer_profiles.identity.edges.finder import EdgeFinder
from customer_profiles.identity.edges.index_delta import NONE, Delta, Held, Numbers, columns, joined
from customer_profiles.identity.edges.index_parts import Entries, content_parts, key_parts
from customer_profiles.identity.edges.index_rows import (
    add_contacts,
    add_contents,
    bring_back_content,
    feature_columns,
    read_entries,
    rows_of,
)
from customer_profiles.identity.edges.workbench import Column
from customer_profiles.identity.graph.graph_store import StoredEdge
from customer_profiles.identity.tables import edge, review_pair
from customer_profiles.state.bulk import rows_by_key


@dataclass(frozen=True)
class ChangedEdges:
    """What a batch does to the edges.

    Attributes:
        edges: The edges and review pairs that now stand where old ones are taken back.
        old_edges: The stored edges in their place.
        old_review: The stored review pairs in their place, with their weights.
        content_of: By changed record its content now; a deleted one is missing.
        rewritten: The records whose identifiers changed their standing, whatever became of their edges.
        candidates: How many pairs of contents were scored.
    """

    edges: Edges
    old_edges: dict[tuple[int, int], StoredEdge]
    old_review: dict[tuple[int, int], int]
    content_of: dict[int, int]
    rewritten: frozenset[int]
    candidates: int

    @cached_property
    def dirty(self) -> set[int]:
        """The records at the ends of edges that were made, taken back or weighed anew, and those rewritten."""
        pairs = self.edges.pairs
        now = dict(
            zip(
                zip(pairs.left.tolist(), pairs.right.tolist(), strict=True),
                pairs.weight.tolist(),
                strict=True,
            )
        )
        before = {pair: weight for pair, (weight, _, _) in self.old_edges.items()}
        differ = {pair for pair in now.keys() | before.keys() if now.get(pair) != before.get(pair)}
        return set(self.rewritten).union(*differ)


def change_edges_of(
    finder: EdgeFinder, connection: sa.Connection, changed: Numbers, living: pa.Table
) -> ChangedEdges:
    """Find what a batch does to the edges, and write the index.

    Args:
        finder: The model in use, warm.
        connection: Writing to the state store.
        changed: The records written or deleted, rising.
        living: The identity records of those of them that live now.
    """
    return _Change(finder, connection, changed, living).made()


class _Change:
    """One batch on its way; each step reads what the ones before it found out.

    In the workbench a content as it was before the batch goes by -1 - its number, beside contents as they are now.
    """

    def __init__(
        self, finder: EdgeFinder, connection: sa.Connection, changed: Numbers, living: pa.Table
    ) -> None:
        self.finder, self.connection = finder, connection
        self.index, self.bench, self.bundle, self.settings = (
            finder.index,
            finder.bench,
            finder.bundle,
            finder.settings,
        )
        self.generation, self.few = finder.index.generation, len(finder.kinds)
        load_digested(self.bench, living, self.bundle.extras)
        rows = self.bench.arrays("select record_no, digest from digested")
        now = dict(zip(rows["record_no"].tolist(), rows["digest"].tolist(), strict=True))
        self.batch = BatchContents(connection, self.index, changed, now)
        self.new, self.gone, self.kept = self.batch.new, self.batch.gone, self.batch.kept

    def made(self) -> ChangedEdges:
        self._find_hubs()
        self._write_down_keys()
        self._count_keys()
        self._pair_with_holders()
        self._pair_at_crossings()
        rows, pairs = self._to_score()
        with ThreadPoolExecutor(1) as aside:
            # The workbench needs neither Python nor the state while it scores.
            found = aside.submit(self.finder.scoring(rows, pairs))
            self._write()
            old_edges, old_review = self._old_pairs()
        edges = self._in_records(found.result(), pairs.num_rows)
        _, rewritten = self.batch.members_of(self.again)
        return ChangedEdges(
            edges, old_edges, old_review, self.batch.now, frozenset(rewritten.tolist()), edges.candidates
        )

    def _find_hubs(self) -> None:
        """Which identifiers are hubs, before and after; holders of one that crosses are written down again."""
        speaker = {content: record for record, content in self.batch.now.items()}
        load_content_of(self.bench, [speaker[content] for content in self.new.tolist()])
        stored = self.index.contents(self.connection, np.union1d(self.gone, self.kept))
        self._gone_rows, self._rewritten = self._only(stored, self.gone), None
        self._add(self._only(stored, self.kept), self._gone_rows)
        held = self.finder.held()
        new, gone = held.of(self.new), _before(held)
        self._value_delta = Delta(new.keys, new.contents, gone.keys, gone.contents)
        before, after = self.finder.hubs_around(
            self.connection, held, self._value_delta, self._new_identifiers
        )
        content = self._holders_of(np.setxor1d(before, after), joined([new, gone]))
        self.again = np.setdiff1d(content, np.union1d(self.new, self.gone))
        if len(self.again):
            # What a rewritten content says now is what it said, but for its hubs; both are needed.
            self.kept = np.setdiff1d(self.kept, self.again)
            with self.bench.given("chosen_content", pa.table({"content_no": self.again})):
                self.bench.delete("content", "content_no in (select content_no from chosen_content)")
            self._rewritten = self.index.contents(self.connection, self.again)
            self._add(self._rewritten, self._rewritten)
            held = self.finder.held()
            now = joined([held.of(self.new), held.of(self.again), held.of(self.kept)])
            _, after = self.finder.hubs_around(self.connection, now, self._value_delta, self._new_identifiers)
        self._hub_now = after

    def _holders_of(self, crossing: Numbers, changing: Held) -> Numbers:
        """The contents, before and after, that hold a value which becomes a hub or ceases to be one."""
        keys = np.intersect1d(crossing, changing.keys)
        if not len(keys):
            return NONE
        counts = self.index.counts(self.connection, keys)
        everyone = np.ones(len(keys), dtype=np.bool_)
        _, was = counts.holders(everyone)
        _, now = self._value_delta.holders(counts, everyone)
        return np.concatenate([was, now])

    def _write_down_keys(self) -> None:
        """The entries that contents had and have, and so what the index gains and loses."""
        self.finder.load_contacts(self._hub_now)
        before = [rows for rows in (self._gone_rows, self._rewritten) if rows is not None and rows.num_rows]
        if before:
            self.bench.delete("contact", "content_no < 0")
            add_contacts(self.bench, _one_table(before), self.settings)
        fresh = np.union1d(self.new, self.again)
        with self.bench.given("chosen_content", pa.table({"content_no": fresh})):
            self._written_rows = rows_of(
                self.bench,
                self.finder.shares,
                self.bundle,
                self.settings,
                "content_no in (select content_no from chosen_content)",
            )
        contents, keys, bits = read_entries(self.bench, self.finder.kinds, self.bundle)
        now, was = contents >= 0, contents < 0
        self.entries = contents[now], keys[now], bits[now]
        self._old_entries = -1 - contents[was], keys[was], bits[was]
        written = np.isin(self.entries[0], fresh)
        has = {*_pairs(self.entries[1][written], self.entries[0][written])}
        had = {*_pairs(self._old_entries[1], self._old_entries[0])}
        self.delta = Delta(*columns(has - had), *columns(had - has))

    def _count_keys(self) -> None:
        """Which keys live, before and after."""
        _, keys, bits = (np.concatenate([a, b]) for a, b in zip(self.entries, self._old_entries, strict=True))
        self.keys, first = np.unique(keys, return_index=True)
        bit = bits[first]
        self.counts = self.index.counts(self.connection, self.keys)
        after = self.counts.counts + self.delta.by_key(self.keys)
        cap = self.finder.caps[bit] if len(bit) else bit
        value = bit < self.few
        self.lives = np.where(value, ~np.isin(self.keys, self._hub_now), after <= cap)
        lived = self.counts.counts <= cap
        self.dies = ~value & lived & ~self.lives
        self.comes_to_life = ~value & ~lived & self.lives
        self.holders_now = after

    def _pair_with_holders(self) -> None:
        """The pairs of every content that is new, has other copies or says something else: all that share a live key."""
        contents, keys, bits = self.entries
        place = np.searchsorted(self.keys, keys)
        alive = self.lives[place]
        contents, place, bits = contents[alive], place[alive], bits[alive]
        wanted = np.zeros(len(self.keys), dtype=np.bool_)
        wanted[place] = True
        wanted &= self.holders_now > 1
        at, holder = self.delta.holders(self.counts, wanted)
        start = np.searchsorted(at, place, side="left")
        size = np.searchsorted(at, place, side="right") - start
        one = np.repeat(contents, size)
        other = holder[
            np.repeat(start, size) + np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        ]
        support = np.repeat(np.int64(1) << bits, size)
        across = one != other
        copied = np.isin(contents, sorted_numbers(self.batch.copied(sorted_numbers(self._concerned()))))
        self.pairs = _grouped(
            np.concatenate([one[across], contents[copied]]),
            np.concatenate([other[across], contents[copied]]),
            np.concatenate([support[across], (np.int64(1) << bits)[copied]]),
        )

    def _pair_at_crossings(self) -> None:
        """The pairs among holders of keys that died or came to life, those above left out."""
        nothing = (NONE, NONE, NONE)
        self.crossing_pairs, self.crossing_before = nothing, (NONE, NONE)
        if not (self.dies.any() or self.comes_to_life.any()):
            return
        done = np.array(sorted(self._concerned()), dtype=np.int64)
        at, holder = self.counts.holders(self.dies)
        mourning = np.setdiff1d(holder, np.union1d(done, self.gone))
        wanted: set[tuple[int, int]] = set(self._stored_content_pairs(mourning))
        at, holder = self.delta.holders(self.counts, self.comes_to_life)
        others = ~np.isin(holder, done)
        at, holder = at[others], holder[others]
        copied = self.batch.copied(np.unique(holder))
        for group in np.split(holder, np.flatnonzero(np.diff(at)) + 1) if len(holder) else ():
            ordered = np.sort(group).tolist()
            wanted |= {(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :]}
            wanted |= {(a, a) for a in ordered if a in copied}
        if wanted:
            self.crossing_before = columns(wanted)
            self.crossing_pairs = self._supported(*self.crossing_before)

    def _supported(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """These pairs with what they share that lives now; those that share nothing are left out."""
        rows = self.index.contents(self.connection, np.union1d(left, right))
        if rows is None or not rows.num_rows:
            return NONE, NONE, NONE
        bring_back_content(self.bench, rows, self.bundle, self.settings)
        held = self.finder.held()
        contents, keys, bits = read_entries(self.bench, self.finder.kinds, self.bundle)
        _, hubs = self.finder.hubs_around(self.connection, held, self._value_delta, self._new_identifiers)
        each, first = np.unique(keys, return_index=True)
        bit = bits[first]
        now = self.index.counts(self.connection, each).counts + self.delta.by_key(each)
        live = np.where(bit < self.few, ~np.isin(each, hubs), now <= self.finder.caps[bit])
        alive = live[np.searchsorted(each, keys)]
        shown = pa.table(
            {"content_no": contents[alive], "key": keys[alive], "bit": np.int64(1) << bits[alive]}
        )
        wanted = pa.table({"left_no": left, "right_no": right})
        with self.bench.given("live_entry", shown), self.bench.given("wanted_pair", wanted):
            rows = self.bench.arrays(
                "select left_no, right_no, bit_or(l.bit) as support from wanted_pair "
                "join live_entry l on l.content_no = left_no "
                "join live_entry r on r.content_no = right_no and r.key = l.key group by left_no, right_no"
            )
        left, right, support = (
            np.asarray(rows[name], dtype=np.int64) for name in ("left_no", "right_no", "support")
        )
        return left, right, support

    def _to_score(self) -> tuple[pa.Table, pa.Table]:
        """All pairs of contents that are to be scored, and what is compared of those contents."""
        left, right, support = (
            np.concatenate([a, b]) for a, b in zip(self.pairs, self.crossing_pairs, strict=True)
        )
        pairs = pa.table({"left_no": left, "right_no": right, "support": support})
        return self._rows_of(np.union1d(left, right)), pairs

    def _rows_of(self, contents: Numbers) -> pa.Table:
        """What is compared of these contents: those just written, and stored ones."""
        columns = feature_columns(self.bundle, self.settings)
        stored = self.index.contents(
            self.connection, np.setdiff1d(contents, np.union1d(self.new, self.again)), columns
        )
        return _one_table([self._written_rows.select(columns), *([] if stored is None else [stored])])

    def _in_records(self, found: Mapping[str, Column], candidates: int) -> Edges:
        """The pairs of contents that were found, as pairs of records."""
        copies = Copies(*self.batch.members_of(np.union1d(found["left_no"], found["right_no"])))
        pairs, review = self.finder.edges_and_review(pairs_of_records(found, copies))
        return Edges(
            pairs=pairs,
            review=review,
            kinds=(*self.finder.kinds, PROBABILISTIC),
            supports=(*self.finder.kinds, *(rule.name for rule in self.bundle.rules)),
            hubs=(),
            candidates=candidates,
        )

    def _old_pairs(self) -> tuple[dict[tuple[int, int], StoredEdge], dict[tuple[int, int], int]]:
        """The stored edges and review pairs whose place those that are found take."""
        concerned = sorted_numbers({*self._concerned(), *self.gone.tolist()})
        records, _ = self.batch.records_of(concerned)
        records |= self.batch.records_before(concerned.tolist())
        left, right = self.crossing_before
        crossing = set(zip(left.tolist(), right.tolist(), strict=True))
        beside, content_of = self.batch.records_of(np.union1d(left, right))
        old = []
        weighed = ("left_no", "right_no", "weight")
        for table, names in ((edge, (*weighed, "kind", "support")), (review_pair, weighed)):
            touching = self._incident(table, records, names)
            touching |= {
                row
                for row in self._incident(table, beside, names, both=False)
                if _ordered(content_of.get(row[0]), content_of.get(row[1])) in crossing
            }
            old.append(touching)
        return (
            {(left, right): (weight, kind, support) for left, right, weight, kind, support in old[0]},
            {(left, right): weight for left, right, weight in old[1]},
        )

    def _write(self) -> None:
        """Bring the index up to date."""
        delta = self.delta
        if len(delta.keys) or len(delta.gone_keys):
            entries = Entries.of(delta.keys, delta.contents, delta.gone_keys, delta.gone_contents)
            self.index.write(self.connection, "key", key_parts(entries))
        gone = self._gone_rows
        rows = [self._written_rows]
        if gone is not None and gone.num_rows:
            flags = pa.array(np.ones(gone.num_rows, dtype=np.bool_))
            rows.append(gone.set_column(gone.schema.get_field_index("gone"), "gone", flags))
        table = _one_table(rows)
        if table.num_rows:
            self.index.write(self.connection, "content", content_parts(table.sort_by("content_no")))
        if len(self.batch.copies.keys):
            self.index.write(self.connection, "copy", key_parts(self.batch.copies))
        self.index.merge(self.connection)

    # What steps above look up.

    def _concerned(self) -> set[int]:
        """The contents all of whose pairs are found anew."""
        return {*self.new.tolist(), *self.kept.tolist(), *self.again.tolist()}

    def _stored_content_pairs(self, contents: Numbers) -> Iterable[tuple[int, int]]:
        """Pairs of these contents between which an edge or a review pair is stored."""
        records, content_of = self.batch.records_of(contents)
        for table in (edge, review_pair):
            for left, right in self._incident(table, records, ("left_no", "right_no"), both=False):
                if left in content_of and right in content_of:
                    yield _ordered(content_of[left], content_of[right])

    def _incident(
        self, table: sa.Table, records: Iterable[int], names: tuple[str, ...], *, both: bool = True
    ) -> set[tuple[Any, ...]]:
        """The stored pairs of records: those that begin with one of these, and with `both` those that end with one."""
        records, within = set(records), {"generation": self.generation}
        rows = rows_by_key(self.connection, table, "left_no", records, names, within)
        if both:
            rows += rows_by_key(self.connection, table, "right_no", records, names, within)
        return set(rows)

    def _new_identifiers(self) -> pa.Table:
        """Number and identifiers of the batch's contents: the index does not have the new ones yet."""
        return self.bench.arrow("select digest as content_no, identifiers from digested")

    def _add(self, now: pa.Table | None, before: pa.Table | None) -> None:
        """Add stored contents to the table `content`, as they are now and as they were."""
        if now is not None and before is not None and now.num_rows + before.num_rows:
            add_contents(self.bench, now, before, self.bundle)

    def _only(self, rows: pa.Table | None, contents: Numbers) -> pa.Table | None:
        return None if rows is None else rows.filter(_is_in(rows["content_no"], contents))


def _before(held: Held) -> Held:
    """The values that contents held before the batch, by the contents' own numbers."""
    which = held.contents < 0
    return Held(-1 - held.contents[which], held.kinds[which], held.keys[which], held.generic[which])


def _one_table(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([table.cast(tables[0].schema) for table in tables])


def _is_in(column: pa.ChunkedArray, contents: Numbers) -> pa.Array:
    return pa.array(np.isin(column.to_numpy(), contents))


def _ordered(one: int | None, other: int | None) -> tuple[int, int]:
    return (-1, -1) if one is None or other is None else (min(one, other), max(one, other))


def _pairs(one: Numbers, other: Numbers) -> Iterable[tuple[int, int]]:
    return zip(one.tolist(), other.tolist(), strict=True)


def _grouped(one: Numbers, other: Numbers, support: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Pairs, smaller content first, each once, with all that they share."""
    left, right = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((right, left))
    left, right, support = left[order], right[order], support[order]
    if not len(left):
        return left, right, support
    first = np.ones(len(left), dtype=np.bool_)
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return left[first], right[first], np.bitwise_or.reduceat(support, np.flatnonzero(first))
