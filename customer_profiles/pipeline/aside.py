"""A second process that looks for the stages whose looking and writing are apart, so that two processors work.

It opens the state to read only and never writes: what it finds is sent back, and this process writes it. Killed, nothing
is lost but its look, and the stage does the same in this process. It ends when this process does, however that ends.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from customer_profiles.encryption.opening import open_state
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.pipeline.stage import LookingStage
from customer_profiles.settings import Settings

LOOKED_FOR = frozenset({RefreshTraitsStage.name, RefreshSegmentsStage.name})
"""The stages that it looks for: those that come last, and take longest to look."""
LOOK_SECONDS = 60.0
"""The longest a look may take; one that takes longer hangs."""


class AsideFailed(Exception):
    """The other process is gone or hangs, or its look failed: the stage is to do it here, and says what is wrong if something is."""


class Aside:
    """The other process. Not safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Start it; it is ready a moment later, and takes questions before that."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_look_aside, args=(settings, theirs), name="aside", daemon=True
        )
        self._process.start()
        theirs.close()  # theirs alone: then the pipe tells when one of the two is gone
        self.asked = ""
        """The stage whose look is under way; empty when none is."""

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid or 0

    @property
    def ready(self) -> bool:
        """Whether an answer, or the end of the other process, is there to be taken."""
        return self._pipe.poll()

    def ask(self, stage: str, limit: int) -> None:
        """Let it look for a stage; one look at a time.

        Raises:
            AsideFailed: it is gone.
        """
        try:
            self._pipe.send((stage, limit))
        except OSError:
            raise AsideFailed from None
        self.asked = stage

    def answer(self, patience: float = LOOK_SECONDS) -> Any:
        """What the look under way found; waits for it.

        Args:
            patience: How many seconds.

        Raises:
            AsideFailed: it is gone or hangs, or the look failed.
        """
        self.asked = ""
        try:
            if not self._pipe.poll(patience):
                raise AsideFailed
            done, found = self._pipe.recv()
        except (EOFError, OSError):
            raise AsideFailed from None
        if not done:
            raise AsideFailed
        return found

    def close(self) -> None:
        """End it; a look under way is thrown away, for it only reads."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _look_aside(settings: Settings, pipe: Connection) -> None:
    """The other process: look when asked, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which ends this when it is done
    with suppress(EOFError, OSError, CustomerProfilesError), open_state(settings) as (state, keys):
        stages: Mapping[str, LookingStage] = {
            RefreshTraitsStage.name: RefreshTraitsStage(state, settings, keys.key(CUSTOMER_ID_KEY)),
            RefreshSegmentsStage.name: RefreshSegmentsStage(state, settings),
        }
        while True:
            name, limit = pipe.recv()
            try:
                answer = (True, stages[name].look(limit))
            except Exception:
                # The stage does the same in the worker, which says what is wrong where somebody hears it.
                answer = (False, None)
            pipe.send(answer)
