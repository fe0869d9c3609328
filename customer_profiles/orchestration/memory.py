"""What the sensor remembers from tick to tick, and what follows from what it sees. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from customer_profiles.pipeline.lookout import Seen
from customer_profiles.state.schema import from_json, to_json

STAGES = "stages"
"""Stands for the stages after ingest where sources are named."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The sensor's cursor.

    Attributes:
        done: The mark up to which each source was taken in.
        asked: The marks that the last run was started for, until it has ended.
        behind: How far the stages were behind when it was started.
        run_key: Of that run, until it has ended.
        runs: How many runs were started.
        failures: Runs in a row that could not take in a source, by source; and `STAGES`.
    """

    done: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    run_key: str = ""
    runs: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> Memory:
        """From a cursor; one that is none, or of another version of this sensor, begins anew."""
        try:
            return cls(**from_json(cursor)) if cursor else cls()
        except (TypeError, ValueError):
            return cls()

    def text(self) -> str:
        """As a cursor. Marks are digests and numbers: no value of a person is in it."""
        return to_json(asdict(self))

    def wants(self, seen: Seen, held: Collection[str]) -> tuple[str, ...] | None:
        """The sources that a run is to take in; none of them when only the stages have something to do.

        Args:
            seen: What there is.
            held: Sources that are left alone for a while, for they failed; `STAGES` holds everything.

        Returns:
            None when there is nothing to start a run for.
        """
        if self.run_key or STAGES in held:
            return None
        new = tuple(
            source
            for source, mark in seen.marks.items()
            if mark != self.done.get(source) and source not in held
        )
        return new if new or any(seen.behind.values()) else None

    def with_run(self, run_key: str, sources: Collection[str], seen: Seen) -> Memory:
        """After a run was started."""
        return replace(
            self,
            asked={source: seen.marks[source] for source in sources},
            behind=seen.behind,
            run_key=run_key,
            runs=self.runs + 1,
        )

    def with_end(self, succeeded: Collection[str], failed: Collection[str], seen: Seen) -> Memory:
        """After that run has ended.

        Args:
            succeeded: The sources that it took in.
            failed: Those that it could not, and `STAGES` when these did not end well.
            seen: What there is afterwards.
        """
        done = {**self.done, **{source: self.asked[source] for source in succeeded if source in self.asked}}
        if not failed and any(seen.behind.values()) and seen.behind == self.behind:
            failed = (STAGES,)  # it changed nothing, nor would the next one
        failures = {name: times for name, times in self.failures.items() if name not in (*self.asked, STAGES)}
        failures |= {name: self.failures.get(name, 0) + 1 for name in failed}
        return replace(self, done=done, asked={}, run_key="", failures=failures)
