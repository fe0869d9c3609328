"""A second process that drains stages of a long load ahead of the run, so that two processors work.

It takes, from the last source to the first, what the run has not come to yet, counts interactions while the run goes on to
find out who is who, and puts customers into segments while the run still folds the traits of others. No stage is in both
processes at once, and each batch is one transaction wherever it runs: killed at any moment, nothing is lost, and the run does
itself what is left. It ends when the run does, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.stage import LookingStage, Stage
from customer_profiles.settings import Settings
from customer_profiles.state.errors import StateBusyError

LONG = 100_000
"""A run that took in so many envelopes and is not through is long: another process costs seconds to start."""
VERY_LONG = 2_000_000
"""After so many the other process is worth starting once more for segments: those of fewer are made in the time that takes."""
PATIENCE_SECONDS = 300.0
"""A batch that takes longer ahead, while the run waits for it, hangs."""


@contextmanager
def with_a_second_process(house: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, with a second process that drains stages ahead of it when there is much to take in.

    Without one where `streaming.second_process` says so, and where there is no second processor.
    """
    may_have_children = not multiprocessing.current_process().daemon
    if not house.settings.streaming.second_process or not may_have_children or (os.cpu_count() or 1) < 2:
        yield house
        return
    ahead = Ahead(house)
    try:
        yield replace(house, ahead=ahead)
    finally:
        ahead.close()


class Whose(Enum):
    """Who has a stage."""

    NOBODY = "nobody"
    RUN = "run"
    AHEAD = "ahead"
    DONE = "done"
    """It was drained ahead."""


@dataclass(eq=False, slots=True)
class _Share:
    """A stage that either process can drain."""

    stage: str
    source: str
    whose: Whose = Whose.NOBODY
    through: bool = False
    """Whether either process drained it."""
    received: int = 0
    """How much either took in of it."""
    results: list[StageResult] = field(default_factory=list)
    """What was done of it ahead."""
    follows: Sequence[_Share] = ()
    """The stages that it can be drained after again and again, while they get on."""
    after: Sequence[_Share] = ()
    """The stages that must be through before."""
    followed: int = 0
    """How much those that it follows had taken in when it was drained ahead last."""

    @classmethod
    def of(cls, stage: Stage, follows: Sequence[_Share] = (), after: Sequence[_Share] = ()) -> _Share:
        """Of a stage."""
        return cls(stage.name, stage.source, follows=follows, after=after)

    @property
    def has_work(self) -> bool:
        """Whether there may be something for it to do."""
        ready = all(one.through for one in self.after)
        return ready and (self.is_last or sum(one.received for one in self.follows) > self.followed)

    @property
    def is_last(self) -> bool:
        """Whether nothing can come after what there is for it to do."""
        return all(one.through for one in self.follows)


