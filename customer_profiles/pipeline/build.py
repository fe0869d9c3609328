"""Opens what the stages need and hands them out, bound to their dependencies, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from customer_profiles.catalog.audit import audit_sources
from customer_profiles.catalog.facts import FeedFacts
from customer_profiles.cleaning.ingest import IngestStage, now_micros
from customer_profiles.cleaning.seal import SealStage
from customer_profiles.encryption.key_check import remember_key
from customer_profiles.encryption.keys import KeyProvider, open_keys
from customer_profiles.encryption.opening import open_history
from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
from customer_profiles.identity.model.lifecycle import TrainedCandidate, train_candidate
from customer_profiles.identity.model.training_job import TrainingResult, has_promoted_model, train_if_needed
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.monitoring.ledger import StageResult, total_of
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.freshness import note_drained
from customer_profiles.pipeline.history import (
    HistoryStatus,
    Kept,
    accumulated_until,
    history_status,
    keep_history,
)
from customer_profiles.pipeline.latency import Latency, measure
from customer_profiles.pipeline.model_promotion import Promoted, promote_model, version_to_roll_back_to
from customer_profiles.pipeline.rebuild import Rebuilt, rebuild
from customer_profiles.pipeline.stage import CONTRACT_ORDER, Stage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.history.history import History
from customer_profiles.state.migrate import migrate

DEFAULT_LIMIT = 5000
"""Envelopes in one batch."""

TIMES_BEATEN = 20
"""So often in a row another one may have done a stage's batch before it is given up."""


class SecondProcess(Protocol):
    """Another process that drains stages ahead of this one."""

    def take(self, stage: Stage) -> tuple[list[StageResult], bool]:
        """What was done of a stage there, once it is this process's; and whether that was all."""
        ...

    def note(self, stage: Stage, result: StageResult) -> None:
        """Take in what this process did of a stage."""
        ...


