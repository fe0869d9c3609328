"""Reads one customer's profile for one purpose: the fold of its records, less what it may not see."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from customer_profiles.consent.decision import Decision, decide
from customer_profiles.consent.ledger import statements_of
from customer_profiles.identity.claims.customer_ids import dead_records_of, ids_of
from customer_profiles.identity.tables import member
from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Bucket, Grain
from customer_profiles.marts.catalogue import trait_specs
from customer_profiles.marts.channels import channel_use
from customer_profiles.marts.purchases import purchase_history
from customer_profiles.marts.recount import read_buckets
from customer_profiles.marts.segments import segment_rules
from customer_profiles.marts.stored import purchases_of, support_matters_of, traits_of
from customer_profiles.marts.support import open_matters
from customer_profiles.marts.survivorship import TraitSpec
from customer_profiles.marts.windows import (
    Window,
    WindowTotals,
    counting_of,
    starts_of,
    totals,
    windows_of,
)
from customer_profiles.serving.lookup import find_customer
from customer_profiles.serving.permissions import purposes_of, window_part
from customer_profiles.serving.served import (
    ServedField,
    ServedMatter,
    ServedProfile,
    ServedPurchases,
    ServedSegment,
    Withheld,
)
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.history.history import History, despite_merging

Permits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer that is read: its number, and its live and dead records.

    A dead record's data is not part of the profile, but what it refused stays refused.
    """

    generation: int
    customer_no: int
    record_nos: tuple[int, ...]
    dead_record_nos: tuple[int, ...]


def read_profile(
    state: State, settings: Settings, identifier: str, purpose: str, now: int, key: bytes
) -> ServedProfile:
    """Read the profile of one customer.

    Args:
        state: The state.
        settings: Says which traits, segments and purposes there are.
        identifier: See :func:`~customer_profiles.serving.lookup.find_customer`.
        purpose: What the profile is read for. One that nobody declared gets nothing.
        now: End of the windows, micros.
        key: The key of customer IDs.

    Returns:
        The profile, with what was withheld and why.

    Raises:
        UnknownCustomer: nobody is known by the identifier.
        AmbiguousIdentifier: it belongs to several customers.
        ServingError: the identifier cannot be understood.
    """
    return despite_merging(lambda: _read(state, settings, identifier, purpose, now, key))


def _read(
    state: State, settings: Settings, identifier: str, purpose: str, now: int, key: bytes
) -> ServedProfile:
    with state.everything() as conn:
        generation = live_generation(conn)
        customer_no = find_customer(conn, settings, generation, identifier)
        customer = customer_of(conn, generation, customer_no)
        statements = statements_of(conn, (*customer.record_nos, *customer.dead_record_nos))
        decision = decide(statements, settings.purposes, purpose, now)
        parts = _parts(settings)
        empty = ServedProfile(
            customer_id=str(ids_of(conn, key, [customer_no])[customer_no]),
            purpose=purpose,
            allowed=decision.allowed,
            reason=str(decision.reason),
            sentence=decision.sentence,
            read_at=now,
            version=_version(conn, customer),
            withheld=_withheld(parts, decision, purpose),
        )
        if not decision.allowed:
            return empty
        return _folded(
            conn,
            state.history,
            settings,
            customer,
            empty,
            lambda name: purpose in parts.get(name, frozenset()),
        )


def customer_of(conn: Connection, generation: int, customer_no: int) -> Customer:
    """The customer with its records in a generation."""
    rows = rows_by_key(
        conn, member, ("generation", "customer_no"), [(generation, customer_no)], ("record_no",)
    )
    record_nos = tuple(sorted(record_no for (record_no,) in rows))
    return Customer(generation, customer_no, record_nos, tuple(dead_records_of(conn, generation, record_nos)))


def _parts(settings: Settings) -> Mapping[str, frozenset[str]]:
    return purposes_of(
        trait_specs(settings), segment_rules(settings), settings.windows.properties, settings.purposes
    )


