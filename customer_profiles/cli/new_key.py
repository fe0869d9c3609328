"""Tells of a master key that was made on the way: whoever does not know of it cannot keep it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from customer_profiles.cli.output import err

if TYPE_CHECKING:
    from customer_profiles.settings import Settings


@contextmanager
def telling_of_a_new_key(settings: Settings) -> Iterator[None]:
    """Around whatever may open a state for the first time: says on standard error where a new key is, and what to do."""
    from customer_profiles.settings.state import KeyFile

    key = settings.state.key
    missing = isinstance(key, KeyFile) and not key.path.exists()
    try:
        yield
    finally:
        if missing and isinstance(key, KeyFile) and key.path.exists():
            err.print(
                f"A new key was made in {key.path}: without it nothing opens the state, so back it up apart from the "
                "state. docs/decisions/keys.md says how to move it to a secret store.",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
