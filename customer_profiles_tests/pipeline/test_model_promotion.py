"""A model comes into use with the generation that was built with it, at once or not at all, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from customer_profiles.encryption.opening import open_state
from customer_profiles.identity.claims.claims import record_of
from customer_profiles.identity.graph.graph_store import Members, read_members
from customer_profiles.identity.model.bundle import BundleError, ModelBundle, shipped_priors
from customer_profiles.identity.model.comparison import compare_members, with_model
from customer_profiles.identity.model.models import (
    ModelError,
    promoted_version,
    put_in_use,
    store_candidate,
    stored_models,
)
from customer_profiles.identity.tables import identity_event, model
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles.state.generations import live_generation
from customer_profiles_tests.pipeline.killing import Before, During, run_and_die
from customer_profiles_tests.pipeline.whole_runs import LIMIT, Undisturbed, assert_same
from customer_profiles_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

PICKY = replace(shipped_priors(), edge_threshold=40.0)
"""Hardly any score makes an edge: customers that no identifier holds together fall apart."""
ON_ITS_WAY = {"generation", "cursor", "ledger", "sequence", "customer_id", "watermark"}
"""What a promotion that is killed may leave of the generation that it was building; an ID leads to a claim, whoever is served."""


def add_candidate(settings: Settings, bundle: ModelBundle) -> int:
    with open_pipeline(settings) as house, house.state.writing() as connection:
        return store_candidate(connection, bundle, 1)


def live_members(settings: Settings) -> Members:
    with open_state(settings) as (state, _), state.reading() as connection:
        return read_members(connection, live_generation(connection))


def customers(members: Members) -> dict[int, int]:
    return dict(zip(members.records.tolist(), members.customers.tolist(), strict=True))


def in_use(settings: Settings) -> tuple[int, dict[int, str]]:
    with open_state(settings) as (state, _), state.reading() as connection:
        return promoted_version(connection), {one.version: one.status for one in stored_models(connection)}


def generations_with_events(settings: Settings) -> set[int]:
    with open_state(settings) as (state, _), state.reading() as connection:
        return set(connection.execute(sa.select(identity_event.c.generation).distinct()).scalars())


@pytest.fixture
def company(undisturbed: Undisturbed, new_name: Callable[[], str]) -> Settings:
    """The company after its second day, with a candidate that splits customers."""
    settings = undisturbed.copy(undisturbed.second_day, new_name())
    assert add_candidate(settings, PICKY) == 1
    return settings


def test_promoting_makes_the_customers_that_the_comparison_foretold(company: Settings) -> None:
    before = live_members(company)
    with open_state(company) as (state, _), state.reading() as connection:
        foretold = with_model(connection, live_generation(connection), PICKY, company.identity)

    with open_pipeline(company, limit=LIMIT) as house:
        promoted = house.promote_model(1)

    after = live_members(company)
    assert customers(after) == customers(foretold) != customers(before)
    assert promoted.comparison == compare_members(before, foretold)
    assert promoted.comparison.split > 0
    assert in_use(company) == (1, {1: "promoted"})
    with open_state(company) as (state, _), state.reading() as connection:
        causes = connection.execute(
            sa.select(identity_event.c.cause_kind).where(identity_event.c.generation > 1).distinct()
        ).scalars()
        assert set(causes) == {"model"}


def test_every_customer_whose_founder_stays_keeps_its_id(company: Settings) -> None:
    before = customers(live_members(company))

    with open_pipeline(company, limit=LIMIT) as house:
        promoted = house.promote_model(1)

    after = customers(live_members(company))
    founded_by_the_living = {number for number in before.values() if record_of(number) in before}
    assert founded_by_the_living
    for number in founded_by_the_living:
        assert after[record_of(number)] == number
    # None was merged, so nobody's ID went to another.
    assert promoted.comparison.ids_kept == len(set(before.values()))


def test_rolling_back_restores_customers_and_ids_and_again_brings_the_model_back(company: Settings) -> None:
    before = customers(live_members(company))

    with open_pipeline(company, limit=LIMIT) as house:
        house.promote_model(1)
        split = customers(live_members(company))
        house.roll_back_model()
        assert (customers(live_members(company)), in_use(company)) == (before, (0, {1: "retired"}))
        house.roll_back_model()

    assert (customers(live_members(company)), in_use(company)) == (split, (1, {1: "promoted"}))


def test_after_a_roll_back_to_the_priors_no_run_trains_over_them(company: Settings) -> None:
    training = company.identity.training.model_copy(update={"min_records": 10})
    eager = company.model_copy(
        update={"identity": company.identity.model_copy(update={"training": training})}
    )

    with open_pipeline(eager, limit=LIMIT) as house:
        house.promote_model(1)
        house.roll_back_model()
        told = house.train()

    assert not told.trained
    assert "rolled back" in told.outcome


def test_the_next_batch_goes_on_from_the_promoted_generation(company: Settings) -> None:
    with open_pipeline(company, limit=LIMIT) as house:
        house.promote_model(1)
        after = house.drain(house.resolve())

    assert after.received == 0


def test_batches_go_on_while_a_model_is_promoted_and_are_in_the_new_generation(
    undisturbed: Undisturbed, company: Settings, new_name: Callable[[], str]
) -> None:
    busy = undisturbed.copy(undisturbed.first_day, new_name())
    add_candidate(busy, PICKY)
    live_meanwhile = []

    def second_day(result: StageResult) -> None:
        """When the new generation's graph is there, everything of the next day comes in and is served."""
        if result.stage == "resolve" and not live_meanwhile:
            with open_pipeline(busy, limit=LIMIT) as other:
                other.run()
            live_meanwhile.append(customers(live_members(busy)))

    with open_pipeline(busy, second_day, LIMIT) as house:
        house.promote_model(1)
        waiting = house.drain(house.resolve())
    with open_pipeline(company, limit=LIMIT) as house:
        house.promote_model(1)

    assert live_meanwhile == [customers(live_members(undisturbed.second_day))]
    assert waiting.received == 0
    assert customers(live_members(busy)) == customers(live_members(company))


