"""A model compiled, the index beside it, and the workbench in which both are used: kept warm between batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.identity.edges.edges import NOTHING_FOUND, Pairs, kept_query
from customer_profiles.identity.edges.features import IDENTIFIERS_A_KIND
from customer_profiles.identity.edges.frequencies import Shares
from customer_profiles.identity.edges.identifiers import (
    LIVE,
    LOG_IN,
    load_contacts,
    load_held,
    load_kind_rules,
)
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_delta import NO_DELTA, Delta, Held, Numbers
from customer_profiles.identity.edges.index_rows import bring_back_content, features_of, signed
from customer_profiles.identity.edges.scoring import UNITS_A_BIT, compile_scoring, keeping
from customer_profiles.identity.edges.workbench import Column, WarmWorkbench, Workbench
from customer_profiles.identity.graph.stored_graph import Exclusive
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings


class EdgeFinder:
    """A model ready to score, and what is known of identifiers; keep it between batches of one generation."""

    def __init__(self, bundle: ModelBundle, settings: IdentitySettings, index: Index) -> None:
        """Compile the model once.

        Args:
            bundle: The model in use.
            settings: Kinds of identifiers, caps and generic values.
            index: The index of the generation.
        """
        self.bundle, self.settings, self.index = bundle, settings, index
        self._scoring = compile_scoring(bundle.model)
        self._bench = WarmWorkbench()
        self.kinds = load_kind_rules(self._bench, settings)
        self.shares = Shares(bundle.frequencies, bundle.aliases)
        caps = [settings.identifiers[kind].cap for kind in self.kinds]
        caps += [rule.cap(settings.blocking_cap) for rule in bundle.rules]
        self.caps = np.array(caps, dtype=np.int64)
        self.single_login = np.array(
            [settings.identifiers[kind].single_login for kind in self.kinds], dtype=np.bool_
        )

    @property
    def bench(self) -> Workbench:
        """The workbench, with the kinds of identifiers loaded."""
        return self._bench

    def load_contacts(self, hubs: Numbers) -> None:
        """Write the table `contact` from `held`, given the keys of the values that are hubs."""
        with self._bench.given("hub", pa.table({"key": hubs.view(np.uint64)})):
            load_contacts(self._bench, self.settings, LIVE)

    def scoring(self, rows: pa.Table, pairs: pa.Table) -> Callable[[], Mapping[str, Column]]:
        """Scores pairs of contents, when called: gives those that are edges or for review, as `kept_query` does.

        Args:
            rows: The index rows of the contents.
            pairs: Columns left_no, right_no, support.
        """
        if not pairs.num_rows:
            return lambda: NOTHING_FOUND
        features = features_of(rows, self.bundle, self.settings)
        kept = kept_query(self.kinds, self.bundle, self.settings)
        return keeping(self._bench, self._scoring, features, pairs, kept)

    def edges_and_review(self, pairs: Pairs) -> tuple[Pairs, Pairs]:
        """Those pairs of records that are edges, and those for review."""
        strong = pairs.kind < len(self.kinds)
        strong |= pairs.weight >= round(self.bundle.edge_threshold * UNITS_A_BIT)
        return pairs.of(strong), pairs.of(~strong)

    def close(self) -> None:
        """Let go of the memory."""
        self._bench.close()

    def hubs(self, connection: sa.Connection, held: Held) -> Numbers:
        """The keys of those identifier values that are hubs, rising."""
        return self.hubs_around(connection, held, NO_DELTA)[0]

    def hubs_around(
        self,
        connection: sa.Connection,
        held: Held,
        delta: Delta,
        new_identifiers: Callable[[], pa.Table] | None = None,
    ) -> tuple[Numbers, Numbers]:
        """The keys of those identifier values that are hubs before a batch, and after it; rising.

        Args:
            connection: Reading the state store.
            held: The values.
            delta: What the batch does to the index, not yet in it.
            new_identifiers: Gives number and identifiers (content_no, identifiers) of contents that are not yet in the
                index.
        """
        keys, first = np.unique(held.keys, return_index=True)
        if not len(keys):
            return keys, keys
        kinds, generic = held.kinds[first], held.generic[first]
        counts = self.index.counts(connection, keys)
        single_login = self.single_login[kinds]
        before = generic | (counts.counts > self.caps[kinds])
        after = generic | (counts.counts + delta.by_key(keys) > self.caps[kinds])
        # One holder is enough: a content can name two log-ins itself.
        watched = [(hub, single_login & ~hub) for hub in (before, after)]
        if any(asked.any() for _, asked in watched):
            holders = [counts.holders(watched[0][1]), delta.holders(counts, watched[1][1])]
            logins = self._logins(
                connection, np.unique(np.concatenate([of for _, of in holders])), new_identifiers
            )
            for (hub, _), (place, content) in zip(watched, holders, strict=True):
                known: dict[int, set[str]] = {}
                for at, of in zip(place.tolist(), content.tolist(), strict=True):
                    known.setdefault(at, set()).update(logins.get(of, ()))
                hub[[at for at, of in known.items() if len(of) > 1]] = True
        return keys[before], keys[after]

    def _logins(
        self, connection: sa.Connection, contents: Numbers, new_identifiers: Callable[[], pa.Table] | None
    ) -> dict[int, list[str]]:
        """By content the user IDs that it states; contents that state none are left out."""
        prefix = f"{LOG_IN}\x1f"
        found: dict[int, list[str]] = {}
        stored = self.index.contents(connection, contents, ("content_no", "identifiers"))
        for table in (stored, new_identifiers() if new_identifiers else None):
            if table is None or not table.num_rows:
                continue
            lists = table["identifiers"].combine_chunks()
            numbers = table["content_no"].take(pc.list_parent_indices(lists))
            named = pc.starts_with(lists.flatten(), prefix)
            of_table: dict[int, list[str]] = {}
            for content, value in zip(
                numbers.filter(named).to_pylist(), lists.flatten().filter(named).to_pylist(), strict=True
            ):
                if len(value) > len(prefix):
                    of_table.setdefault(content, []).append(value.removeprefix(prefix))
            for content, values in of_table.items():
                found[content] = sorted(values)[:IDENTIFIERS_A_KIND]
        return found

    def exclusive_values(
        self, connection: sa.Connection
    ) -> Callable[[Numbers], Mapping[int, Exclusive]] | None:
        """Gives the exclusive identifiers of contents in the index, hubs left out; None where no kind is exclusive."""
        exclusive = [kind for kind in self.kinds if self.settings.identifiers[kind].exclusive]
        if not exclusive:
            return None

        named = ", ".join(f"'{kind}'" for kind in exclusive)

        def values_of(contents: Numbers) -> Mapping[int, Exclusive]:
            rows = self.index.contents(connection, contents)
            if rows is None or not rows.num_rows:
                return {}
            bring_back_content(self._bench, rows, self.bundle, self.settings)
            hubs = set(self.hubs(connection, self.held()).tolist())
            said = self._bench.arrays(
                f"select content_no, kind, value, key from held where kind in ({named})"
            )
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

    def held(self) -> Held:
        """The identifier values of the contents in the workbench (table `held`)."""
        load_held(self._bench, IDENTIFIERS_A_KIND)
        rows = self._bench.arrays("select content_no, kind, generic, key from held")
        number = {kind: at for at, kind in enumerate(self.kinds)}
        return Held(
            np.asarray(rows["content_no"], dtype=np.int64),
            np.array([number[kind] for kind in rows["kind"]], dtype=np.int32),
            signed(rows["key"]),
            np.asarray(rows["generic"], dtype=np.bool_),
        )
