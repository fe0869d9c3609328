"""A run that is killed, at any stage, and run again leaves the tables of a run that nobody disturbed."""

from collections.abc import Callable

import pytest

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles_tests.pipeline.killing import After, Before, During, Kill, committing, run_and_die
from customer_profiles_tests.pipeline.whole_runs import LIMIT, Columns, Undisturbed, assert_same, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

BETWEEN_BATCHES: list[Kill] = [
    After("ingest_record", 4),
    After("ingest_interaction", 5),
    After("resolve"),
    After("accumulate", 5),
    After("refresh_traits", 2),
]
"""Each run is killed further on than the one before."""

BEFORE_THE_COMMIT: list[Kill] = [
    committing("ingest_record", "crm", 2),
    committing("ingest_interaction", "web", 3),
    committing("resolve"),
    committing("accumulate", times=4),
    committing("refresh_traits"),
    committing("refresh_segments"),
]

AMID_THE_WRITING: list[Kill] = [
    During('INSERT INTO "record"', 3),
    During('INSERT INTO "feed_position"', 4),
    During('INSERT INTO "customer"'),
    During('INSERT INTO "bucket"', 6),
    During('INSERT INTO "trait"'),
    During('INSERT INTO "segment_membership"'),
]

AFTER_CONSENT_WAS_WRITTEN: list[Kill] = [
    committing("ingest_record", "crm"),
    committing("ingest_consent", "web"),
    committing("ingest_record", "email"),
]
"""Consent is in a store of its own and there before the batch that brought it."""

DELIVERED_AGAIN: Columns = {"ledger": {"applied", "duplicate"}}
"""A statement that reached the consent ledger before the kill is a duplicate when its batch comes again."""


@pytest.mark.parametrize("kills", [BETWEEN_BATCHES, BEFORE_THE_COMMIT, AMID_THE_WRITING])
def test_a_run_killed_at_every_stage_in_turn_ends_like_one_that_nobody_disturbed(
    undisturbed: Undisturbed, new_name: Callable[[], str], kills: list[Kill]
) -> None:
    killed, expected = undisturbed.empty(new_name()), undisturbed.from_scratch()

    for kill in kills:
        run_and_die(killed, kill, LIMIT)
    run(killed)

    assert_same(undisturbed.content(killed), undisturbed.content(expected))


def test_so_it_does_on_postgres(undisturbed: Undisturbed, postgres_url: str) -> None:
    killed, expected = undisturbed.at(postgres_url), undisturbed.from_scratch()

    for kill in BEFORE_THE_COMMIT[::2]:
        run_and_die(killed, kill, LIMIT)
    run(killed)

    assert_same(undisturbed.content(killed), undisturbed.content(expected))


def test_consent_that_was_written_before_the_kill_is_there_once(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    killed, expected = undisturbed.empty(new_name()), undisturbed.from_scratch()

    for kill in AFTER_CONSENT_WAS_WRITTEN:
        run_and_die(killed, kill, LIMIT)
    run(killed)

    assert_same(undisturbed.content(killed, DELIVERED_AGAIN), undisturbed.content(expected, DELIVERED_AGAIN))


def test_a_second_day_killed_while_customers_merge_and_split_ends_like_one_that_nobody_disturbed(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    killed = undisturbed.copy(undisturbed.first_day, new_name())

    run_and_die(killed, committing("resolve"), LIMIT)
    run(killed)

    assert_same(undisturbed.content(killed), undisturbed.content(undisturbed.second_day))


def test_a_training_that_is_killed_promotes_nothing_and_the_next_one_does(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    killed = undisturbed.copy(undisturbed.second_day, new_name())
    training = killed.identity.training.model_copy(update={"min_records": 100})
    killed = killed.model_copy(update={"identity": killed.identity.model_copy(update={"training": training})})

    run_and_die(killed, Before("INSERT INTO model"), LIMIT, "train")

    assert_same(undisturbed.content(killed), undisturbed.content(undisturbed.second_day))
    with open_pipeline(killed) as pipeline:
        assert pipeline.train().trained
        assert pipeline.has_model()
