"""Old interactions of a whole company are sealed, and everything goes on as if they were not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from customer_profiles.pipeline import overview
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles_tests.pipeline.test_rebuild import ANEW, MOVES_ON, of_the_living
from customer_profiles_tests.pipeline.whole_runs import LIMIT, ORDER, Undisturbed, assert_same, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

MOVED = {"interaction", "sealed_event", "history_segment", "cursor", "ledger", "sequence"}
"""What sealing is there to change."""


def seal(settings: Settings, after_days: int = 1) -> int:
    """Seal nearly all that there is; says how many interactions."""
    history = settings.history.model_copy(update={"after_days": after_days})
    with open_pipeline(settings.model_copy(update={"history": history})) as pipeline:
        return pipeline.keep_history().sealed.applied


def test_a_second_day_after_the_first_was_sealed_is_like_any_second_day(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    sealed = undisturbed.copy(undisturbed.first_day, new_name())
    assert seal(sealed) > 600

    run(sealed)

    found, expected = (undisturbed.content(one, ORDER) for one in (sealed, undisturbed.second_day))
    assert_same(found, expected, but=MOVED)
    with open_pipeline(sealed) as pipeline, open_pipeline(undisturbed.second_day) as other:
        of_sealed, of_other = (overview.summary(one.state, one.settings) for one in (pipeline, other))
        assert of_sealed.interactions == of_other.interactions
        assert of_sealed.received == of_other.received


def test_a_rebuild_from_history_gives_what_is_live(
    undisturbed: Undisturbed, new_name: Callable[[], str]
) -> None:
    sealed = undisturbed.copy(undisturbed.second_day, new_name())
    live = undisturbed.content(sealed, ANEW)
    assert seal(sealed) > 600

    with open_pipeline(sealed, limit=LIMIT) as pipeline:
        rebuilt = pipeline.rebuild()

    found = undisturbed.content(sealed, ANEW)
    assert rebuilt.moved == rebuilt.changed_traits == 0
    assert_same(of_the_living(found), of_the_living(live), but=MOVES_ON | MOVED)


def test_so_it_is_on_postgres(undisturbed: Undisturbed, postgres_url: str, tmp_path: Path) -> None:
    served = undisturbed.at(postgres_url)
    served = served.model_copy(
        update={"history": served.history.model_copy(update={"folder": tmp_path / "history"})}
    )
    run(served)
    live = undisturbed.content(served, ANEW)
    assert seal(served) > 600

    with open_pipeline(served, limit=LIMIT) as pipeline:
        pipeline.rebuild()

    found = undisturbed.content(served, ANEW)
    assert_same(of_the_living(found), of_the_living(live), but=MOVES_ON | MOVED)
