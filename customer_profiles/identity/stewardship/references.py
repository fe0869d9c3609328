"""What a steward names: a record by its number or SOURCE:KEY, a customer by its ID or a record, today or at a commit. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from customer_profiles.cleaning.tables import record
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.claims.customer_ids import claim_of_id, customer_of_id, dead_records_of
from customer_profiles.identity.decisions.decisions import DecisionKind
from customer_profiles.identity.graph.as_of import customer_of_claim_at, customers_at
from customer_profiles.identity.tables import claim, member
from customer_profiles.state.bulk import rows_by_key


class UnknownReference(CustomerProfilesError):
    """What was named is nobody, or cannot be understood."""


@dataclass(frozen=True)
class Named:
    """Records that were named.

    Attributes:
        living: Those that live.
        dead: Those that were deleted; of a customer, those whose ID it holds.
        customers: The customers that were named as a whole.
    """

    living: frozenset[int]
    dead: frozenset[int]
    customers: frozenset[int]

    @property
    def records(self) -> frozenset[int]:
        """All of them."""
        return self.living | self.dead

    def side_of(self, kind: DecisionKind) -> frozenset[int]:
        """The records that a decision names for this side.

        For an *apart* deleted ones too: it guards where their IDs go. A *together* joins living ones; deleted ones that it
        named would come back joined.
        """
        return self.records if kind is DecisionKind.APART or not self.living else self.living

    @classmethod
    def together(cls, parts: Iterable[Named]) -> Named:
        """What several references name."""
        parts = list(parts)
        return cls(
            frozenset().union(*(one.living for one in parts)),
            frozenset().union(*(one.dead for one in parts)),
            frozenset().union(*(one.customers for one in parts)),
        )


def records_named(
    connection: sa.Connection, generation: int, sources: Collection[str], reference: str
) -> Named:
    """The records that a reference names.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        sources: The names of the sources.
        reference: A record number, SOURCE:KEY or a customer ID; several with commas between them.

    Raises:
        UnknownReference: There is nobody of that name. The message names the source at most, never the key.
    """
    parts = [part.strip() for part in reference.split(",")]
    if not all(parts):
        raise UnknownReference(
            "Nobody is named between two commas: give record numbers, SOURCE:KEY or customer IDs."
        )
    return Named.together(_named(connection, generation, sources, part) for part in parts)


def customer_named(
    connection: sa.Connection, generation: int, sources: Collection[str], reference: str
) -> int:
    """The customer that a reference names: by its ID, or by any of its records.

    Raises:
        UnknownReference: There is nobody of that name, or the records are of several customers.
    """
    named = records_named(connection, generation, sources, reference)
    rows = _rows_of(connection, generation, named.living)
    customers = {customer_no for _, customer_no in rows}
    if len(customers) != 1:
        raise UnknownReference(
            f"This names {len(customers)} customers, and exactly one is needed: give its ID or one live record of it."
        )
    return customers.pop()


def members_of(connection: sa.Connection, generation: int, customer_no: int) -> Named:
    """Every member of a customer, the deleted ones too whose ID it holds and that do not live elsewhere."""
    rows = rows_by_key(
        connection, member, ("generation", "customer_no"), [(generation, customer_no)], ("record_no",)
    )
    living = frozenset(record_no for (record_no,) in rows)
    dead = set(dead_records_of(connection, generation, living))
    # One that has come back is another's by now: of its former life only the ID is here.
    dead -= {record_no for record_no, _ in _rows_of(connection, generation, dead)}
    return Named(living, frozenset(dead), frozenset((customer_no,)))


def record_or_claim(connection: sa.Connection, sources: Collection[str], reference: str) -> tuple[int, bool]:
    """What a reference names, whatever became of it: a record, or the claim that a customer's ID is of.

    Args:
        connection: Reading the state store.
        sources: The names of the sources.
        reference: A record number, SOURCE:KEY or a customer ID.

    Returns:
        The number of the record or claim, and whether it is a claim.

    Raises:
        UnknownReference: It cannot be understood, or there never was anybody of that name.
    """
    read = _read(connection, sources, reference)
    if isinstance(read, UUID):
        claim_no = claim_of_id(connection, read)
        if claim_no is None:
            raise UnknownReference(f"There is no customer {read}: the ID was never given.")
        return claim_no, True
    if not rows_by_key(connection, claim, "record_no", [read], ("claim_no",)):
        raise _no_record(read)
    return read, False


def customer_named_at(
    connection: sa.Connection, sources: Collection[str], reference: str, commit_no: int
) -> int:
    """The customer that a reference named at a commit: by an ID that led to it then, or by one of its records of then.

    Raises:
        UnknownReference: It named nobody then.
    """
    number, is_claim = record_or_claim(connection, sources, reference)
    if is_claim:
        found = customer_of_claim_at(connection, commit_no, number)
    else:
        found = customers_at(connection, commit_no, [number]).get(number)
    if found is None:
        what = "This ID led to nobody" if is_claim else f"Record {number} belonged to nobody"
        raise UnknownReference(
            f"{what} at commit {commit_no}. Without a commit, `customer-profiles identity as-of` tells where it belonged."
        )
    return found


def _named(connection: sa.Connection, generation: int, sources: Collection[str], reference: str) -> Named:
    read = _read(connection, sources, reference)
    if not isinstance(read, UUID):
        return _record(connection, generation, read)
    customer_no = customer_of_id(connection, generation, read)
    if customer_no is None:
        raise UnknownReference(
            f"There is no customer {read}: the ID was never given, or its customer is gone."
        )
    return members_of(connection, generation, customer_no)


def _read(connection: sa.Connection, sources: Collection[str], reference: str) -> int | UUID:
    """The number of the record that is named, or a customer's ID."""
    if reference.isdecimal():
        return int(reference)
    source, colon, key = reference.partition(":")
    if colon and source in sources:
        found = connection.execute(
            sa.select(record.c.record_no).where(record.c.source == source, record.c.source_key == key.strip())
        ).scalar_one_or_none()
        if found is None:
            raise UnknownReference(f"There is no record of this key in the source {source}: check the key.")
        return int(found)
    if colon:
        raise UnknownReference(
            f"There is no source of this name; there are: {', '.join(sorted(sources)) or 'none'}."
        )
    try:
        return UUID(reference)
    except ValueError:
        raise UnknownReference(
            "This is no record number, no SOURCE:KEY and no customer ID: give one of these."
        ) from None


def _no_record(record_no: int) -> UnknownReference:
    return UnknownReference(
        f"There is no record {record_no}, or it was not resolved yet: check the number, or run "
        "`customer-profiles run` first."
    )


def _record(connection: sa.Connection, generation: int, record_no: int) -> Named:
    one = frozenset((record_no,))
    if _rows_of(connection, generation, one):
        return Named(one, frozenset(), frozenset())
    if not rows_by_key(connection, claim, "record_no", [record_no], ("claim_no",)):
        raise _no_record(record_no)
    return Named(frozenset(), one, frozenset())


def _rows_of(connection: sa.Connection, generation: int, records: Iterable[int]) -> list[tuple[int, int]]:
    keys = [(generation, record_no) for record_no in records]
    found = rows_by_key(connection, member, ("generation", "record_no"), keys, ("record_no", "customer_no"))
    return [(record_no, customer_no) for record_no, customer_no in found]
