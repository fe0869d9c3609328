"""Opens a state with its keys, to read only: what most commands begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from customer_profiles.encryption.aead import Aead
from customer_profiles.encryption.key_check import refuse_another_key
from customer_profiles.encryption.keys import KeyProvider, open_keys
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.history.history import History

HISTORY_KEY = "history"
"""The use of the key that seals the keys of segments."""


@contextmanager
def open_state(settings: Settings) -> Iterator[tuple[State, KeyProvider]]:
    """The state as the settings name it, and the keys; nothing is made, migrated or written.

    Raises:
        StateError: There is no state yet, it cannot be reached, or the key does not fit.
    """
    keys = open_keys(settings.state.key, settings.folder)
    with State.open(settings.state.url, keys.key, read_only=True) as state:
        refuse_another_key(state, keys)
        state.history = open_history(settings, state, keys)
        yield state, keys


def open_history(settings: Settings, state: State, keys: KeyProvider) -> History:
    """The history of an open state; nothing is made before something is sealed."""
    folder = settings.history.folder_beside(state.folder, settings.folder)
    return History(folder, Aead(keys.key(HISTORY_KEY)))
