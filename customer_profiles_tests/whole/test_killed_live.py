"""Worker, collector and runs of Dagster killed under traffic: every accepted event counts once, as a rebuild says too."""

from pathlib import Path

import pytest

from customer_profiles.orchestration.dead_runs import RunWatch
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles_tests.web.serving import wait_until
from customer_profiles_tests.whole.killing import kill_and_count, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed_live")]


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_killed_at_random_moments_every_accepted_event_counts_once_and_dead_runs_are_told(
    tmp_path: Path,
) -> None:
    found = kill_and_count(tmp_path, kills=12, seed=1)

    assert found.faults == []
    assert found.kills == {"worker": 4, "collector": 4, "run": 4}
    assert 0 < found.quarantined < found.counted < found.accepted
    with open_pipeline(settings_in(tmp_path)) as house, open_instance(tmp_path) as instance:
        watch = RunWatch(house.state, stale_seconds=0.5)
        wait_until(lambda: not watch.at_work(instance))
        assert {run.status.value for run in instance.get_runs()} <= {"FAILURE", "SUCCESS"}


def test_so_it_is_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    found = kill_and_count(tmp_path, kills=8, seed=2, state_url=postgres_url)

    assert found.faults == []
    assert found.kills == {"worker": 3, "collector": 3, "run": 2}
    assert 0 < found.quarantined < found.counted < found.accepted