class Ahead:
    """The second process, and who has which stage. What is public is for one thread, the run's."""

    def __init__(self, house: Pipeline) -> None:
        """Bind it; the process is started when the run turns out to be long."""
        self._house = house
        self._ingests = [_Share.of(stage) for stage in house.ingests()]
        accumulate = _Share.of(house.accumulate(), self._ingests)
        traits = _Share.of(house.refresh_traits())
        self._segments = _Share.of(house.refresh_segments(), [traits], [accumulate])
        self._followers = [accumulate, self._segments]
        self._shares = [*self._ingests, accumulate, traits, self._segments]
        self._untold: list[StageResult] = []
        self._over = False
        self._rests = False
        self._changed = threading.Condition()
        self._process: BaseProcess | None = None
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The ID of the other process; None before it is started."""
        return self._process.pid if self._process is not None else None

    def take(self, stage: Stage) -> tuple[list[StageResult], bool]:
        """Have a stage for the run; waits for what is under way of it ahead.

        Returns:
            What was done of it ahead, and whether that was all.
        """
        share = self._share_of(stage)
        if share is None:
            return [], False
        while True:
            with self._changed:
                gets_on = self._changed.wait_for(
                    lambda: share.whose is not Whose.AHEAD or self._untold, PATIENCE_SECONDS
                )
                whose = share.whose
                if whose is not Whose.AHEAD:
                    share.whose = Whose.RUN
            self._tell()
            if not gets_on and self._process is not None:
                self._process.kill()
            if whose is not Whose.AHEAD:
                results, share.results = share.results, []
                return results, whose is Whose.DONE

    def note(self, stage: Stage, result: StageResult) -> None:
        """Take in what the run did of a stage."""
        share = self._share_of(stage)
        with self._changed:
            if share is not None:
                share.received += result.received
                share.through = share.through or not result.more
            self._changed.notify_all()
        if result.more:
            self._start()
        self._tell()

    def close(self) -> None:
        """End the other process; what is under way there was not committed, and comes again."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._end()

    def _end(self) -> None:
        if self._process is not None and self._thread is not None:
            self._process.kill()
            self._process.join()
            self._thread.join()
            self._process = self._thread = None

    def _share_of(self, stage: Stage) -> _Share | None:
        for share in self._shares:
            if (share.stage, share.source) == (stage.name, stage.source):
                return share
        return None

    def _tell(self) -> None:
        with self._changed:
            untold, self._untold = self._untold, []
        for result in untold:
            if self._house.progress is not None:
                self._house.progress(result)

    def _start(self) -> None:
        """Start the other process where it is worth it, and again when it rests and there is something for it."""
        received = sum(one.received for one in self._ingests)
        with self._changed:
            again = self._rests and received >= VERY_LONG and self._choice() is not None
        if again:
            self._end()
            self._rests = False
        if self._process is not None or received < LONG:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_drain_ahead,
            args=(self._house.settings, self._house.limit, theirs),
            name="ahead",
            daemon=True,
        )
        with suppress(OSError):  # without another process the run does it all
            process.start()
            theirs.close()  # theirs alone: then the pipe tells when one of the two is gone
            self._process = process
            self._thread = threading.Thread(target=self._serve, args=(ours,), name="ahead", daemon=True)
            self._thread.start()

    # In the thread that speaks with the other process.

    def _serve(self, pipe: Connection) -> None:
        """Give the other process one stage after the other, until none is left or it is gone."""
        share: _Share | None = None
        with suppress(EOFError, OSError), pipe:
            while (share := self._next()) is not None:
                with self._changed:
                    last = share.is_last
                pipe.send((share.stage, share.source))
                while isinstance(answer := pipe.recv(), StageResult):
                    self._did(share, answer)
                self._left(share, Whose.DONE if answer and last else Whose.NOBODY)
                if not answer:
                    return
        if share is not None:
            self._left(share, Whose.NOBODY)

    def _next(self) -> _Share | None:
        """The stage to be drained ahead next; waits for one. None when there will be none."""
        with self._changed:
            while not self._over:
                found = self._choice()
                if found is not None:
                    found.whose = Whose.AHEAD
                    found.followed = sum(one.received for one in found.follows)
                    return found
                if self._segments.whose in (Whose.RUN, Whose.DONE):
                    return None
                if self._waits_for_traits():
                    self._rests = True
                    return None
                self._changed.wait()
        return None

    def _waits_for_traits(self) -> bool:
        """Whether there is nothing until the run folds traits: it finds out who is who before, and that takes memory."""
        before, follows = self._segments.after, self._segments.follows
        return all(one.through for one in before) and not any(one.received for one in follows)

    def _choice(self) -> _Share | None:
        """A source's first stage that nobody has, from the last source on; then what follows stages that got on.

        To be called with the lock.
        """
        waiting: dict[str, _Share] = {}
        for share in self._ingests:
            if not share.through:
                waiting.setdefault(share.source, share)
        for share in reversed(waiting.values()):
            if share.whose is Whose.NOBODY:
                return share
        for share in self._followers:
            if share.whose is Whose.NOBODY and share.has_work:
                return share
        return None

    def _did(self, share: _Share, result: StageResult) -> None:
        with self._changed:
            share.results.append(result)
            self._untold.append(result)
            share.received += result.received
            self._changed.notify_all()

    def _left(self, share: _Share, whose: Whose) -> None:
        with self._changed:
            share.whose = whose
            share.through = whose is Whose.DONE
            self._changed.notify_all()


def _drain_ahead(settings: Settings, limit: int | None, pipe: Connection) -> None:
    """The other process: drain what it is told to, telling each batch and then whether that was all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends this when it is done
    with (
        suppress(EOFError, OSError, CustomerProfilesError),
        open_pipeline(settings, pipe.send, limit) as house,
    ):
        all_stages = (*house.ingests(), house.accumulate(), house.refresh_segments())
        stages = {(stage.name, stage.source): _in_halves(stage) for stage in all_stages}
        while True:
            pipe.send(_drained(house, stages[pipe.recv()]))


class _Halves:
    """A stage that locks the run out only while it writes."""

    def __init__(self, stage: LookingStage) -> None:
        self._stage = stage
        self.name, self.source = stage.name, stage.source

    def advance(self, limit: int) -> StageResult:
        return self._stage.write(self._stage.look(limit))


def _in_halves(stage: Stage) -> Stage:
    return _Halves(stage) if isinstance(stage, LookingStage) else stage


def _drained(house: Pipeline, stage: Stage) -> bool:
    while True:
        try:
            house.drain(stage)
        except StateBusyError:
            continue  # the run writes a whole graph in one transaction
        except Exception:
            # The run does the same, and says what is wrong where somebody hears it.
            return False
        return True
