"""Whole runs: again, on the other engine, in other batches, with the stages in another order. The same tables."""

from collections.abc import Callable

import pytest

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles_tests.pipeline.whole_runs import ORDER, Undisturbed, assert_same, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]


def test_the_second_day_brings_every_kind_of_row(undisturbed: Undisturbed) -> None:
    """Or the tests of this folder would compare empty tables."""
    held = undisturbed.content(undisturbed.second_day)
    empty = {table for table, rows in held.items() if not rows}

    assert empty <= {
        "inbox_sequence", "generation", "decision", "model", "superseded_record", "feed_seen", "segment_due",
        "catalog_feed", "catalog_column", "review_pair",
    }  # fmt: skip
    kinds = {row.split("kind=")[1].split(" ")[0] for row in held["identity_event"]}
    assert kinds == {"create", "merge", "split", "delete"}


def test_running_twice_changes_nothing(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    again = undisturbed.copy(undisturbed.second_day, new_name())

    run(again)

    assert_same(undisturbed.content(again), undisturbed.content(undisturbed.second_day))


def test_postgres_holds_what_sqlcipher_holds(
    undisturbed: Undisturbed, new_name: Callable[[], str], postgres_url: str
) -> None:
    embedded, served = undisturbed.empty(new_name()), undisturbed.at(postgres_url)

    run(embedded)
    run(served)

    assert_same(undisturbed.content(served), undisturbed.content(embedded))


def test_the_size_of_a_batch_does_not_matter(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    small, large = undisturbed.empty(new_name()), undisturbed.empty(new_name())

    run(small, 50)
    run(large, 5_000)

    assert_same(
        undisturbed.content(small, ORDER), undisturbed.content(large, ORDER), but={"ledger", "sequence"}
    )


def test_stages_may_come_in_any_order(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    backwards, forwards = undisturbed.empty(new_name()), undisturbed.empty(new_name())

    with open_pipeline(backwards, limit=50) as pipeline:
        derived = list(reversed(pipeline.derived()))
        for stage in (*derived, *pipeline.ingests(), *derived, *derived, *derived, *derived):
            pipeline.drain(stage)
    run(forwards, 50)

    assert_same(
        undisturbed.content(backwards, ORDER),
        undisturbed.content(forwards, ORDER),
        but={"ledger", "sequence"},
    )
