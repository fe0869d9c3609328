"""Who was shown values in clear, when, of which records, and why: kept, and never rewritten."""

from __future__ import annotations

import pytest

from customer_profiles.identity.stewardship.masking import MaskingError
from customer_profiles.identity.stewardship.unmasking import Unmasking, keep_unmasking, kept_unmaskings
from customer_profiles.state.engine import State


def test_each_time_is_kept_beside_those_before_and_listed_the_newest_first(state: State) -> None:
    with state.writing() as connection:
        for at, (by, records) in enumerate([("kim", [17, 12]), ("ann", {3})], start=1):
            keep_unmasking(
                connection, by=by, command="explain", record_nos=records, reason="ticket 4711", asked_at=at
            )

    with state.reading() as connection:
        first, second = (
            Unmasking(1, 1, "kim", "explain", (12, 17), "ticket 4711"),
            Unmasking(2, 2, "ann", "explain", (3,), "ticket 4711"),
        )
        assert kept_unmaskings(connection) == [second, first]
        assert kept_unmaskings(connection, 1) == [second]


@pytest.mark.parametrize(("by", "reason"), [(" ", "ticket 4711"), ("kim", " ")])
def test_without_a_name_or_a_reason_nothing_is_kept_and_nothing_may_be_shown(
    state: State, by: str, reason: str
) -> None:
    with state.writing() as connection, pytest.raises(MaskingError, match="say who asks, and why"):
        keep_unmasking(connection, by=by, command="explain", record_nos=[1], reason=reason)

    with state.reading() as connection:
        assert kept_unmaskings(connection) == []
