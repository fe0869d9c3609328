"""A rebuild gives what is live, keeps what is a fact, is not seen before the switch, and leaves nothing behind."""

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from customer_profiles.encryption.keys import open_keys
from customer_profiles.encryption.opening import open_state
from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
from customer_profiles.identity.decisions.decisions import DecisionKind, decide
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.serving.profile import read_profile
from customer_profiles.settings import Settings
from customer_profiles.state.errors import StateError
from customer_profiles.state.generations import derived_tables, live_generation
from customer_profiles.state.tables import cursor
from customer_profiles_tests.pipeline.killing import Before, During, run_and_die
from customer_profiles_tests.pipeline.whole_runs import LIMIT, Content, Undisturbed, assert_same
from customer_profiles_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

MOVES_ON = {"ledger", "sequence", "cursor", "generation", "identity_commit", "watermark"}
"""What says that work was done, and so says it of a rebuild."""
ANEW = {table.name: {"generation", "changed_no", "version", "event_no"} for table in derived_tables()}
"""What a rebuild numbers anew; a profile's version goes on, so that no consumer takes it for an old one."""
DERIVED = ("resolve", "accumulate", "refresh_traits", "refresh_segments")


_OF_ONE_CUSTOMER = sa.text(
    """
    SELECT min(record_no), max(record_no)
    FROM member
    GROUP BY customer_no
    HAVING count(*) = 2
    ORDER BY customer_no
    LIMIT 1
    """
)


@pytest.fixture(scope="module")
def decided(undisturbed: Undisturbed, new_name: Callable[[], str]) -> Settings:
    """The company after its second day and a steward's decision."""
    settings = undisturbed.copy(undisturbed.second_day, new_name())
    with open_pipeline(settings, limit=LIMIT) as pipeline:
        with pipeline.state.writing() as connection:
            one, other = connection.execute(_OF_ONE_CUSTOMER).one()
            decide(connection, DecisionKind.APART, [one], [other], by="steward", reason="not the same")
        pipeline.run()
    return settings


def of_the_living(content: Content) -> Content:
    """Without the customers that no record is left of: a rebuild does not bring them back."""
    customers = [row for row in content["customer"] if "size=0" not in row]
    profiles = [row for row in content["profile"] if "gone_at=None" in row]
    return {**content, "customer": customers, "profile": profiles}


def of_generation(content: Content, number: int) -> Content:
    """Only what belongs to one generation, and what belongs to none."""
    derived = {table.name for table in derived_tables()}
    return {
        table: [row for row in rows if table not in derived or row.startswith(f"generation={number} |")]
        for table, rows in content.items()
    }


def generations_held(settings: Settings) -> dict[str, set[int]]:
    with open_state(settings) as (state, _), state.reading() as connection:
        return {
            table.name: set(connection.execute(sa.select(table.c.generation).distinct()).scalars())
            for table in derived_tables()
        }


def live_in(settings: Settings) -> int:
    with open_state(settings) as (state, _), state.reading() as connection:
        return live_generation(connection)


def assert_only_live(settings: Settings) -> None:
    """No row and no cursor of a stage is left of a generation that is not served."""
    live = live_in(settings)
    assert {number for held in generations_held(settings).values() for number in held} == {live}
    with open_state(settings) as (state, _), state.reading() as connection:
        sources = connection.execute(sa.select(cursor.c.source).where(cursor.c.stage.in_(DERIVED))).scalars()
        assert set(sources) <= {"", str(live), f"generation {live}"}


def test_a_rebuild_gives_what_is_live_and_keeps_the_facts(
    undisturbed: Undisturbed, decided: Settings, new_name: Callable[[], str]
) -> None:
    rebuilt = undisturbed.copy(decided, new_name())

    with open_pipeline(rebuilt, limit=LIMIT) as pipeline:
        told = pipeline.rebuild()

    found, expected = (
        of_the_living(undisturbed.content(one, ANEW, exactly=True)) for one in (rebuilt, decided)
    )
    assert (told.moved, told.changed_traits, told.customers_after) == (0, 0, told.customers_before)
    assert_same(found, expected, but=MOVES_ON)
    assert expected["decision"]
    assert expected["estate"]
    assert_only_live(rebuilt)


def test_a_rebuild_on_postgres_leaves_what_one_on_sqlcipher_leaves(
    undisturbed: Undisturbed,
    on_postgres: Settings,
    new_name: Callable[[], str],
    postgres_server: PostgresServer,
) -> None:
    embedded = undisturbed.copy(undisturbed.from_scratch(), new_name())
    served = undisturbed.at(postgres_server.create_database(template=on_postgres.state.url.rsplit("/", 1)[1]))

    for one in (embedded, served):
        with open_pipeline(one, limit=LIMIT) as pipeline:
            pipeline.rebuild()

    assert_same(undisturbed.content(served), undisturbed.content(embedded))


