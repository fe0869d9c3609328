"""What is wrong, decided from one snapshot. Pure: the same signs give the same findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from customer_profiles.monitoring.alarms.alarm import Finding, Key, Name, Severity
from customer_profiles.monitoring.alarms.signs import Blind, Disk, Signs
from customer_profiles.settings.alarms import Alarms

MICROS = 1_000_000
BLIND_SECONDS = 5.0
"""So long the state may not answer: a server that restarts is no alarm."""
_OF_BLINDNESS = {Name.STATE_UNREACHABLE, Name.DISK_LOW}
"""What can be told while the state does not answer."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a snapshot says.

    Attributes:
        findings: What is wrong.
        unknown: Alarms of which it says nothing: they stay as they are.
    """

    findings: tuple[Finding, ...]
    unknown: frozenset[Name] = frozenset()


def judge(
    signs: Signs | Blind, limits: Alarms, sla_seconds: float, raised: Collection[Key] = frozenset()
) -> Judgement:
    """What is wrong.

    Args:
        signs: What was seen.
        limits: From where on something is wrong.
        sla_seconds: The SLA.
        raised: Alarms that are open: what is measured must be well below its limit before they are over.
    """
    if isinstance(signs, Blind):
        return Judgement(
            (*_unreachable(signs), *_disks(signs.disks, signs.at, limits, raised)),
            frozenset(set(Name) - _OF_BLINDNESS),
        )
    findings = tuple(
        finding
        for rule in (_sla, _worker, _failing, _quarantine, _ledger, _daemon, _full_disks, _runs)
        for finding in rule(signs, limits, sla_seconds, raised)
    )
    unknown = set()
    if _silent_seconds(signs) > limits.worker_seconds:
        # Nobody tells any more: what did not get on then may do so again, or not.
        unknown = {Name.SOURCE_FAILING, Name.STAGE_FAILING} - {finding.name for finding in findings}
    return Judgement(findings, frozenset(unknown))


def likely_cause(signs: Signs, limits: Alarms) -> str:
    """What most likely holds the profiles up, in words."""
    if _silent_seconds(signs) > limits.worker_seconds / 2:
        return "nobody drives the pipeline"
    worst = signs.freshness.worst
    for failing in signs.driver.failing:
        if worst is None or failing.of in (worst.source, worst.stage):
            return f"{failing.of}: {failing.reason}"
    return "" if worst is None else worst.name


def in_words(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


Rule = Callable[[Signs, Alarms, float, Collection[Key]], Iterator[Finding]]


def _sla(signs: Signs, limits: Alarms, sla_seconds: float, raised: Collection[Key]) -> Iterator[Finding]:
    lag = signs.freshness.seconds
    for name, severity, limit, said in (
        (Name.SLA_AT_RISK, Severity.WARNING, sla_seconds / 2, "half of what the SLA allows"),
        (Name.SLA_BROKEN, Severity.CRITICAL, sla_seconds, "more than the SLA allows"),
    ):
        if lag >= (limit / 2 if (name, "") in raised else limit):
            facts = {"how far behind": in_words(lag), "likely stage": likely_cause(signs, limits)}
            worst = signs.freshness.worst
            if worst is not None and worst.waiting:
                facts["waiting"] = f"{worst.waiting:,}"
            summary = f"Profiles are {in_words(lag)} behind, {said} ({in_words(sla_seconds)})."
            # When the limit was passed, whoever looks and whenever: a restart finds the same moment.
            since = signs.at - int((lag - min(lag, limit)) * MICROS)
            yield Finding(name, "", severity, since, summary, facts)


def _worker(signs: Signs, limits: Alarms, _sla: float, _raised: Collection[Key]) -> Iterator[Finding]:
    silent = _silent_seconds(signs)
    passed_at = signs.driver.passed_at
    hung = 0.0 if passed_at is None else (signs.at - passed_at) / MICROS
    if silent > limits.worker_seconds:
        summary, since = f"Nobody has driven the pipeline for {in_words(silent)}.", signs.driver.beat_at
    elif hung > limits.pass_seconds:
        summary = f"The worker lives, but its pass has not ended for {in_words(hung)}: it hangs."
        since = signs.at - int(hung * MICROS)
    else:
        return
    facts = {"how far behind": in_words(signs.freshness.seconds), "likely stage": likely_cause(signs, limits)}
    yield Finding(Name.WORKER_SILENT, "", Severity.WARNING, since, summary, facts)


def _failing(signs: Signs, limits: Alarms, _sla: float, raised: Collection[Key]) -> Iterator[Finding]:
    for failing in signs.driver.failing:
        name = Name.SOURCE_FAILING if failing.source else Name.STAGE_FAILING
        seconds = (signs.at - failing.since) / MICROS
        if seconds >= limits.failing_seconds or (name, failing.of) in raised:
            what = "source" if failing.source else "stage"
            facts = {
                "reason": failing.reason,
                "attempts": f"{failing.times:,}",
                "how far behind": in_words(signs.freshness.seconds),
                "likely stage": failing.of,
            }
            summary = f"The {what} {failing.of} does not get on."
            yield Finding(name, failing.of, Severity.WARNING, failing.since, summary, facts)


def _quarantine(signs: Signs, limits: Alarms, _sla: float, raised: Collection[Key]) -> Iterator[Finding]:
    for source, of in signs.quarantined.items():
        share = of.quarantined / of.received if of.received else 0.0
        open_ = (Name.QUARANTINE_RATE, source) in raised
        if of.quarantined >= limits.quarantine_least and share >= limits.quarantine_share / (
            2 if open_ else 1
        ):
            summary = f"{share:.0%} of what {source} sent in the last {limits.quarantine_minutes:g} minutes broke its contract."
            facts = {
                "quarantined": f"{of.quarantined:,} of {of.received:,}",
                "how far behind": in_words(signs.freshness.seconds),
                "likely stage": f"the source {source} has changed, or its mapping",
            }
            yield Finding(Name.QUARANTINE_RATE, source, Severity.WARNING, signs.at, summary, facts)


def _ledger(signs: Signs, _limits: Alarms, _sla: float, _raised: Collection[Key]) -> Iterator[Finding]:
    if signs.wrong_batches:
        first = ", ".join(map(str, signs.wrong_batches[:10]))
        summary = f"The ledger does not add up: {len(signs.wrong_batches):,} batches do not account for what they received."
        facts = {"batches": first, "how far behind": in_words(signs.freshness.seconds)}
        yield Finding(Name.LEDGER_WRONG, "", Severity.CRITICAL, signs.at, summary, facts)


def _daemon(signs: Signs, limits: Alarms, _sla: float, _raised: Collection[Key]) -> Iterator[Finding]:
    if signs.daemon_beat_at is None:
        return
    silent = (signs.at - signs.daemon_beat_at) / MICROS
    if silent > limits.daemon_seconds:
        summary = (
            f"Dagster's daemon has not been heard of for {in_words(silent)}: no schedule and no sensor runs."
        )
        facts = {"how far behind": in_words(signs.freshness.seconds)}
        yield Finding(Name.DAEMON_SILENT, "", Severity.WARNING, signs.daemon_beat_at, summary, facts)


def _full_disks(signs: Signs, limits: Alarms, _sla: float, raised: Collection[Key]) -> Iterator[Finding]:
    yield from _disks(signs.disks, signs.at, limits, raised)


def _disks(disks: Collection[Disk], at: int, limits: Alarms, raised: Collection[Key]) -> Iterator[Finding]:
    for disk in disks:
        needed = limits.disk_free_mb * (1.1 if (Name.DISK_LOW, disk.place) in raised else 1) * 1_000_000
        if disk.free < needed:
            summary = f"Only {disk.free / 1_000_000:,.0f} MB are free in {disk.place}."
            facts = {
                "needed": f"{limits.disk_free_mb:,} MB",
                "likely stage": "every stage, once nothing is left",
            }
            yield Finding(Name.DISK_LOW, disk.place, Severity.CRITICAL, at, summary, facts)


def _runs(signs: Signs, limits: Alarms, _sla: float, _raised: Collection[Key]) -> Iterator[Finding]:
    for job, since in signs.failed_runs.items():
        if (signs.at - since) / MICROS < limits.run_seconds:
            continue
        facts = {
            "how far behind": in_words(signs.freshness.seconds),
            "likely stage": likely_cause(signs, limits),
        }
        summary = f"The last run of the Dagster job {job} failed."
        yield Finding(Name.RUN_FAILED, job, Severity.WARNING, since, summary, facts)


def _unreachable(blind: Blind) -> Iterator[Finding]:
    if (blind.at - blind.since) / MICROS >= BLIND_SECONDS:
        facts = {
            "reason": blind.reason,
            "how far behind": f"at least {in_words((blind.at - blind.since) / MICROS)}",
        }
        yield Finding(
            Name.STATE_UNREACHABLE, "", Severity.CRITICAL, blind.since, "The state cannot be read.", facts
        )


def _silent_seconds(signs: Signs) -> float:
    beats = [signs.driver.beat_at, signs.daemon_beat_at or 0]  # where no worker drives, Dagster's sensor does
    return (signs.at - max(beats)) / MICROS