def test_a_promotion_that_is_killed_changes_neither_model_nor_customers(
    undisturbed: Undisturbed, company: Settings
) -> None:
    untouched = undisturbed.content(company, exactly=True)
    for kill in (During('INSERT INTO "trait"'), Before("INSERT INTO model_promotion")):
        run_and_die(company, kill, LIMIT, "promote")

        found = undisturbed.content(company, exactly=True)
        found, expected = (
            {
                table: [row for row in rows if "generation=" not in row or "generation=1 |" in row]
                for table, rows in content.items()
            }
            for content in (found, untouched)
        )
        assert_same(found, expected, but=ON_ITS_WAY)
        assert in_use(company) == (0, {1: "candidate"})

    with open_pipeline(company, limit=LIMIT) as house:
        live = house.promote_model(1).rebuilt.generation
    assert in_use(company) == (1, {1: "promoted"})
    # What was to happen in the generations that were given up never happened to anybody.
    assert generations_with_events(company) == {1, live}


def test_a_promotion_on_postgres_makes_the_customers_that_one_on_sqlcipher_makes(
    undisturbed: Undisturbed,
    on_postgres: Settings,
    new_name: Callable[[], str],
    postgres_server: PostgresServer,
) -> None:
    embedded = undisturbed.copy(undisturbed.from_scratch(), new_name())
    served = undisturbed.at(postgres_server.create_database(template=on_postgres.state.url.rsplit("/", 1)[1]))

    for one in (embedded, served):
        add_candidate(one, PICKY)
        with open_pipeline(one, limit=LIMIT) as house:
            house.promote_model(1)

    assert customers(live_members(served)) == customers(live_members(embedded))
    assert in_use(served) == (1, {1: "promoted"})


def test_a_model_that_is_in_use_or_not_there_is_not_promoted(company: Settings) -> None:
    with open_pipeline(company, limit=LIMIT) as house:
        with pytest.raises(ModelError, match="no identity model 7"):
            house.promote_model(7)
        with pytest.raises(ModelError, match="in use already"):
            house.promote_model(0)
        with pytest.raises(ModelError, match="nothing to roll back to"):
            house.roll_back_model()


def test_of_two_promotions_at_once_one_gives_way(company: Settings) -> None:
    add_candidate(company, replace(PICKY, edge_threshold=50.0))
    others = []

    def other(result: StageResult) -> None:
        if result.stage == "resolve" and not others:
            others.append(result)
            with open_pipeline(company) as house, house.state.writing() as connection:
                put_in_use(connection, 2, 2)

    with (
        open_pipeline(company, other, LIMIT) as house,
        pytest.raises(ModelError, match="promoted meanwhile"),
    ):
        house.promote_model(1)

    assert in_use(company) == (2, {1: "candidate", 2: "promoted"})
    assert generations_with_events(company) == {1}


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "of another Splink": lambda _: replace(PICKY, splink_version="4.0.16").to_bytes(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bundle_that_cannot_be_used_is_named_and_nothing_is_touched(
    undisturbed: Undisturbed, company: Settings, damage: str
) -> None:
    content = DAMAGES[damage](PICKY.to_bytes())
    with open_pipeline(company) as house, house.state.writing() as connection:
        connection.execute(model.update().values(bundle=content))
    before = undisturbed.content(company, exactly=True)
    said = "made for Splink 4.0.16" if damage == "of another Splink" else "cannot be read"

    with open_pipeline(company, limit=LIMIT) as house, pytest.raises(BundleError, match=said):
        house.promote_model(1)

    assert_same(undisturbed.content(company, exactly=True), before)

    with open_pipeline(company) as house, house.state.writing() as connection:
        put_in_use(connection, 1, 2)
    before = undisturbed.content(company, exactly=True)

    for generation in (None, 2):
        with open_pipeline(company, limit=LIMIT) as house, pytest.raises(BundleError, match=said):
            house.drain(house.resolve(generation))

    assert_same(undisturbed.content(company, exactly=True), before)