def test_the_day_after_a_rebuild_ends_like_the_day_without_one(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    rebuilt = undisturbed.copy(undisturbed.first_day, new_name())

    with open_pipeline(rebuilt, limit=LIMIT) as pipeline:
        pipeline.rebuild()
        pipeline.run()

    numbered = {
        **ANEW,
        "identity_event": {"generation"},
        "claim_history": {"commit_no"},
        "membership_history": {"commit_no"},
    }
    found, expected = (
        of_the_living(undisturbed.content(one, numbered)) for one in (rebuilt, undisturbed.second_day)
    )
    assert_same(found, expected, but=MOVES_ON)


def test_readers_see_the_old_generation_until_the_switch(
    undisturbed: Undisturbed, decided: Settings, new_name: Callable[[], str]
) -> None:
    rebuilt = undisturbed.copy(decided, new_name())
    key = open_keys(rebuilt.state.key, rebuilt.folder).key(CUSTOMER_ID_KEY)
    now = time.time_ns() // 1_000
    seen = []

    def look(_: StageResult | None = None) -> None:
        with open_state(rebuilt) as (state, _):
            with state.reading() as connection:
                live = live_generation(connection)
            profile = read_profile(state, rebuilt, "crm:C00000024", "support", now, key)
            seen.append((live, profile.fields, profile.records))

    look()
    with open_pipeline(rebuilt, look, LIMIT) as pipeline:
        pipeline.rebuild()
    look()

    generations, fields, records = zip(*seen, strict=True)
    assert generations == (1,) * (len(seen) - 1) + (2,)
    assert fields[0]
    assert len(seen) > len(DERIVED)
    assert fields == fields[:1] * len(seen)
    assert records == records[:1] * len(seen)


def test_a_rebuild_that_is_killed_leaves_the_live_generation_as_it_was_and_the_next_one_no_orphans(
    undisturbed: Undisturbed, decided: Settings, new_name: Callable[[], str]
) -> None:
    killed = undisturbed.copy(decided, new_name())
    promotion = Before("UPDATE generation SET status=", times=2)  # the first gives up the one before

    for kill in (During('INSERT INTO "trait"'), promotion):
        run_and_die(killed, kill, LIMIT, "rebuild")

        assert live_in(killed) == 1
        served, expected = (
            of_generation(undisturbed.content(one, exactly=True), 1) for one in (killed, decided)
        )
        assert_same(served, expected, but=MOVES_ON)
        assert any(held - {1} for held in generations_held(killed).values())

    with open_pipeline(killed, limit=LIMIT) as pipeline:
        pipeline.rebuild()

    found, expected = (
        of_the_living(undisturbed.content(one, ANEW, exactly=True)) for one in (killed, decided)
    )
    assert_same(found, expected, but=MOVES_ON)
    assert_only_live(killed)


def test_a_rebuild_that_is_killed_while_it_clears_is_done_and_the_next_one_clears_the_rest(
    undisturbed: Undisturbed, decided: Settings, new_name: Callable[[], str]
) -> None:
    killed = undisturbed.copy(decided, new_name())

    run_and_die(killed, During('DELETE FROM "trait"'), LIMIT, "rebuild")

    assert live_in(killed) == 2
    assert generations_held(killed)["trait"] == {1, 2}
    with open_pipeline(killed, limit=LIMIT) as pipeline:
        pipeline.rebuild()
    assert_only_live(killed)


def test_of_two_rebuilds_the_later_one_wins_and_the_other_leaves_nothing(
    undisturbed: Undisturbed, decided: Settings, new_name: Callable[[], str]
) -> None:
    settings = undisturbed.copy(decided, new_name())
    begun = []

    def begin_another(result: StageResult) -> None:
        if result.stage == "accumulate" and not begun:
            begun.append(result)
            with open_pipeline(settings, limit=LIMIT) as later:
                later.rebuild()

    with (
        open_pipeline(settings, begin_another, LIMIT) as pipeline,
        pytest.raises(StateError, match="another rebuild began"),
    ):
        pipeline.rebuild()

    assert live_in(settings) == 3
    assert_only_live(settings)
    found, expected = (
        of_the_living(undisturbed.content(one, ANEW, exactly=True)) for one in (settings, decided)
    )
    assert_same(found, expected, but=MOVES_ON)
