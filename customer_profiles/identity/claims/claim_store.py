"""Claims and estates in the state: all of them in columns, or the few that a batch needs, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims.claims import Claims, incarnation_of, record_of
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.graph.graph_store import read_columns
from customer_profiles.identity.tables import claim, estate
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key

Numbers = NDArray[np.int64]
Value = TypeVar("Value")
_CHUNK = 100_000


class Column(MutableMapping[int, int]):
    """Values by number: many in sorted arrays as stored, new ones beside."""

    def __init__(self, keys: Numbers, values: Numbers) -> None:
        self._keys, self._values = keys, values
        self._new: dict[int, int] = {}

    def __getitem__(self, key: int) -> int:
        if key in self._new:
            return self._new[key]
        place = int(np.searchsorted(self._keys, key))
        if place == len(self._keys) or self._keys[place] != key:
            raise KeyError(key)
        return int(self._values[place])

    def __setitem__(self, key: int, value: int) -> None:
        self._new[key] = value

    def __delitem__(self, key: int) -> None:
        raise TypeError("what is stored stays")

    def __iter__(self) -> Iterator[int]:
        yield from self._keys.tolist()
        stored = set(self._keys.tolist())
        yield from (key for key in self._new if key not in stored)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class StoredClaims:
    """All claims and estates there are.

    Attributes:
        numbers: The numbers of all claims, rising.
        seniority: The seniority of each.
        estates: By dead claim its heirs, in order of seniority.
    """

    numbers: Numbers
    seniority: Numbers
    estates: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def with_arrivals(self, records: Numbers, positions: Numbers) -> StoredClaims:
        """These, and the first claims of records that came at these log positions."""
        numbers = np.concatenate([self.numbers, records])
        order = np.argsort(numbers, kind="stable")
        return StoredClaims(
            numbers[order], np.concatenate([self.seniority, positions])[order], dict(self.estates)
        )

    def claims(self, lives: Callable[[int], bool]) -> Claims:
        """These claims, while records live as told."""
        return Claims(self.seniority_of, self.incarnation_of, dict(self.estates), lives)

    @property
    def seniority_of(self) -> Column:
        """Seniority by number of the claim."""
        return Column(self.numbers, self.seniority)

    @property
    def incarnation_of(self) -> Column:
        """The latest incarnation by record."""
        records = record_of(self.numbers)
        order = np.lexsort((self.numbers, records))
        last = np.append(np.flatnonzero(np.diff(records[order])), len(order) - 1) if len(order) else order
        latest = self.numbers[order[last]]
        return Column(record_of(latest), incarnation_of(latest))


class _Read(MutableMapping[int, Value], Generic[Value]):
    """Values that are read when they are first asked for; what is written here stays here."""

    def __init__(self, read: Callable[[list[int]], Mapping[int, Value]]) -> None:
        self._read, self._known = read, dict[int, Value]()
        self._asked: set[int] = set()

    def load(self, keys: Iterable[int]) -> None:
        """Read many at once."""
        wanted = [key for key in keys if key not in self._asked]
        if wanted:
            self._asked.update(wanted)
            for key, value in self._read(wanted).items():
                self._known.setdefault(key, value)

    def __getitem__(self, key: int) -> Value:
        self.load((key,))
        return self._known[key]

    def __setitem__(self, key: int, value: Value) -> None:
        self._asked.add(key)
        self._known[key] = value

    def __delitem__(self, key: int) -> None:
        self.load((key,))
        del self._known[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class ClaimsByNeed:
    """Claims and estates as they are in the transaction, read when they are asked for."""

    def __init__(self, connection: sa.Connection, lives: Callable[[int], bool]) -> None:
        """Nothing is read yet.

        Args:
            connection: Reading or writing the state store.
            lives: Whether a record is alive.
        """
        self._connection = connection
        self._seniority = _Read(self._read_seniority)
        self._incarnation = _Read(self._read_incarnations)
        self._estates = _Read(self._read_estates)
        self.claims = Claims(self._seniority, self._incarnation, self._estates, lives)
        """Seniority, incarnations and estates behave as if all were here; what is changed here is not yet stored."""

    def load(self, records: Iterable[int]) -> None:
        """Read the claims of many records at once."""
        records = list(records)
        self._incarnation.load(records)
        self._of_records(records)

    def founders(self, clusters: Mapping[int, Iterable[int]], rulings: Rulings) -> dict[int, int]:
        """The claim that gives each cluster its ID: the most senior one that resolves into it.

        New claims and estates have to be stored before.

        Args:
            clusters: By label the living records.
            rulings: The decisions in force.

        Returns:
            By label the number of the claim.
        """
        label_of = {record: label for label, records in clusters.items() for record in records}
        self.load(label_of)
        found: dict[int, tuple[int, int]] = {}
        for claim_no in self.leading_to(self._of_records(label_of)):
            holder = self.claims.resolve(claim_no, rulings)
            if holder in label_of:
                of = (self._seniority[claim_no], claim_no)
                label = label_of[holder]
                found[label] = min(found.get(label, of), of)
        return {label: claim_no for label, (_, claim_no) in found.items()}

    def founders_after_arrivals(
        self,
        clusters: Mapping[int, Iterable[int]],
        customer_of: Mapping[int, int],
        members: Mapping[int, Sequence[int]],
        since: int,
        rulings: Rulings,
    ) -> dict[int, int]:
        """As `founders`, after a part of the log in which nobody was deleted and nothing was decided.

        No claim of a customer from before resolves otherwise then. So where whole customers of before make up a cluster,
        alone or with records that are new to the world, the most senior of the customers' claims is the founder, and the
        claims of their members need not be read.

        Args:
            clusters: By label the living records.
            customer_of: By record its customer of before; a record that had none is missing.
            members: By customer of before its members.
            since: The log position before that part.
            rulings: The decisions in force.

        Returns:
            By label the number of the claim.
        """
        arrived = [record for of in clusters.values() for record in of if record not in customer_of]
        self.load(arrived)
        new_claims = self._new_claims(arrived, since)
        whole: dict[int, list[int]] = {}
        others: dict[int, Iterable[int]] = {}
        for label, records in clusters.items():
            inside = set(records)
            before = {customer_of[record] for record in inside if record in customer_of}
            fresh = [record for record in inside if record not in customer_of]
            if all(inside.issuperset(members[customer]) for customer in before) and new_claims.issuperset(
                fresh
            ):
                whole[label] = [*before, *fresh]
            else:
                others[label] = records
        self._seniority.load(claim for claims in whole.values() if len(claims) > 1 for claim in claims)
        found = {
            label: claims[0] if len(claims) == 1 else min(claims, key=lambda one: (self._seniority[one], one))
            for label, claims in whole.items()
        }
        return {**found, **(self.founders(others, rulings) if others else {})}

    def _new_claims(self, records: Iterable[int], since: int) -> set[int]:
        """Those of the records whose first claim was made after a log position: its number is the record's own."""
        return {
            record
            for record in records
            if self._incarnation.get(record) == 1 and self._seniority[record] > since
        }

    def claims_of(self, records: Iterable[int]) -> set[int]:
        """All claims of records, one for each of their lives."""
        return set(self._of_records(list(records)))

    def leading_to(self, claims: Iterable[int]) -> set[int]:
        """Claims, and every dead claim that has one of them for an heir, and so on."""
        reached = set(claims)
        new = set(reached)
        while new:
            left = rows_by_key(self._connection, estate, "heir_claim_no", new, ("claim_no",))
            new = {claim_no for (claim_no,) in left} - reached
            reached |= new
        self._seniority.load(reached)
        self._incarnation.load({record_of(claim_no) for claim_no in reached})
        self._estates.load(reached)
        return reached

    def _of_records(self, records: Iterable[int]) -> list[int]:
        rows = rows_by_key(self._connection, claim, "record_no", records, ("claim_no", "seniority"))
        for claim_no, seniority in rows:
            self._seniority[claim_no] = seniority
        return [claim_no for claim_no, _ in rows]

    def _read_seniority(self, claims: list[int]) -> Mapping[int, int]:
        return dict(rows_by_key(self._connection, claim, "claim_no", claims, ("claim_no", "seniority")))

    def _read_incarnations(self, records: list[int]) -> Mapping[int, int]:
        latest: dict[int, int] = {}
        rows = rows_by_key(self._connection, claim, "record_no", records, ("record_no", "incarnation"))
        for record_no, incarnation in rows:
            latest[record_no] = max(incarnation, latest.get(record_no, 0))
        return latest

    def _read_estates(self, claims: list[int]) -> Mapping[int, tuple[int, ...]]:
        heirs: dict[int, list[tuple[int, int]]] = {}
        rows = rows_by_key(
            self._connection, estate, "claim_no", claims, ("claim_no", "rank", "heir_claim_no")
        )
        for claim_no, rank, heir in rows:
            heirs.setdefault(claim_no, []).append((rank, heir))
        return {claim_no: tuple(heir for _, heir in sorted(ranked)) for claim_no, ranked in heirs.items()}


