"""Customer IDs, there and back: the ID of a customer, and the customer that an ID leads to today.

An ID is a hash, so the way back needs a look-up: every ID is written down when its customer gets a profile. Where it
leads is decided by its claim: to the record that founded it while that lives, else to its heirs.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.claims import ids
from customer_profiles.identity.claims.claims import holder_of, incarnation_of, record_of
from customer_profiles.identity.decisions.decisions import read_decisions, rulings_at
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.tables import claim, customer_id, estate, member
from customer_profiles.state.bulk import rows_by_key, upsert_rows

_END_OF_LOG = 2**63 - 1


def ids_of(conn: Connection, key: bytes, customer_nos: Iterable[int]) -> dict[int, UUID]:
    """The IDs of customers by number, from the names of the claims that found them."""
    wanted = list(customer_nos)
    columns = ("record_no", "source", "source_key")
    names = {
        record_no: (source, source_key)
        for record_no, source, source_key in rows_by_key(
            conn, record, "record_no", {record_of(one) for one in wanted}, columns
        )
    }
    return {
        one: ids.customer_id(key, *names[record_of(one)], incarnation_of(one))
        for one in wanted
        if record_of(one) in names
    }


def name_customers(conn: Connection, key: bytes, customer_nos: Iterable[int]) -> None:
    """Write down the IDs of customers, so that they can be looked up from now on."""
    rows = [(one.bytes, customer_no) for customer_no, one in ids_of(conn, key, customer_nos).items()]
    upsert_rows(conn, customer_id, ("customer_id", "customer_no"), rows, key="customer_id")


def customer_of_id(conn: Connection, generation: int, wanted: UUID) -> int | None:
    """The customer that an ID leads to today, or None when it was never given or its customer is gone."""
    claim_no = claim_of_id(conn, wanted)
    return None if claim_no is None else _Heirs(conn, generation).customer_of(claim_no)


def claim_of_id(conn: Connection, wanted: UUID) -> int | None:
    """The claim that an ID is of, or None when the ID was never given."""
    found = rows_by_key(conn, customer_id, "customer_id", [wanted.bytes], ("customer_no",))
    return found[0][0] if found else None


def dead_records_of(conn: Connection, generation: int, record_nos: Iterable[int]) -> list[int]:
    """The deleted records that live on in a customer: those whose claim leads to one of its records today.

    Args:
        conn: A connection that sees the state store.
        generation: The generation that is served.
        record_nos: The customer's live records.
    """
    heirs = _Heirs(conn, generation)
    own = set(record_nos)
    rows = rows_by_key(conn, claim, "record_no", own, ("claim_no",))
    reached = {claim_no for (claim_no,) in rows}
    new = set(reached)
    while new:
        left = rows_by_key(conn, estate, "heir_claim_no", new, ("claim_no",))
        new = {claim_no for (claim_no,) in left} - reached
        reached |= new
    dead = {claim_no for claim_no in reached if record_of(claim_no) not in own}
    return sorted({record_of(claim_no) for claim_no in dead if heirs.record_of(claim_no) in own})


def records_of_claims(conn: Connection, generation: int, claim_nos: Iterable[int]) -> dict[int, int | None]:
    """By claim the living record that holds it, None for one that is gone."""
    heirs = _Heirs(conn, generation)
    return {claim_no: heirs.record_of(claim_no) for claim_no in claim_nos}


class _Heirs:
    """Follows claims to living records through the stored estates."""

    def __init__(self, conn: Connection, generation: int) -> None:
        self._conn = conn
        self._generation = generation
        self._rulings: Rulings | None = None

    def customer_of(self, claim_no: int) -> int | None:
        """The customer of the living record that holds a claim."""
        record_no = self.record_of(claim_no)
        return None if record_no is None else self._member(record_no)

    def record_of(self, claim_no: int) -> int | None:
        """The living record that holds a claim, or None when it is gone."""
        return holder_of(claim_no, self._holds, self._heirs_of, self._apart)

    def _holds(self, claim_no: int) -> bool:
        record_no = record_of(claim_no)
        lives = rows_by_key(self._conn, claim, "record_no", [record_no], ("incarnation",))
        latest = max((incarnation for (incarnation,) in lives), default=1)
        return incarnation_of(claim_no) == latest and self._member(record_no) is not None

    def _heirs_of(self, claim_no: int) -> list[int]:
        rows = rows_by_key(self._conn, estate, "claim_no", [claim_no], ("rank", "heir_claim_no"))
        return [heir for _, heir in sorted(rows)]

    def _member(self, record_no: int) -> int | None:
        key = [(self._generation, record_no)]
        rows = rows_by_key(self._conn, member, ("generation", "record_no"), key, ("customer_no",))
        return rows[0][0] if rows else None

    def _apart(self, one: int, other: int) -> bool:
        if self._rulings is None:
            self._rulings = rulings_at(read_decisions(self._conn), _END_OF_LOG)
        return self._rulings.apart(one, other)
