"""What an edge depends on besides its two records: which values are hubs, which keys are dead, who are copies of whom."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from customer_profiles.identity.blocking import key_query, load_atoms
from customer_profiles.identity.bundle import ModelBundle
from customer_profiles.identity.edges import COPIES_IN_FULL
from customer_profiles.identity.preparation import prepare
from customer_profiles.identity.workbench import workbench
from customer_profiles.settings.identity import IdentitySettings


@dataclass(frozen=True)
class Circumstances:
    """What holds among a set of records.

    Attributes:
        records: The records.
        hubs: Kind and value of each hub.
        dead_keys: Rule and key of each dead blocking key.
        crowds: Sets of records with the same content, where they are too many for each to meet each.
    """

    records: pa.Table
    hubs: frozenset[tuple[str, str]]
    dead_keys: frozenset[tuple[int, int]]
    crowds: frozenset[frozenset[int]]


def circumstances(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> Circumstances:
    """What holds among these records.

    Args:
        records: Identity records.
        bundle: The model, for its blocking rules.
        settings: Caps and generic values.
    """
    with workbench() as connection:
        prepare(connection, records, bundle.extras, settings)
        load_atoms(connection, bundle.rules)
        hubs = connection.execute("select kind, value from hub").fetchall()
        dead: set[tuple[int, int]] = set()
        for number, rule in enumerate(bundle.rules):
            found = connection.execute(
                f"select key from ({key_query(rule)}) group by key having count(*) > {rule.cap(settings.blocking_cap)}"
            ).fetchall()
            dead |= {(number, key) for (key,) in found}
        crowds = connection.execute(
            f"select list(record_no) from member where copies > {COPIES_IN_FULL} group by content_no"
        ).fetchall()
    return Circumstances(
        records, frozenset(hubs), frozenset(dead), frozenset(frozenset(crowd) for (crowd,) in crowds)
    )


def unsteady(
    most: Circumstances, least: Circumstances, bundle: ModelBundle, settings: IdentitySettings
) -> frozenset[int] | None:
    """The records whose edges may differ between two sets of records, or anywhere between the two.

    Args:
        most: What holds among the larger set.
        least: What holds among a part of it.
        bundle: The model, for its blocking rules.
        settings: Caps and generic values.

    Returns:
        Holders of a key that is dead in one of them only; None when a hub or a crowd differs, which can touch
        any edge.
    """
    if most.hubs != least.hubs or most.crowds != least.crowds:
        return None
    keys = sorted(most.dead_keys - least.dead_keys)
    if not keys:
        return frozenset()
    holders: set[int] = set()
    with workbench() as connection:
        prepare(connection, most.records, bundle.extras, settings)
        load_atoms(connection, bundle.rules)
        for number in sorted({number for number, _ in keys}):
            crossing = pa.table({"key": pa.array([key for rule, key in keys if rule == number], pa.uint64())})
            connection.register("crossing", crossing)
            found = connection.execute(
                f"select distinct record_no from ({key_query(bundle.rules[number])}) "
                "semi join crossing using (key) join member using (content_no)"
            ).fetchall()
            connection.unregister("crossing")
            holders |= {record_no for (record_no,) in found}
    return frozenset(holders)
