"""A state knows the keys that it was made with, on either engine."""

from dataclasses import dataclass

import pytest

from customer_profiles.encryption.key_check import refuse_another_key, remember_key
from customer_profiles.state.engine import State
from customer_profiles.state.errors import WrongKeyError


@dataclass(frozen=True)
class Keys:
    """Keys of one made-up master."""

    master: bytes

    def key(self, name: str) -> bytes:
        return self.master + name.encode()


def test_another_key_is_refused_and_the_right_one_goes_on(state: State) -> None:
    remember_key(state, Keys(b"one"))

    with pytest.raises(WrongKeyError, match="another key"):
        remember_key(state, Keys(b"two"))
    with pytest.raises(WrongKeyError, match=r"state\.key"):
        refuse_another_key(state, Keys(b"two"))
    remember_key(state, Keys(b"one"))
    refuse_another_key(state, Keys(b"one"))


def test_a_state_that_no_key_made_yet_refuses_none(state: State) -> None:
    refuse_another_key(state, Keys(b"any"))
