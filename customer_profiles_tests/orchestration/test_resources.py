"""What an asset's failure leaves in Dagster's storage, which is not encrypted."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.orchestration.resources import PipelineOpener
from customer_profiles.settings.load import settings_from_text

VALUE = "anna.schmidt@example.com"


@pytest.fixture
def fail_with(tmp_path: Path) -> Callable[[Exception], str]:
    """Runs an asset that fails with this error, and gives what Dagster keeps of it."""
    settings = settings_from_text("sources: {}\n", tmp_path / "customer_profiles.yaml", environment={})

    def run(error: Exception) -> str:
        @dg.asset
        def failing(pipeline: dg.ResourceParam[PipelineOpener]) -> None:
            with pipeline.opened():
                try:
                    raise KeyError(VALUE)
                except KeyError:
                    raise error from None

        result = dg.materialize(
            [failing], resources={"pipeline": PipelineOpener(settings)}, raise_on_error=False
        )
        kept = result.get_step_failure_events()[0].step_failure_data.error
        assert kept is not None
        return kept.to_string()

    return run


def test_the_message_of_an_error_that_is_not_ours_is_left_out(
    fail_with: Callable[[Exception], str],
) -> None:
    kept = fail_with(ValueError(f"cannot read {VALUE}"))

    assert VALUE not in kept
    assert "ValueError at test_resources" in kept


def test_our_own_errors_are_told_in_full(
    fail_with: Callable[[Exception], str],
) -> None:
    assert "mend the mapping" in fail_with(CustomerProfilesError("mend the mapping"))
