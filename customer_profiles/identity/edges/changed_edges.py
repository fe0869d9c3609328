"""Which edges a batch of changed records makes, takes back and weighs anew, at the cost of the batch.

The rules are those of `edges.py`, which computes everything; a test holds both to the same edges. Contents are what is
compared, so the batch is first told in contents: new ones, gone ones, those with other copies. Then what depends on counts:

- an identifier that becomes a hub, or is none any more, changes what its holders say: they are scored again;
- a blocking key that dies or comes to life concerns pairs of its holders only.

Everything is looked up through the index; nothing is scanned. All of it happens in the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.edges.edges import PROBABILISTIC, Edges, keep_scored, pairs_of_records
from customer_profiles.identity.edges.features import IDENTIFIERS_A_KIND, load_content
from customer_profiles.identity.edges.frequencies import load_feature_rows, load_frequencies
from customer_profiles.identity.edges.identifiers import LOG_IN, load_held, load_kind_rules, load_live_holders
from customer_profiles.identity.edges.index import Entries, Index, KeyCounts, content_parts, key_parts
from customer_profiles.identity.edges.index_rows import (
    bring_back_content,
    features_of,
    read_entries,
    rows_query,
    signed,
)
from customer_profiles.identity.edges.preparation import compared_lists
from customer_profiles.identity.edges.scoring import UNITS_A_BIT, compile_scoring, load_levels, load_weights
from customer_profiles.identity.edges.workbench import open_workbench
from customer_profiles.identity.graph.graph_store import StoredEdge
from customer_profiles.identity.graph.stored_graph import Exclusive
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.tables import edge, resolved_record, review_pair
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
_NONE = np.zeros(0, dtype=np.int64)


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


@dataclass(frozen=True)
class _Held:
    """Identifier values of contents, in columns: of which content, of which kind, its key, whether it is generic."""

    contents: Numbers
    kinds: NDArray[np.int32]
    keys: Numbers
    generic: Flags

    def of(self, contents: Numbers) -> _Held:
        """Those of some contents (rising)."""
        which = np.isin(self.contents, contents)
        return _Held(self.contents[which], self.kinds[which], self.keys[which], self.generic[which])


@dataclass(frozen=True)
class _Delta:
    """Entries that a batch adds to the index and takes back from it; entry by entry key and content."""

    keys: Numbers = field(default_factory=lambda: _NONE)
    contents: Numbers = field(default_factory=lambda: _NONE)
    gone_keys: Numbers = field(default_factory=lambda: _NONE)
    gone_contents: Numbers = field(default_factory=lambda: _NONE)

    def by_key(self, keys: Numbers) -> Numbers:
        """For each key (rising) by how much its holders grow."""
        grown = np.zeros(len(keys), dtype=np.int64)
        everyone = np.ones(len(keys), dtype=np.bool_)
        for changed, contents, step in (
            (self.keys, self.contents, 1),
            (self.gone_keys, self.gone_contents, -1),
        ):
            places, _ = _placed(keys, everyone, changed, contents)
            np.add.at(grown, places, step)
        return grown

    def holders(self, counts: KeyCounts, wanted: Flags) -> tuple[Numbers, Numbers]:
        """As `KeyCounts.holders`, after the batch; sorted by place, then content."""
        place, content = counts.holders(wanted)
        added, back = (
            _placed(counts.keys, wanted, keys, contents)
            for keys, contents in ((self.keys, self.contents), (self.gone_keys, self.gone_contents))
        )
        place, content = np.concatenate([place, added[0]]), np.concatenate([content, added[1]])
        order = np.lexsort((content, place))
        place, content = place[order], content[order]
        if len(back[0]):
            gone = set(zip(back[0].tolist(), back[1].tolist(), strict=True))
            kept = np.array(
                [pair not in gone for pair in zip(place.tolist(), content.tolist(), strict=True)],
                dtype=np.bool_,
            )
            place, content = place[kept], content[kept]
        return place, content


_NO_DELTA = _Delta()


class EdgeFinder:
    """Finds the edges that batches change, with a model; keep it warm between batches of one generation."""

    def __init__(self, bundle: ModelBundle, settings: IdentitySettings, index: Index) -> None:
        """Compile the model once.

        Args:
            bundle: The model in use.
            settings: Kinds of identifiers, caps and generic values.
            index: The index of the generation.
        """
        self.bundle, self.settings, self.index = bundle, settings, index
        self._scoring = compile_scoring(bundle.model)
        self._bench = open_workbench()
        self.kinds = load_kind_rules(self._bench, settings)
        load_frequencies(self._bench, bundle.frequencies, bundle.aliases)
        caps = [settings.identifiers[kind].cap for kind in self.kinds]
        caps += [rule.cap(settings.blocking_cap) for rule in bundle.rules]
        self.caps = np.array(caps, dtype=np.int64)
        self.single_login = np.array(
            [settings.identifiers[kind].single_login for kind in self.kinds], dtype=np.bool_
        )

    @property
    def bench(self) -> duckdb.DuckDBPyConnection:
        """The workbench, with kinds, frequencies and aliases loaded."""
        return self._bench

    def load_weights(self) -> None:
        """Score the table `candidate`."""
        load_levels(self._bench, self._scoring)
        load_weights(self._bench, self._scoring)

    def close(self) -> None:
        """Let go of the memory."""
        self._bench.close()

    def hubs(
        self,
        connection: sa.Connection,
        held: _Held,
        delta: _Delta = _NO_DELTA,
        new_rows: pa.Table | None = None,
    ) -> Numbers:
        """The keys of those identifier values that are hubs, rising.

        Args:
            connection: Reading the state store.
            held: The values.
            delta: What is not yet in the index.
            new_rows: Rows of the table `content` that are not yet in the index.
        """
        keys, first = np.unique(held.keys, return_index=True)
        if not len(keys):
            return keys
        kinds, generic = held.kinds[first], held.generic[first]
        counts = self.index.counts(connection, keys)
        holders = counts.counts + delta.by_key(keys)
        hub = generic | (holders > self.caps[kinds])
        # One holder is enough: a content can name two log-ins itself.
        watched = self.single_login[kinds] & ~hub
        if watched.any():
            place, content = delta.holders(counts, watched)
            logins = self._logins(connection, np.unique(content), new_rows)
            known: dict[int, set[str]] = {}
            for at, of in zip(place.tolist(), content.tolist(), strict=True):
                known.setdefault(at, set()).update(logins.get(of, ()))
            hub[[at for at, of in known.items() if len(of) > 1]] = True
        found: Numbers = keys[hub]
        return found

    def _logins(
        self, connection: sa.Connection, contents: Numbers, new_rows: pa.Table | None
    ) -> dict[int, list[str]]:
        """By content the user IDs that it states."""
        prefix = f"{LOG_IN}\x1f"
        found: dict[int, list[str]] = {}
        for table in (self.index.contents(connection, contents), new_rows):
            if table is None:
                continue
            some = table.filter(_is_in(table["content_no"], contents))
            for row in some.select(["content_no", "identifiers"]).to_pylist():
                content, values = row["content_no"], row["identifiers"]
                of = sorted(value.removeprefix(prefix) for value in values if value.startswith(prefix))
                found[content] = [value for value in of if value][:IDENTIFIERS_A_KIND]
        return found

    def exclusive_values(
        self, connection: sa.Connection
    ) -> Callable[[Numbers], Mapping[int, Exclusive]] | None:
        """Gives the exclusive identifiers of contents in the index, hubs left out; None where no kind is exclusive."""
        exclusive = [kind for kind in self.kinds if self.settings.identifiers[kind].exclusive]
        if not exclusive:
            return None

        def values_of(contents: Numbers) -> Mapping[int, Exclusive]:
            rows = self.index.contents(connection, contents)
            if rows is None or not rows.num_rows:
                return {}
            bring_back_content(self._bench, rows, self.bundle, self.settings)
            hubs = set(self.hubs(connection, self.held()).tolist())
            said = self._bench.execute(
                "select content_no, kind, value, fingerprint('identifier ' || kind, value) as key from held "
                "where list_contains(?, kind)",
                [exclusive],
            ).fetchnumpy()
            found: dict[int, dict[str, set[str]]] = {}
            columns = (said["content_no"], said["kind"], said["value"], signed(said["key"]))
            for content, kind, value, key in zip(*(list(column) for column in columns), strict=True):
                if key not in hubs:
                    found.setdefault(content, {}).setdefault(str(kind), set()).add(str(value))
            return {
                content: tuple((kind, frozenset(of[kind])) for kind in sorted(of))
                for content, of in found.items()
            }

        return values_of

    def held(self) -> _Held:
        """The identifier values of the contents in the workbench (table `held`)."""
        load_held(self._bench, IDENTIFIERS_A_KIND)
        rows = self._bench.execute(
            "select content_no, kind, generic, fingerprint('identifier ' || kind, value) as key from held"
        ).fetchnumpy()
        number = {kind: at for at, kind in enumerate(self.kinds)}
        return _Held(
            np.asarray(rows["content_no"], dtype=np.int64),
            np.array([number[kind] for kind in rows["kind"]], dtype=np.int32),
            signed(rows["key"]),
            np.asarray(rows["generic"], dtype=np.bool_),
        )

    def change(self, connection: sa.Connection, changed: Numbers, living: pa.Table) -> ChangedEdges:
        """Find what a batch does to the edges, and write the index and what each record says.

        Args:
            connection: Writing to the state store.
            changed: The records written or deleted, rising.
            living: The identity records of those of them that live now.
        """
        return _Change(self, connection, changed, living).made()


class _Change:
    """One batch on its way; each step reads what the ones before it found out."""

    def __init__(
        self, finder: EdgeFinder, connection: sa.Connection, changed: Numbers, living: pa.Table
    ) -> None:
        self.finder, self.connection, self.changed, self.living = finder, connection, changed, living
        self.index, self.bench, self.bundle, self.settings = (
            finder.index,
            finder.bench,
            finder.bundle,
            finder.settings,
        )
        self.generation = finder.index.generation
        self.few = len(finder.kinds)

    def made(self) -> ChangedEdges:
        self._tell_in_contents()
        self._find_hubs()
        self._write_down_keys()
        self._count_keys()
        self._pair_with_holders()
        self._pair_at_crossings()
        scored = self._score()
        edges, old_edges, old_review = self._in_records(scored)
        self._write()
        rewritten = np.array(sorted(self.rewritten_contents), dtype=np.int64)
        _, records = self._members_of(rewritten)
        return ChangedEdges(
            edges, old_edges, old_review, self.content_now, frozenset(records.tolist()), scored
        )

    def _tell_in_contents(self) -> None:
        """Which contents are new, gone, or have other copies than before; and what each of them says."""
        generation = self.generation
        rows = rows_by_key(
            self.connection,
            resolved_record,
            ("generation", "record_no"),
            [(generation, record) for record in self.changed.tolist()],
            ("record_no", "content_no"),
        )
        self.content_before: dict[int, int] = dict(rows)
        load_content(self.bench, self.living, self.bundle.extras, by_digest=True)
        now = self.bench.execute("select record_no, content_no from member").fetchnumpy()
        numbers = (np.asarray(now[name], dtype=np.int64).tolist() for name in ("record_no", "content_no"))
        self.content_now: dict[int, int] = dict(zip(*numbers, strict=True))
        moved = [
            record
            for record in self.changed.tolist()
            if self.content_before.get(record) != self.content_now.get(record)
        ]
        left = {self.content_before[record] for record in moved if record in self.content_before}
        entered = {self.content_now[record] for record in moved if record in self.content_now}
        touched = np.array(sorted(left | entered), dtype=np.int64)
        self._before: dict[int, set[int]] = {}
        for content, record in zip(*(one.tolist() for one in self._stored_members(touched)), strict=True):
            self._before.setdefault(content, set()).add(record)
        self._members: dict[int, set[int]] = {content: set(of) for content, of in self._before.items()}
        for record in moved:
            if record in self.content_before:
                self._members[self.content_before[record]].discard(record)
            if record in self.content_now:
                self._members.setdefault(self.content_now[record], set()).add(record)
        self.new = _numbers(c for c in touched.tolist() if not self._before.get(c) and self._members.get(c))
        self.gone = _numbers(c for c in touched.tolist() if self._before.get(c) and not self._members.get(c))
        self.kept = np.setdiff1d(touched, np.concatenate([self.new, self.gone]))
        self._keep_contents(self.new)
        self._new_rows = self.bench.sql("select * from content").to_arrow_table()

    def _find_hubs(self) -> None:
        """Which identifiers are hubs, before and after; holders of one that crosses are scored again."""
        stored = self.index.contents(self.connection, np.union1d(self.gone, self.kept))
        self._stored = stored
        new = self.finder.held()
        old = self._held_of(stored)
        gone, kept = old.of(self.gone), old.of(self.kept)
        self._value_delta = _Delta(new.keys, new.contents, gone.keys, gone.contents)
        changing = _joined([new, gone])
        _, content = self._crossing(changing)
        again = np.setdiff1d(content, np.union1d(self.new, self.gone))
        self.rewritten_contents = set(again.tolist())
        self._rewritten = self.index.contents(self.connection, again)
        held_again = self._held_of(self._rewritten)
        if len(again):
            self.kept = np.setdiff1d(self.kept, again)
            kept = kept.of(self.kept)
        self.again = again
        self._held = _joined([new, held_again, kept])
        self._hub_now = self._hubs(self._held, after=True)

    def _crossing(self, values: _Held) -> tuple[Numbers, Numbers]:
        """Holders, before and after, of the values that become hubs or cease to be."""
        before, after = self._hubs(values, after=False), self._hubs(values, after=True)
        keys = np.setxor1d(before, after)
        if not len(keys):
            return _NONE, _NONE
        counts = self.index.counts(self.connection, keys)
        everyone = np.ones(len(keys), dtype=np.bool_)
        was, now = counts.holders(everyone), self._value_delta.holders(counts, everyone)
        return np.concatenate([was[0], now[0]]), np.concatenate([was[1], now[1]])

    def _hubs(self, held: _Held, *, after: bool) -> Numbers:
        delta = self._value_delta if after else _Delta()
        return self.finder.hubs(self.connection, held, delta, self._new_rows)

    def _write_down_keys(self) -> None:
        """The entries that contents had and have, and so what the index gains and loses."""
        self._load_contents(self._new_rows)
        if len(self.again):
            self._add_stored_contents(self._rewritten)
        load_held(self.bench, IDENTIFIERS_A_KIND)
        self._load_hub_table(self._hub_now)
        load_live_holders(self.bench, self.settings)
        load_feature_rows(
            self.bench,
            self.bundle.frequencies.floors,
            self.bundle.rare_columns(),
            compared_lists(self.settings),
        )
        query = rows_query(self.bundle, self.settings, "content_no")
        self._written_rows = self.bench.sql(f"{query} order by c.content_no").to_arrow_table()
        now = read_entries(self.bench, self.finder.kinds, self.bundle)
        kept = self._entries_of(self._only(self._stored, self.kept))
        before = self._entries_of(self._only(self._stored, self.gone))
        again = self._entries_of(self._rewritten)
        self.entries = tuple(np.concatenate([a, b]) for a, b in zip(now, kept, strict=True))
        of_new = np.isin(now[0], self.new)
        added = {*_pairs(now[1][of_new], now[0][of_new])}
        taken = {*_pairs(before[1], before[0])}
        if len(self.again):
            had, has = {*_pairs(again[1], again[0])}, {*_pairs(now[1][~of_new], now[0][~of_new])}
            added |= has - had
            taken |= had - has
        self.delta = _Delta(*_columns(added), *_columns(taken))
        self._gone_entries = tuple(np.concatenate([a, b]) for a, b in zip(before, again, strict=True))

    def _count_keys(self) -> None:
        """Which keys live, before and after."""
        _, keys, bits = (
            np.concatenate([a, b]) for a, b in zip(self.entries, self._gone_entries, strict=True)
        )
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
        copied = np.isin(contents, _numbers(self._copied(_numbers(self._concerned()))))
        self.pairs = _grouped(
            np.concatenate([one[across], contents[copied]]),
            np.concatenate([other[across], contents[copied]]),
            np.concatenate([support[across], (np.int64(1) << bits)[copied]]),
        )

    def _pair_at_crossings(self) -> None:
        """The pairs among holders of keys that died or came to life, those above left out."""
        nothing = (_NONE, _NONE, _NONE)
        self.crossing_pairs, self.crossing_before = nothing, (_NONE, _NONE)
        if not (self.dies.any() or self.comes_to_life.any()):
            return
        done = np.array(sorted(self._concerned()), dtype=np.int64)
        at, holder = self.counts.holders(self.dies)
        mourning = np.setdiff1d(holder, np.union1d(done, self.gone))
        wanted: set[tuple[int, int]] = set(self._stored_content_pairs(mourning))
        at, holder = self.delta.holders(self.counts, self.comes_to_life)
        others = ~np.isin(holder, done)
        at, holder = at[others], holder[others]
        copied = self._copied(np.unique(holder))
        for group in np.split(holder, np.flatnonzero(np.diff(at)) + 1) if len(holder) else ():
            ordered = np.sort(group).tolist()
            wanted |= {(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :]}
            wanted |= {(a, a) for a in ordered if a in copied}
        if wanted:
            self.crossing_before = _columns(wanted)
            self.crossing_pairs = self._supported(*self.crossing_before)

    def _supported(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """These pairs with what they share that lives now; those that share nothing are left out."""
        rows = self.index.contents(self.connection, np.union1d(left, right))
        contents, keys, bits = self._entries_of(rows)
        held = self._held_of(rows)
        hubs = self._hubs(held, after=True)
        each, first = np.unique(keys, return_index=True)
        bit = bits[first]
        now = self.index.counts(self.connection, each).counts + self.delta.by_key(each)
        live = np.where(bit < self.few, ~np.isin(each, hubs), now <= self.finder.caps[bit])
        alive = live[np.searchsorted(each, keys)]
        shown = pa.table(
            {"content_no": contents[alive], "key": keys[alive], "bit": np.int64(1) << bits[alive]}
        )
        self.bench.register("live_entry", shown)
        self.bench.register("wanted_pair", pa.table({"left_no": left, "right_no": right}))
        rows = self.bench.execute(
            "select left_no, right_no, bit_or(l.bit) as support from wanted_pair "
            "join live_entry l on l.content_no = left_no "
            "join live_entry r on r.content_no = right_no and r.key = l.key group by left_no, right_no"
        ).fetchnumpy()
        self.bench.unregister("live_entry")
        self.bench.unregister("wanted_pair")
        left, right, support = (
            np.asarray(rows[name], dtype=np.int64) for name in ("left_no", "right_no", "support")
        )
        return left, right, support

    def _score(self) -> int:
        """Score all pairs into the table `found`; gives how many there were."""
        left, right, support = (
            np.concatenate([a, b]) for a, b in zip(self.pairs, self.crossing_pairs, strict=True)
        )
        self.bench.register(
            "candidate_pair", pa.table({"left_no": left, "right_no": right, "support": support})
        )
        self.bench.execute("create or replace table candidate as select * from candidate_pair")
        self.bench.unregister("candidate_pair")
        self._write_features(np.union1d(left, right))
        self.bench.execute(
            "create or replace table found (left_no bigint, right_no bigint, weight bigint, kind bigint, "
            "conflict boolean, support bigint)"
        )
        if len(left):
            self.finder.load_weights()
            keep_scored(self.bench, self.finder.kinds, self.bundle, self.settings)
        return len(left)

    def _write_features(self, contents: Numbers) -> None:
        """The table `feature` of these contents: the rows just written, and stored ones."""
        stored = self.index.contents(
            self.connection, np.setdiff1d(contents, np.union1d(self.new, self.again))
        )
        rows = [self._written_rows, *([] if stored is None else [stored])]
        features_of(self.bench, _one_table(rows), self.bundle, self.settings)

    def _in_records(
        self, candidates: int
    ) -> tuple[Edges, dict[tuple[int, int], StoredEdge], dict[tuple[int, int], int]]:
        """The pairs of contents as pairs of records, and the stored pairs whose place they take."""
        rows = self.bench.execute("select left_no, right_no from found").fetchnumpy()
        self._load_members(
            np.unique(np.concatenate([np.asarray(rows[n], dtype=np.int64) for n in ("left_no", "right_no")]))
        )
        few, least = self.few, round(self.bundle.edge_threshold * UNITS_A_BIT)
        edges = Edges(
            pairs=pairs_of_records(self.bench, f"kind < {few} or weight >= {least}"),
            review=pairs_of_records(self.bench, f"kind = {few} and weight < {least}"),
            kinds=(*self.finder.kinds, PROBABILISTIC),
            supports=(*self.finder.kinds, *(rule.name for rule in self.bundle.rules)),
            hubs=(),
            candidates=candidates,
        )
        concerned = _numbers({*self._concerned(), *self.gone.tolist()})
        records, _ = self._records_of(concerned)
        records |= {record for content in concerned.tolist() for record in self._before.get(content, ())}
        left, right = self.crossing_before
        crossing = set(zip(left.tolist(), right.tolist(), strict=True))
        beside, content_of = self._records_of(np.union1d(left, right))
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
            edges,
            {(left, right): (weight, kind, support) for left, right, weight, kind, support in old[0]},
            {(left, right): weight for left, right, weight in old[1]},
        )

    def _write(self) -> None:
        """Bring the index up to date."""
        delta = self.delta
        if len(delta.keys) or len(delta.gone_keys):
            entries = Entries.of(delta.keys, delta.contents, delta.gone_keys, delta.gone_contents)
            self.index.write(self.connection, "key", key_parts(entries))
        gone = self._only(self._stored, self.gone)
        rows = [self._written_rows]
        if gone is not None and gone.num_rows:
            flags = pa.array(np.ones(gone.num_rows, dtype=np.bool_))
            rows.append(gone.set_column(gone.schema.get_field_index("gone"), "gone", flags))
        table = _one_table(rows)
        if table.num_rows:
            self.index.write(self.connection, "content", content_parts(table.sort_by("content_no")))
        self.index.merge(self.connection)

    # What steps above look up.

    def _concerned(self) -> set[int]:
        """The contents all of whose pairs are found anew."""
        return {*self.new.tolist(), *self.kept.tolist(), *self.again.tolist()}

    def _stored_members(self, contents: Numbers) -> tuple[Numbers, Numbers]:
        rows = rows_by_key(
            self.connection,
            resolved_record,
            ("generation", "content_no"),
            [(self.generation, content) for content in contents.tolist()],
            ("content_no", "record_no"),
        )
        found = np.array(rows, dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _members_of(self, contents: Numbers) -> tuple[Numbers, Numbers]:
        """Contents and records, pair by pair, after the batch."""
        unknown = _numbers(content for content in contents.tolist() if content not in self._members)
        for content, record in zip(*(one.tolist() for one in self._stored_members(unknown)), strict=True):
            self._before.setdefault(content, set()).add(record)
            self._members.setdefault(content, set()).add(record)
        pairs = [
            (content, record) for content in contents.tolist() for record in self._members.get(content, ())
        ]
        found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _records_of(self, contents: Numbers) -> tuple[set[int], dict[int, int]]:
        found, records = self._members_of(contents)
        return set(records.tolist()), dict(zip(records.tolist(), found.tolist(), strict=True))

    def _copied(self, contents: Numbers) -> set[int]:
        found, _ = self._members_of(contents)
        numbers, counts = np.unique(found, return_counts=True)
        return set(numbers[counts > 1].tolist())

    def _stored_content_pairs(self, contents: Numbers) -> Iterable[tuple[int, int]]:
        """Pairs of these contents between which an edge or a review pair is stored."""
        records, content_of = self._records_of(contents)
        for table in (edge, review_pair):
            for left, right in self._incident(table, records, ("left_no", "right_no"), both=False):
                if left in content_of and right in content_of:
                    yield _ordered(content_of[left], content_of[right])

    def _incident(
        self, table: sa.Table, records: Iterable[int], names: tuple[str, ...], *, both: bool = True
    ) -> set[tuple[Any, ...]]:
        """The stored pairs of records: those that begin with one of these, and with `both` those that end with one."""
        keys = [(self.generation, record) for record in records]
        rows = rows_by_key(self.connection, table, ("generation", "left_no"), keys, names)
        if both:
            rows += rows_by_key(self.connection, table, ("generation", "right_no"), keys, names)
        return set(rows)

    def _load_members(self, contents: Numbers) -> None:
        found, records = self._members_of(contents)
        self.bench.register("record_of", pa.table({"content_no": found, "record_no": records}))
        self.bench.execute(
            "create or replace table member as select record_no, content_no, "
            "count(*) over (partition by content_no) as copies, "
            "(row_number() over (partition by content_no order by record_no))::integer as copy_no from record_of"
        )
        self.bench.unregister("record_of")

    def _keep_contents(self, contents: Numbers) -> None:
        self.bench.register("kept_content", pa.table({"content_no": contents}))
        self.bench.execute(
            "delete from content where content_no not in (select content_no from kept_content)"
        )
        self.bench.unregister("kept_content")

    def _load_contents(self, rows: pa.Table) -> None:
        self.bench.register("content_rows", rows)
        self.bench.execute("create or replace table content as select * from content_rows")
        self.bench.unregister("content_rows")

    def _add_stored_contents(self, rows: pa.Table | None) -> None:
        if rows is None:
            return
        self.bench.execute("create or replace temp table new_content as select * from content")
        bring_back_content(self.bench, rows, self.bundle, self.settings)
        self.bench.execute("insert into content by name select * from new_content; drop table new_content")

    def _held_of(self, rows: pa.Table | None) -> _Held:
        if rows is None or not rows.num_rows:
            return _Held(_NONE, _NONE.astype(np.int32), _NONE, _NONE.astype(np.bool_))
        bring_back_content(self.bench, rows, self.bundle, self.settings)
        return self.finder.held()

    def _entries_of(self, rows: pa.Table | None) -> tuple[Numbers, Numbers, Numbers]:
        """The entries of stored contents."""
        if rows is None or not rows.num_rows:
            return _NONE, _NONE, _NONE
        bring_back_content(self.bench, rows, self.bundle, self.settings)
        load_held(self.bench, IDENTIFIERS_A_KIND)
        return read_entries(self.bench, self.finder.kinds, self.bundle)

    def _load_hub_table(self, keys: Numbers) -> None:
        self.bench.register("hub_key", pa.table({"key": keys.view(np.uint64)}))
        self.bench.execute(
            "create or replace table hub as select distinct kind, value from held "
            "where fingerprint('identifier ' || kind, value) in (select key from hub_key)"
        )
        self.bench.unregister("hub_key")

    def _only(self, rows: pa.Table | None, contents: Numbers) -> pa.Table | None:
        return None if rows is None else rows.filter(_is_in(rows["content_no"], contents))


def _one_table(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([table.cast(tables[0].schema) for table in tables])


def _is_in(column: pa.ChunkedArray, contents: Numbers) -> pa.Array:
    return pa.array(np.isin(column.to_numpy(), contents))


def _numbers(numbers: Iterable[int]) -> Numbers:
    return np.array(sorted(numbers), dtype=np.int64)


def _ordered(one: int | None, other: int | None) -> tuple[int, int]:
    return (-1, -1) if one is None or other is None else (min(one, other), max(one, other))


def _pairs(one: Numbers, other: Numbers) -> Iterable[tuple[int, int]]:
    return zip(one.tolist(), other.tolist(), strict=True)


def _columns(pairs: Iterable[tuple[int, int]]) -> tuple[Numbers, Numbers]:
    found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return found[:, 0].copy(), found[:, 1].copy()


def _joined(each: list[_Held]) -> _Held:
    return _Held(
        np.concatenate([one.contents for one in each]),
        np.concatenate([one.kinds for one in each]),
        np.concatenate([one.keys for one in each]),
        np.concatenate([one.generic for one in each]),
    )


def _placed(keys: Numbers, wanted: Flags, of: Numbers, contents: Numbers) -> tuple[Numbers, Numbers]:
    """Entries at wanted keys: place of the key, content."""
    if not len(keys) or not len(of):
        return _NONE, _NONE
    places = np.minimum(np.searchsorted(keys, of), len(keys) - 1)
    there = (keys[places] == of) & wanted[places]
    return places[there], contents[there]


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