def _withheld(parts: Mapping[str, frozenset[str]], decision: Decision, purpose: str) -> tuple[Withheld, ...]:
    if not decision.allowed:
        return tuple(Withheld(name, str(decision.reason), decision.sentence) for name in sorted(parts))
    sentence = f'It was not declared for the purpose "{purpose}".'
    return tuple(
        Withheld(name, "purpose_not_declared", sentence)
        for name, purposes in sorted(parts.items())
        if purpose not in purposes
    )


def _folded(
    conn: Connection,
    history: History | None,
    settings: Settings,
    customer: Customer,
    empty: ServedProfile,
    permits: Permits,
) -> ServedProfile:
    """The profile with all that the purpose may see; the rest is not even read."""
    generation, record_nos = customer.generation, customer.record_nos
    buckets: list[Bucket] = []
    windows = windows_of(settings)
    if permits("windows") or permits("channels"):
        since = starts_of(windows, empty.read_at) | {Grain.LIFETIME: 0}
        rows = read_buckets(conn, history, generation, counting_of(settings), record_nos, since)
        buckets = [Bucket(row[0], Grain(row[1]), *row[2:]) for row in rows]
    return replace(
        empty,
        records=len(record_nos),
        fields=_fields(conn, trait_specs(settings), customer, permits),
        windows=_windows(buckets, windows, empty.read_at, permits) if permits("windows") else (),
        purchases=_purchases(conn, customer, permits) if permits("purchases") else None,
        channels=channel_use(buckets) if permits("channels") else (),
        open_matters=_open_matters(conn, customer, permits) if permits("open_matters") else (),
        segments=_segments(conn, customer, settings.segments, permits),
    )


def _fields(
    conn: Connection, specs: Mapping[str, TraitSpec], customer: Customer, permits: Permits
) -> tuple[ServedField, ...]:
    traits = traits_of(conn, customer.generation, [customer.customer_no]).get(customer.customer_no, {})
    return tuple(
        ServedField(name, one.value, one.source, one.observed_at, str(specs[name].data_class))
        for name, one in sorted(traits.items())
        if name in specs and permits(name)
    )


def _windows(
    buckets: Iterable[Bucket], windows: Sequence[Window], now: int, permits: Permits
) -> tuple[WindowTotals, ...]:
    rows = totals(
        (one for one in buckets if not one.property or permits(window_part(one.property))), now, windows
    )
    return rows if permits("windows.values") else tuple(replace(one, values=()) for one in rows)


def _purchases(conn: Connection, customer: Customer, permits: Permits) -> ServedPurchases:
    history = purchase_history(purchases_of(conn, customer.generation, customer.record_nos))
    favourites = history.favourite_categories if permits("purchases.favourite_categories") else ()
    return ServedPurchases(history.count, history.values, history.last_at, favourites)


def _open_matters(conn: Connection, customer: Customer, permits: Permits) -> tuple[ServedMatter, ...]:
    def said(name: str, value: str) -> str | None:
        return value if value and permits(f"open_matters.{name}") else None

    return tuple(
        ServedMatter(
            matter_id=said("matter_id", one.matter_id),
            status=one.status[1] or None,
            topic=said("topic", one.topic[1]),
            sentiment=said("sentiment", one.sentiment[1]),
            channel=said("channel", one.channel[1]),
            opened_at=one.opened_at,
            last_at=one.last_at,
        )
        for one in open_matters(support_matters_of(conn, customer.generation, customer.record_nos))
    )


def _segments(
    conn: Connection, customer: Customer, declared: Iterable[str], permits: Permits
) -> tuple[ServedSegment, ...]:
    rows = rows_by_key(
        conn,
        tables.segment_membership,
        ("generation", "customer_no"),
        [(customer.generation, customer.customer_no)],
        ("segment", "since", "until"),
    )
    known = set(declared)
    return tuple(
        ServedSegment(segment, since)
        for segment, since, until in sorted(rows, key=lambda row: row[:2])
        if until is None and segment in known and permits(f"segments.{segment}")
    )


def _version(conn: Connection, customer: Customer) -> int:
    profile = tables.profile
    found = conn.execute(
        select(profile.c.version).where(
            profile.c.generation == customer.generation, profile.c.customer_no == customer.customer_no
        )
    ).scalar_one_or_none()
    return found or 0
