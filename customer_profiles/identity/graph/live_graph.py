"""The stored graph together with what the records say today: for looking ahead while nothing waits to be resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import sqlalchemy as sa

from customer_profiles.cleaning.tables import identifier, record
from customer_profiles.identity.clusters.vetoes import Facts
from customer_profiles.identity.edges.edges import Hub
from customer_profiles.identity.edges.preparation import prepare
from customer_profiles.identity.edges.workbench import workbench
from customer_profiles.identity.graph.records import STORED_COLUMNS, facts_of, identity_versions
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.tables import edge, member
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key


class LiveGraph:
    """A generation's clusters and edges, read a ring at a time; a record lives when it belongs to a customer."""

    def __init__(self, connection: sa.Connection, generation: int, settings: IdentitySettings) -> None:
        """Nothing is read yet.

        Args:
            connection: Reading the state store.
            generation: Which graph.
            settings: Which identifiers are exclusive, and when a value is a hub.
        """
        self.connection, self.generation, self._settings = connection, generation, settings
        self.customer_of: dict[int, int | None] = {}
        """By record its customer, None for one that is not alive; as far as that was read."""
        self._members: dict[int, list[int]] = {}
        self._neighbours: dict[int, dict[int, int]] = {}
        self._facts: dict[int, Facts] = {}
        self._exclusive = {kind for kind, rule in settings.identifiers.items() if rule.exclusive}
        self._conflict_veto: bool | None = None

    def load_clusters(self, records: Iterable[int]) -> None:
        """Read the clusters of records."""
        wanted = [one for one in records if one not in self.customer_of]
        self.customer_of |= dict.fromkeys(wanted)
        customers = {customer for _, customer in self._rows(member, "record_no", wanted)}
        customers -= self._members.keys()
        for record_no, customer in self._rows(member, "customer_no", customers):
            self.customer_of[record_no] = customer
            self._members.setdefault(customer, []).append(record_no)

    def load_neighbours(self, records: Iterable[int]) -> None:
        """Read every edge of records."""
        wanted = {one for one in records if one not in self._neighbours}
        for one in wanted:
            self._neighbours[one] = {}
        for end in ("left_no", "right_no"):
            for left, right, weight in self._rows(edge, end, wanted, ("left_no", "right_no", "weight")):
                for one, other in ((left, right), (right, left)):
                    if one in wanted:
                        self._neighbours[one][other] = weight

    def lives(self, record: int) -> bool:
        """Whether the record is alive."""
        self.load_clusters((record,))
        return self.customer_of[record] is not None

    def cluster_of(self, record: int) -> Iterable[int]:
        """The live records of a record's customer; nothing for one that is not alive."""
        self.load_clusters((record,))
        customer = self.customer_of[record]
        return () if customer is None else self._members[customer]

    def neighbours(self, record: int) -> Mapping[int, int]:
        """The weight of each stored edge, refused ones too, by the record at its other end."""
        self.load_neighbours((record,))
        return self._neighbours[record]

    def facts_of(self, records: Iterable[int]) -> Mapping[int, Facts]:
        """What the vetoes look at."""
        records = list(records)
        unknown = [one for one in records if one not in self._facts]
        if unknown:
            if self._conflict_veto is None:
                self._conflict_veto = model_in_use(self.connection).bundle.conflict_veto
            table = self._contents(unknown)
            self._facts |= facts_of(table, self._hubs(unknown), self._settings, self._conflict_veto)
        return {one: self._facts[one] for one in records}

    def _hubs(self, records: list[int]) -> tuple[Hub, ...]:
        """Which exclusive identifiers of records are hubs: that depends on their holders alone."""
        if not self._exclusive:
            return ()
        held = rows_by_key(self.connection, identifier, "record_no", records, ("kind", "value"))
        values = {one for one in held if one[0] in self._exclusive}
        holders = rows_by_key(self.connection, identifier, ("kind", "value"), values, ("record_no",))
        with workbench() as bench:
            prepare(bench, self._contents({one for (one,) in holders}), (), self._settings)
            hubs = bench.execute("select kind, value, holders, reason from hub").fetchall()
        return tuple(Hub(*row) for row in hubs if row[:2] in values)

    def _contents(self, records: Iterable[int]) -> pa.Table:
        columns = (*STORED_COLUMNS, "deleted_at", "change_no")
        rows = rows_by_key(self.connection, record, "record_no", records, columns)
        return identity_versions(
            [row[:-2] for row in sorted(rows) if row[-2] is None and row[-1] is not None]
        )

    def _rows(
        self,
        table: sa.Table,
        key: str,
        values: Iterable[int],
        names: tuple[str, ...] = ("record_no", "customer_no"),
    ) -> list[tuple[int, ...]]:
        keys = [(self.generation, value) for value in values]
        return rows_by_key(self.connection, table, ("generation", key), keys, names)
