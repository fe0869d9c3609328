import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from customer_profiles_tests.history.made import history_in
from customer_profiles_tests.marts.late_history import LateHistory

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("engine", "histories"), [("sqlcipher", 25), ("postgres", 6)])
def test_late_repeated_shuffled_moved_and_sealed_events_give_what_a_recount_of_the_history_gives(
    state_factory, tmp_path_factory, engine, histories
):
    class History(LateHistory):
        @staticmethod
        def make_state():
            state = state_factory(engine)
            state.history = history_in(tmp_path_factory.mktemp("history"))
            return state

    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=histories,
            stateful_step_count=15,
            phases=[
                Phase.generate
            ],  # each step opens real stages: making a failure shorter would take an hour
            suppress_health_check=list(HealthCheck),
        ),
    )
