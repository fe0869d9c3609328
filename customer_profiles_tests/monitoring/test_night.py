"""A night by a clock, half a second a look: quiet sources, restarts, deployments, a nightly file. Nobody is woken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from customer_profiles.monitoring.alarms.alarm import Notice
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.rules import judge
from customer_profiles.monitoring.alarms.signs import Blind, Disk, Driver, Failing, Quarantined, Signs
from customer_profiles.monitoring.freshness import UPSTREAM, Freshness, derived_lag, reading_lag
from customer_profiles.settings.alarms import Alarms
from customer_profiles_tests.monitoring.alarms_made import NOW, SECOND

pytestmark = pytest.mark.slow

HOUR = 3_600.0
LOOKS = int(9 * HOUR * 2)
"""From ten in the evening until seven."""


@dataclass(frozen=True)
class Span:
    """Something that lasts from a second of the night to another one."""

    first: float
    last: float

    def holds(self, at: float) -> bool:
        return self.first <= at < self.last


@dataclass
class Night:
    """What happens when; seconds since it began."""

    no_worker: Sequence[Span] = ()
    no_daemon: Sequence[Span] = ()
    no_crm: Sequence[Span] = ()
    no_state: Sequence[Span] = ()
    busy: Sequence[Span] = ()
    poisoned: dict[int, float] = field(default_factory=dict)
    """The share of bad rows in each hour."""

    def signs(self) -> Iterator[Signs | Blind]:
        """What is seen, look by look. The worker reads the web twice a second, the CRM every five, as by default."""
        beat = passed = daemon = NOW
        read = {"web": NOW, "crm": NOW}
        caught_up = NOW
        failing_since: float | None = None
        blind_since: float | None = None
        for look in range(LOOKS):
            at = look / 2
            now = NOW + int(at * SECOND)
            works = not _any(self.no_worker, at) and not _any(self.no_state, at)
            busy = _any(self.busy, at)
            if works:
                beat, passed = now, now if not busy else passed
                if not busy:
                    read["web"] = caught_up = now
                if _any(self.no_crm, at):
                    failing_since = at if failing_since is None else failing_since
                elif at % 5 == 0 and not busy:
                    read["crm"], failing_since = now, None
            if not _any(self.no_daemon, at) and at % 5 == 0:
                daemon = now
            if _any(self.no_state, at):
                blind_since = at if blind_since is None else blind_since
                yield Blind(now, NOW + int(blind_since * SECOND), "The server restarts.")
                continue
            blind_since = None
            waiting = dict.fromkeys(UPSTREAM, 0) | ({"resolve": 9_000} if busy else {})
            lags = [
                *(reading_lag("ingest_record", source, now, moment, None) for source, moment in read.items()),
                *(derived_lag(stage, now, caught_up, waiting, None) for stage in UPSTREAM),
            ]
            failing = (
                ()
                if failing_since is None
                else (Failing("crm", True, "It is away.", 3, NOW + int(failing_since * SECOND)),)
            )
            share = self.poisoned.get(int(at // HOUR), 0.01)
            yield Signs(
                now,
                Freshness(now, tuple(lags)),
                Driver(beat, passed, failing if works else ()),
                daemon,
                {"web": Quarantined(3_000, int(3_000 * share))},
                (),
                (Disk("/state", 10**11),),
            )


def _any(spans: Sequence[Span], at: float) -> bool:
    return any(span.holds(at) for span in spans)


def pages(night: Night) -> list[Notice]:
    book = Book({"oncall": "warning"})
    limits = Alarms()
    told: list[Notice] = []
    for signs in night.signs():
        told += book.update(judge(signs, limits, 60, book.raised), signs.at)
    return told


def every(seconds: float, lasting: float, first: float = 600) -> list[Span]:
    return [
        Span(first + one * seconds, first + one * seconds + lasting) for one in range(int(9 * HOUR / seconds))
    ]


def test_a_quiet_night_with_restarts_and_deployments_wakes_nobody() -> None:
    night = Night(
        no_worker=[*every(HOUR, 9), *every(3 * HOUR, 25, first=1_800)],
        no_daemon=every(2 * HOUR, 40, first=900),
        no_crm=every(HOUR / 2, 12, first=300),
        no_state=every(4 * HOUR, 4, first=2_700),
        busy=every(2 * HOUR, 22, first=4_000),
    )

    assert pages(night) == []


@pytest.mark.parametrize(
    ("night", "alarms"),
    [
        (Night(no_worker=[Span(9_000, 9_200)]), {"worker_silent", "sla_at_risk", "sla_broken"}),
        (Night(no_crm=[Span(9_000, 9_200)]), {"source_failing", "sla_at_risk", "sla_broken"}),
        (Night(busy=[Span(9_000, 9_100)]), {"sla_at_risk", "sla_broken"}),
        (Night(no_daemon=[Span(9_000, 9_400)]), {"daemon_silent"}),
        (Night(no_state=[Span(9_000, 9_020)]), {"state_unreachable"}),
        (Night(poisoned={4: 0.5}), {"quarantine_rate"}),
    ],
)
def test_what_does_happen_in_a_night_wakes_somebody_once(night: Night, alarms: set[str]) -> None:
    told = pages(night)

    assert sorted((str(one.alarm.finding.name), str(one.event)) for one in told) == sorted(
        (name, event) for name in alarms for event in ("open", "resolve")
    )
    broken = [one for one in told if one.alarm.finding.name == "sla_broken"]
    for one in broken[:1]:
        assert one.alarm.opened_at - one.alarm.finding.since < 2 * SECOND
