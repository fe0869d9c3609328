"""Whether what the collector accepted is in the profiles."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.interactions import newest_interaction
from customer_profiles.cleaning.tables import record
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.tables import customer
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.settings import Settings
from customer_profiles.sources.inbox import read_up_to
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation


def in_profiles(state: State, settings: Settings, source: str, inbox_no: int) -> bool:
    """Whether the events of a source up to a number of the inbox are in the profiles, or in the quarantine.

    Never says so too early. It may say so late: while later events are on their way through the stages.
    """
    with state.reading() as connection:
        if read_up_to(connection, settings, [source]) < inbox_no:
            return False
        live = live_generation(connection)
        newest = {
            (ResolveStage.name, "", "change_no"): _newest(
                connection, sa.select(sa.func.max(record.c.change_no))
            ),
            (AccumulateStage.name, str(live), "interaction_no"): newest_interaction(connection),
            (RefreshTraitsStage.name, str(live), "changed_no"): _newest(
                connection,
                sa.select(sa.func.max(customer.c.changed_no)).where(customer.c.generation == live),
            ),
        }
        for (stage, of, term), number in newest.items():
            position = read_cursor(connection, stage, of).position or {term: 0}
            if position[term] < number:
                return False
    return True


def _newest(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return int(connection.execute(query).scalar_one() or 0)
