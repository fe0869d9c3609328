"""Opens a state with its keys, to read only: what most commands begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from customer_profiles.encryption.key_check import refuse_another_key
from customer_profiles.encryption.keys import KeyProvider, open_keys
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


@contextmanager
def open_state(settings: Settings) -> Iterator[tuple[State, KeyProvider]]:
    """The state as the settings name it, and the keys; nothing is made, migrated or written.

    Raises:
        StateError: There is no state yet, it cannot be reached, or the key does not fit.
    """
    keys = open_keys(settings.state.key, settings.folder)
    with State.open(settings.state.url, keys.key, read_only=True) as state:
        refuse_another_key(state, keys)
        yield state, keys
