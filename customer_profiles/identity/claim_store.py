"""Claims and estates in the state: all of them in columns, only the few that matter one by one."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims import Claims, incarnation_of, record_of
from customer_profiles.identity.graph_store import read_columns
from customer_profiles.identity.tables import claim, estate
from customer_profiles.state.bulk import delete_rows, insert_rows

Numbers = NDArray[np.int64]
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


@dataclass
class StoredClaims:
    """What is stored of claims and estates.

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

    def claims(self, living: Numbers) -> Claims:
        """These claims while the given records live, rising."""

        def lives(record_no: int) -> bool:
            place = int(np.searchsorted(living, record_no))
            return place < len(living) and int(living[place]) == record_no

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
