"""The graph of a generation as it is stored, read where a region needs it: a query a ring, never one a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.clusters.vetoes import Facts
from customer_profiles.identity.tables import edge, member, resolved_record
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]
Exclusive = tuple[tuple[str, frozenset[str]], ...]
"""Values of a record by exclusive kind of identifier, hubs left out."""


class StoredGraph:
    """Edges and records as they are in the transaction, clusters as the table `member` has them.

    While a batch is resolved the edges and records are written before the members, so the clusters are those from before it.
    """

    def __init__(
        self,
        connection: sa.Connection,
        generation: int,
        *,
        conflict_veto: bool,
        exclusive: Callable[[Numbers], Mapping[int, Exclusive]] | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            connection: Reading or writing the state store.
            generation: Which graph.
            conflict_veto: Whether first names and birth dates can forbid anything; without it they count as unknown.
            exclusive: By content what exclusive identifiers it has, for contents given; None where no kind is exclusive.
        """
        self.connection, self.generation = connection, generation
        self._conflict_veto, self._exclusive = conflict_veto, exclusive
        self.customer_of: dict[int, int] = {}
        """By record the customer it was in, as far as that was read; a new record is missing."""
        self.members: dict[int, list[int]] = {}
        """By customer its members, dead ones too, as far as that was read."""
        self.refusals: dict[tuple[int, int], str | None] = {}
        """By edge that was read why it was refused, None where it was accepted."""
        self._facts: dict[int, Facts] = {}
        self._asked: set[int] = set()
        self._neighbours: dict[int, dict[int, int]] = {}

    def load_clusters(self, records: Iterable[int]) -> None:
        """Read the clusters of records, and which of their members live."""
        wanted = [record for record in records if record not in self._asked]
        if not wanted:
            return
        rows = self._rows(member, "record_no", wanted, ("record_no", "customer_no"))
        self.load_customers({customer for _, customer in rows})
        self._load_facts(wanted)

    def load_customers(self, customers: Iterable[int]) -> None:
        """Read all members of customers."""
        unknown = [customer for customer in customers if customer not in self.members]
        for customer in unknown:
            self.members[customer] = []
        for record, customer in self._rows(member, "customer_no", unknown, ("record_no", "customer_no")):
            self.customer_of[record] = customer
            self.members[customer].append(record)
        self._load_facts(record for customer in unknown for record in self.members[customer])

    def load_neighbours(self, records: Iterable[int]) -> None:
        """Read every edge of records."""
        wanted = [record for record in records if record not in self._neighbours]
        if not wanted:
            return
        for record in wanted:
            self._neighbours[record] = {}
        fresh = set(wanted)
        names = ("left_no", "right_no", "weight", "refusal")
        for end in ("left_no", "right_no"):
            for left, right, weight, refusal in self._rows(edge, end, wanted, names):
                self.refusals[left, right] = refusal
                if left in fresh:
                    self._neighbours[left][right] = weight
                if right in fresh:
                    self._neighbours[right][left] = weight

    def lives(self, record: int) -> bool:
        """Whether the record is alive."""
        if record not in self._asked:
            self.load_clusters((record,))
        return record in self._facts

    def cluster_of(self, record: int) -> Iterable[int]:
        """The cluster that a record was in, dead members too; nothing for a new record."""
        if record not in self._asked:
            self.load_clusters((record,))
        customer = self.customer_of.get(record)
        return () if customer is None else self.members[customer]

    def neighbours(self, record: int) -> Mapping[int, int]:
        """The weight of each stored edge of a live record, refused ones too, by the record at its other end."""
        if record not in self._neighbours:
            self.load_neighbours((record,))
        return self._neighbours[record]

    def facts_of(self, records: Iterable[int]) -> Mapping[int, Facts]:
        """What the vetoes look at."""
        records = list(records)
        self.load_clusters(records)
        return {record: self._facts[record] for record in records if record in self._facts}

    def _load_facts(self, records: Iterable[int]) -> None:
        wanted = [record for record in records if record not in self._asked]
        if not wanted:
            return
        self._asked.update(wanted)
        rows = self._rows(
            resolved_record, "record_no", wanted, ("record_no", "content_no", "first_name", "birth_date")
        )
        exclusive: Mapping[int, Exclusive] = {}
        if self._exclusive is not None and rows:
            exclusive = self._exclusive(np.unique(np.array([row[1] for row in rows], dtype=np.int64)))
        for record, content, first_name, birth_date in rows:
            if not self._conflict_veto:
                first_name = birth_date = None
            self._facts[record] = Facts(first_name, birth_date, exclusive.get(content, ()))

    def _rows(
        self, table: sa.Table, key: str, values: Iterable[int], names: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        return rows_by_key(self.connection, table, key, values, names, within={"generation": self.generation})
