"""Finds runs that are at work, and those whose process died without a word: Dagster itself would believe them for hours."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg

from customer_profiles.orchestration.jobs import EVERYTHING, REFRESH
from customer_profiles.pipeline.lease import STALE_SECONDS, Lease, LeaseWatch, Standing, drop_lease, run_lease
from customer_profiles.state.engine import State

OURS = (EVERYTHING, REFRESH)
"""Jobs whose runs hold the pipeline open from their first moment to their last."""
START_SECONDS = 60.0
"""How long a run that has started may take until it holds the pipeline open, or from then to its end."""
_NOT_ENDED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_HAVE_PROCESS = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


class RunWatch:
    """Looks on at the runs that take in what is new."""

    def __init__(
        self, state: State, stale_seconds: float = STALE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to look on.

        Args:
            state: The open state, where runs show that they live.
            stale_seconds: How long a run's heartbeat may stand still.
            clock: A clock that only goes forward, in seconds.
        """
        self._state = state
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._watches: dict[str, LeaseWatch] = {}
        self._free_since: dict[str, float] = {}

    def at_work(self, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
        """The runs at work. Those that died are told failed, and are not among them."""
        found = instance.get_runs(dg.RunsFilter(statuses=_NOT_ENDED), limit=100)
        runs = [run for run in found if run.job_name in OURS]
        living = [run for run in runs if not self._is_dead(run)]
        for run in runs:
            if run not in living:
                instance.report_run_failed(
                    run, "The process of this run died: it was not heard of any more. The next run goes on."
                )
                drop_lease(self._state, run_lease(run.run_id))
        ids = {run.run_id for run in living}
        self._watches = {run_id: watch for run_id, watch in self._watches.items() if run_id in ids}
        self._free_since = {run_id: since for run_id, since in self._free_since.items() if run_id in ids}
        return living

    def _is_dead(self, run: dg.DagsterRun) -> bool:
        if run.status not in _HAVE_PROCESS:
            return False
        watch = self._watches.setdefault(run.run_id, LeaseWatch(self._stale_seconds))
        standing = watch.observe(Lease(self._state, run_lease(run.run_id)).look())
        if standing is not Standing.FREE:
            self._free_since.pop(run.run_id, None)
            return standing is Standing.STALE
        since = self._free_since.setdefault(run.run_id, self._clock())
        return self._clock() - since >= START_SECONDS