@dataclass(frozen=True)
class Pipeline:
    """The stages over one open state."""

    settings: Settings
    state: State
    keys: KeyProvider
    progress: Callable[[StageResult], None] | None = None
    limit: int | None = None
    ahead: SecondProcess | None = None

    @property
    def history(self) -> History:
        """Where old interactions are sealed."""
        assert self.state.history is not None  # `open_pipeline` said so
        return self.state.history

    def audit(self) -> list[FeedFacts]:
        """Look at every source and keep what was found in the catalog."""
        return audit_sources(self.settings, self.state)

    def ingest(self, source: str, contract: str) -> Stage:
        """The stage that reads one source into one contract."""
        return IngestStage(self.state, self.settings, self.keys, source, contract)

    def ingests(self) -> list[Stage]:
        """All ingest stages in their order."""
        return [
            self.ingest(source, contract)
            for source in self.settings.sources
            for contract in contracts_of(self.settings, source)
        ]

    def resolve(self, generation: int | None = None) -> Stage:
        """The stage that finds out who is who."""
        return ResolveStage(self.state, self.settings, generation)

    def accumulate(self, generation: int | None = None) -> Stage:
        """The stage that folds interactions into buckets."""
        return AccumulateStage(self.state, self.settings, generation)

    def refresh_traits(self, generation: int | None = None) -> Stage:
        """The stage that folds records into traits."""
        return RefreshTraitsStage(self.state, self.settings, self.keys.key(CUSTOMER_ID_KEY), generation)

    def refresh_segments(self, generation: int | None = None) -> Stage:
        """The stage that keeps who is in which segment."""
        return RefreshSegmentsStage(self.state, self.settings, generation)

    def derived(self, generation: int | None = None) -> list[Stage]:
        """The stages after ingest, in their order."""
        return [
            self.resolve(generation),
            self.accumulate(generation),
            self.refresh_traits(generation),
            self.refresh_segments(generation),
        ]

    def seal(self) -> Stage:
        """The stage that moves old interactions from the database to the history."""
        return SealStage(self.state, self.history, self.settings.history.after_days, accumulated_until)

    def keep_history(self) -> Kept:
        """Clear what a killed process left of the history, move what is old to it, and merge its small segments."""
        return keep_history(self.state, self.history, self.seal(), self.progress)

    def history_status(self, *, deep: bool = False) -> HistoryStatus:
        """How the history stands; deep: every byte of it is read."""
        return history_status(self.state, self.history, self.settings.history.after_days, deep=deep)

    def train(self) -> TrainingResult:
        """Train a model when none is promoted and there are records enough."""
        return train_if_needed(self.state, self.settings)

    def has_model(self) -> bool:
        """Whether a trained model is in use."""
        return has_promoted_model(self.state)

    def drain(self, stage: Stage) -> StageResult:
        """Advance a stage until nothing is left, a transaction a batch, telling the progress after each.

        Returns:
            All its batches added up.

        Raises:
            CursorMoved: Others did its batches meanwhile, many times in a row.
        """
        began, beaten = now_micros(), 0
        results, through = self.ahead.take(stage) if self.ahead is not None else ([], False)
        more = not through
        while more:
            try:
                result = stage.advance(self.limit or DEFAULT_LIMIT)
            except CursorMoved:
                # The worker or a run beside us did this batch: what is left is ours to try again.
                beaten += 1
                if beaten == TIMES_BEATEN:
                    raise
                continue
            beaten = 0
            results.append(result)
            more = result.more
            if self.ahead is not None:
                self.ahead.note(stage, result)
            if self.progress is not None:
                self.progress(result)
        total = total_of(results)
        assert total is not None  # a stage always says what it did
        if not through:
            note_drained(self.state, stage, began)
        return total

    def run(self) -> None:
        """Everything that is new, from the sources to the segments, without Dagster."""
        for stage in (*self.ingests(), *self.derived()):
            self.drain(stage)

    def measure_latency(self) -> Latency:
        """How long the interactions took that are served since it was last measured; nothing while a stage is behind."""
        now = now_micros()
        with self.state.reading() as connection:
            if any(behind(connection, now).data.values()):
                return Latency()
        return measure(self.state, now)

    def rebuild(self) -> Rebuilt:
        """Build a new generation beside the live one, compare, switch, clear the old one away."""
        return rebuild(self.state, self.derived, self.drain)

    def train_candidate(self, seed: int | None = None) -> TrainedCandidate:
        """Train a model on all live records; it is a candidate until it is promoted."""
        return train_candidate(self.state, self.settings, seed)

    def promote_model(self, version: int) -> Promoted:
        """Build a generation with a model, compare, and switch generation and model at once."""
        return promote_model(self.state, self.settings, self.derived, self.drain, version)

    def roll_back_model(self) -> Promoted:
        """Promote the model that was in use before this one, the same way."""
        return self.promote_model(version_to_roll_back_to(self.state))


def contracts_of(settings: Settings, source: str) -> tuple[str, ...]:
    """The contracts that a source feeds, records first, as the stages run."""
    present = {feed.contract for feed in settings.sources[source].feeds.values()}
    return tuple(contract for contract in CONTRACT_ORDER if contract in present)


@contextmanager
def open_pipeline(
    settings: Settings,
    progress: Callable[[StageResult], None] | None = None,
    limit: int | None = None,
) -> Iterator[Pipeline]:
    """The pipeline with its state open, its tables made or brought up to date.

    Args:
        settings: The settings.
        progress: Called after every batch.
        limit: Envelopes in one batch.

    Raises:
        StateError: The state cannot be reached, or the key does not fit.
    """
    keys = open_keys(settings.state.key, settings.folder)
    with State.open(settings.state.url, keys.key) as state:
        migrate(state)
        remember_key(state, keys)
        state.history = open_history(settings, state, keys)
        yield Pipeline(settings, state, keys, progress, limit)