def read_claims(connection: sa.Connection) -> StoredClaims:
    """All claims and estates."""
    numbers, seniority = read_columns(
        connection, sa.select(claim.c.claim_no, claim.c.seniority).order_by(claim.c.claim_no)
    )
    heirs: dict[int, list[int]] = {}
    rows = connection.execute(
        sa.select(estate.c.claim_no, estate.c.heir_claim_no).order_by(estate.c.claim_no, estate.c.rank)
    )
    for claim_no, heir in rows:
        heirs.setdefault(claim_no, []).append(heir)
    return StoredClaims(numbers, seniority, {claim_no: tuple(of) for claim_no, of in heirs.items()})


def write_claims(connection: sa.Connection, made: Numbers, seniority: Numbers, arrived_at: Numbers) -> None:
    """Write new claims."""
    columns = made, record_of(made), incarnation_of(made), seniority, arrived_at
    for start in range(0, len(made), _CHUNK):
        insert_rows(
            connection,
            claim,
            ("claim_no", "record_no", "incarnation", "seniority", "arrived_at"),
            zip(*(values[start : start + _CHUNK].tolist() for values in columns), strict=True),
        )


def write_estates(connection: sa.Connection, estates: dict[int, tuple[int, ...]]) -> None:
    """Write the estates of dead claims over what they had; an empty one is a claim that lives again."""
    delete_rows(connection, estate, "claim_no", estates)
    rows = [(claim_no, rank, heir) for claim_no, heirs in estates.items() for rank, heir in enumerate(heirs)]
    insert_rows(connection, estate, ("claim_no", "rank", "heir_claim_no"), rows)


def write_deaths(connection: sa.Connection, died_at: dict[int, int | None]) -> None:
    """Write when claims died, or that they live again."""
    for claim_no, moment in sorted(died_at.items()):
        connection.execute(claim.update().where(claim.c.claim_no == claim_no).values(died_at=moment))
