"""What most commands begin with: the settings, the keys, and the state opened to read only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from customer_profiles.errors import CustomerProfilesError

if TYPE_CHECKING:
    from customer_profiles.encryption.keys import KeyProvider
    from customer_profiles.settings import Settings
    from customer_profiles.state.engine import State


class NothingYet(CustomerProfilesError):
    """The state is there, without any table."""


@dataclass(frozen=True)
class Opened:
    """What a command works with."""

    settings: Settings
    keys: KeyProvider
    state: State


@contextmanager
def open_to_read() -> Iterator[Opened]:
    """The state as the settings name it; nothing is made, migrated or written.

    Raises:
        SettingsError: The settings cannot be used.
        StateError: There is no state yet, it cannot be reached, or the key does not fit.
        NothingYet: It has no tables: nothing ran so far.
    """
    from customer_profiles.encryption.opening import open_state
    from customer_profiles.settings import load_settings
    from customer_profiles.state.query import tables

    settings = load_settings()
    with open_state(settings) as (state, keys):
        if not tables(state):
            raise NothingYet("The state is empty: run `customer-profiles run` first.")
        yield Opened(settings, keys, state)
