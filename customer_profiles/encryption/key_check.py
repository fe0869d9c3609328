"""Whether the keys at hand are those that a state was made with.

SQLCipher files refuse a wrong key by themselves. Postgres does not know the key at all: without this check a wrong one would
give every new customer an ID that the right key never finds again.
"""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa

from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.state.engine import State
from customer_profiles.state.errors import WrongKeyError
from customer_profiles.state.tables import key_check

_MASTER = "master"


def remember_key(state: State, keys: KeyProvider) -> None:
    """Keep the fingerprint of the keys that a new state is made with; check it where there is one.

    Raises:
        WrongKeyError: The state was made with other keys; nothing was written.
    """
    if _kept(state) is None:
        with state.writing() as connection:
            if connection.execute(sa.select(key_check.c.name)).first() is None:
                connection.execute(key_check.insert().values(name=_MASTER, fingerprint=_fingerprint(keys)))
    refuse_another_key(state, keys)


def refuse_another_key(state: State, keys: KeyProvider) -> None:
    """Refuse keys that the state was not made with.

    Raises:
        WrongKeyError: The state was made with other keys.
    """
    kept = _kept(state)
    if kept is not None and kept != _fingerprint(keys):
        raise WrongKeyError(
            "The state was made with another key. Put that key back where `state.key` says; with this one, customers "
            "would get new IDs and sealed rows would not open. Nothing was changed."
        )


def _kept(state: State) -> str | None:
    query = sa.select(key_check.c.fingerprint).where(key_check.c.name == _MASTER)
    try:
        with state.reading() as connection:
            fingerprint: str | None = connection.execute(query).scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):
        return None  # a state that was not migrated yet; what is wrong else, the next statement tells
    return fingerprint


def _fingerprint(keys: KeyProvider) -> str:
    return sha256(keys.key("fingerprint")).hexdigest()
