"""Whole runs: again, on the other engine, in other batches, with the stages in another order. The same tables."""

from collections.abc import Callable

import pytest

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles_tests.pipeline.whole_runs import LIMIT, ORDER, Undisturbed, assert_same, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]


def test_the_second_day_brings_every_kind_of_row(undisturbed: Undisturbed) -> None:
    """Or the tests of this folder would compare empty tables."""
    held = undisturbed.content(undisturbed.second_day)
    empty = {table for table, rows in held.items() if not rows}

    assert empty <= {
        "inbox_sequence", "generation", "decision", "model", "superseded_record", "feed_seen", "segment_due",
        "catalog_feed", "catalog_column", "review_pair", "model_promotion", "inbox_event", "inbox_message", "lease",
        "served_batch", "unmasking", "alarm", "alarm_notice", "failed_run", "recount",
        "history_segment", "sealed_event", "corrected_interaction", "ledger_total",
    }  # fmt: skip
    kinds = {row.split("kind=")[1].split(" ")[0] for row in held["identity_event"]}
    assert kinds == {"create", "merge", "split", "delete"}


def test_running_twice_changes_nothing(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    again = undisturbed.copy(undisturbed.second_day, new_name())

    run(again)

    found, expected = (undisturbed.content(one, exactly=True) for one in (again, undisturbed.second_day))
    assert_same(found, expected, but={"watermark"})  # says when it was last looked


def test_postgres_holds_what_sqlcipher_holds(undisturbed: Undisturbed, on_postgres: Settings) -> None:
    assert_same(undisturbed.content(on_postgres), undisturbed.content(undisturbed.from_scratch()))


def test_the_size_of_a_batch_does_not_matter(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    large = undisturbed.empty(new_name())

    run(large, 100 * LIMIT)

    found, expected = (undisturbed.content(one, ORDER) for one in (large, undisturbed.from_scratch()))
    assert_same(found, expected, but={"ledger", "sequence"})


def test_stages_may_come_in_any_order(undisturbed: Undisturbed, new_name: Callable[[], str]) -> None:
    backwards = undisturbed.empty(new_name())

    with open_pipeline(backwards, limit=LIMIT) as pipeline:
        derived = list(reversed(pipeline.derived()))
        for stage in (*derived, *pipeline.ingests(), *derived, *derived, *derived, *derived):
            pipeline.drain(stage)

    found, expected = (undisturbed.content(one, ORDER) for one in (backwards, undisturbed.from_scratch()))
    assert_same(found, expected, but={"ledger", "sequence"})
