"""Tells Dagster what the streaming worker did: materializations and checks without a run, added up over some seconds.

A thread of its own does it, from the ledger: Dagster that is slow or down stops nobody, and is told everything later. What was
told and not noted, because the process was killed in between, is told again: at least once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import dagster as dg

from customer_profiles.monitoring.ledger import Stretch
from customer_profiles.orchestration.assets.cleaned import TABLE, cleaned_key
from customer_profiles.orchestration.assets.derived import STAGE_OF, TABLE_OF, WRITTEN_WITH
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.orchestration.latency_plot import latency_of_the_last_hour
from customer_profiles.orchestration.report import stage_metadata
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.pipeline.unreported import Unreported, begin_reporting, reported, unreported
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved

CHECK = "ledger_adds_up"
CHECK_SECONDS = 60.0
"""So often a check is told whose verdict did not change, and a picture is drawn."""
_LONGEST_WAIT = 60.0
_ASSET_OF = {stage: asset for asset, stage in STAGE_OF.items()}

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


class Reporter:
    """Reports from a thread until the end of the block. A context manager."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        due: Callable[[], bool] = lambda: True,
        on_trouble: Callable[[str], None] = lambda told: None,
    ) -> None:
        """Bind the reporter; Dagster is opened in its thread.

        Args:
            settings: The settings.
            state: The open state.
            due: Whether it is this process that is to report.
            on_trouble: Called when Dagster could not be told, with the kind of error; with the empty text when it could again.
        """
        self._settings = settings
        self._state = state
        self._due = due
        self._on_trouble = on_trouble
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._checked: dict[dg.AssetKey, tuple[bool, float]] = {}
        self._drawn_at = float("-inf")
        self._open = ExitStack()
        self._instance: dg.DagsterInstance | None = None

    def __enter__(self) -> Reporter:
        """Begin to report what happens from now on.

        Raises:
            StateError: The state cannot be written.
        """
        begin_reporting(self._state)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Report once more, and end; a Dagster that does not answer is not waited for: the next start tells it."""
        self._ending.set()
        self._thread.join(self._settings.streaming.report_seconds)

    def report(self) -> int:
        """Tell Dagster what it was not told of; says how many events that were.

        Raises:
            Exception: Whatever Dagster's storage raises. What was not told stays to be told.
        """
        told = unreported(self._state)
        if told is None:
            return 0
        if self._instance is None:
            self._instance = self._open.enter_context(open_instance(self._settings.folder))
        events = list(self._events(told))
        for event in events:
            self._instance.report_runless_asset_event(event)
        reported(self._state, told)
        return len(events)

    def _events(self, told: Unreported) -> Iterator[Event]:
        for stretch in told.stretches:
            found = asset_of(stretch)
            if found is None or not stretch.total.received:
                continue
            key, table = found
            metadata = stage_metadata(stretch.total, table)
            metadata["batches"] = dg.MetadataValue.int(stretch.batches)
            # The same numbers again are the same report again.
            metadata["batch numbers"] = dg.MetadataValue.text(f"{told.after + 1} to {told.upto}")
            metadata["told by"] = dg.MetadataValue.text("customer-profiles stream")
            if key.path[-1] == "segments":
                metadata |= self._latency()
            yield dg.AssetMaterialization(key, metadata=metadata)
            for other in WRITTEN_WITH.get(key.path[-1], ()):
                yield dg.AssetMaterialization(other, metadata={"dagster/table_name": TABLE_OF[other]})
            if self._is_to_be_told(key, not stretch.wrong):
                yield dg.AssetCheckEvaluation(
                    asset_key=key,
                    check_name=CHECK,
                    passed=not stretch.wrong,
                    severity=dg.AssetCheckSeverity.ERROR,
                    metadata={"batches": stretch.batches, "batches that do not add up": stretch.wrong},
                )

    def _latency(self) -> Mapping[str, dg.MetadataValue]:
        now = time.monotonic()
        if now - self._drawn_at < CHECK_SECONDS:
            return {}
        self._drawn_at = now
        return latency_of_the_last_hour(self._state)

    def _is_to_be_told(self, key: dg.AssetKey, passed: bool) -> bool:
        now = time.monotonic()
        before, at = self._checked.get(key, (None, 0.0))
        if passed == before and now - at < CHECK_SECONDS:
            return False
        self._checked[key] = (passed, now)
        return True

    def _run(self) -> None:
        seconds = self._settings.streaming.report_seconds
        backoff, dice, failures, wait = Backoff(seconds, _LONGEST_WAIT), random.Random(), 0, seconds
        was_due = False
        while True:
            ending = self._ending.wait(wait)
            was_due = was_due or self._due()
            try:
                if self._due() or (ending and was_due):
                    self.report()
            except CursorMoved:
                pass  # another worker told it
            except Exception as error:  # whatever Dagster's storage has: it must not stop the worker
                failures += 1
                wait = max(seconds, backoff.wait(failures, dice))
                self._forget_instance()
                if failures == 1:
                    self._on_trouble(type(error).__name__)
            else:
                if failures:
                    self._on_trouble("")
                failures, wait = 0, seconds
            if ending:
                self._forget_instance()
                return

    def _forget_instance(self) -> None:
        self._checked.clear()
        self._instance = None
        self._open.close()


def asset_of(stretch: Stretch) -> tuple[dg.AssetKey, str] | None:
    """The asset that a stage writes, and its main table; None of a stage that has none."""
    stage, source = stretch.total.stage, stretch.total.source
    if stage in _ASSET_OF:
        asset = _ASSET_OF[stage]
        return dg.AssetKey(asset), TABLE_OF[asset]
    contract = stage.removeprefix("ingest_")
    return (cleaned_key(source, contract), TABLE[contract]) if contract in TABLE else None
