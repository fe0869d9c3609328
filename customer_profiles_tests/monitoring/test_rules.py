"""What is wrong is told from one snapshot, and what cannot be known is left as it is."""

from __future__ import annotations

import pytest

from customer_profiles.monitoring.alarms.alarm import Finding, Key, Name, Severity
from customer_profiles.monitoring.alarms.rules import judge
from customer_profiles.monitoring.alarms.signs import Blind, Disk, Driver, Failing, Quarantined, Signs
from customer_profiles.settings.alarms import Alarms
from customer_profiles_tests.monitoring.alarms_made import NOW, SECOND, fresh, well

LIMITS = Alarms()
GB = 1_000_000_000


def ago(seconds: float) -> int:
    return NOW - int(seconds * SECOND)


def found(signs: Signs | Blind, *raised: Key) -> dict[Key, Finding]:
    return {one.key: one for one in judge(signs, LIMITS, 60, set(raised)).findings}


def test_when_all_is_well_nothing_is_found() -> None:
    assert found(well()) == {}


def test_half_the_sla_is_a_warning_and_the_whole_a_page() -> None:
    assert set(found(well(freshness=fresh(NOW, resolve=31)))) == {(Name.SLA_AT_RISK, "")}
    both = found(well(freshness=fresh(NOW, resolve=61)))
    assert {one.name: one.severity for one in both.values()} == {
        Name.SLA_AT_RISK: Severity.WARNING,
        Name.SLA_BROKEN: Severity.CRITICAL,
    }
    assert both[Name.SLA_BROKEN, ""].facts == {
        "how far behind": "61 s",
        "likely stage": "resolve",
        "waiting": "7",
    }


def test_since_when_is_the_moment_the_limit_was_passed_whoever_looks() -> None:
    first = found(well(freshness=fresh(NOW, resolve=61)))[Name.SLA_BROKEN, ""]
    later = found(well(at=NOW + 9 * SECOND, freshness=fresh(NOW + 9 * SECOND, resolve=70)))[
        Name.SLA_BROKEN, ""
    ]

    assert first.since == later.since == ago(1)


def test_an_alarm_that_is_open_stays_so_until_the_lag_is_well_below_its_limit() -> None:
    raised = ((Name.SLA_BROKEN, ""), (Name.SLA_AT_RISK, ""))
    assert set(found(well(freshness=fresh(NOW, resolve=40)), *raised)) == set(raised)
    assert set(found(well(freshness=fresh(NOW, resolve=20)), *raised)) == {(Name.SLA_AT_RISK, "")}
    assert found(well(freshness=fresh(NOW, resolve=10)), *raised) == {}


def test_a_source_or_stage_that_fails_for_a_while_is_told_with_its_own_words() -> None:
    failing = (
        Failing("crm", True, "There is no database file.", 5, ago(20)),
        Failing("resolve", False, "The bundle is not there.", 4, ago(16)),
        Failing("web", True, "It does not answer.", 1, ago(3)),
    )
    told = found(well(driver=Driver(NOW, NOW, failing)))

    assert set(told) == {(Name.SOURCE_FAILING, "crm"), (Name.STAGE_FAILING, "resolve")}
    assert told[Name.SOURCE_FAILING, "crm"].facts["reason"] == "There is no database file."


def test_when_nobody_tells_any_more_what_failed_before_is_neither_well_nor_wrong() -> None:
    judgement = judge(well(driver=Driver(ago(40), ago(40))), LIMITS, 60)

    assert [one.name for one in judgement.findings] == [Name.WORKER_SILENT]
    assert judgement.unknown == {Name.SOURCE_FAILING, Name.STAGE_FAILING}


def test_a_worker_whose_heart_beats_while_its_pass_does_not_end_hangs() -> None:
    told = found(well(driver=Driver(NOW, ago(130))))

    assert "hangs" in told[Name.WORKER_SILENT, ""].summary


def test_where_no_worker_drives_the_daemon_of_dagster_does() -> None:
    assert found(well(driver=Driver(ago(500)), daemon_beat_at=ago(5))) == {}


def test_a_daemon_that_was_never_heard_of_is_not_missed_and_one_that_fell_silent_is() -> None:
    assert found(well(daemon_beat_at=None)) == {}
    assert set(found(well(daemon_beat_at=ago(121)))) == {(Name.DAEMON_SILENT, "")}


@pytest.mark.parametrize(
    ("received", "quarantined", "raised"),
    [(1_000, 199, False), (1_000, 200, True), (40, 40, False), (0, 0, False)],
)
def test_a_flood_of_rows_that_break_their_contract_is_told_and_a_few_are_not(
    received: int, quarantined: int, raised: bool
) -> None:
    told = found(well(quarantined={"web": Quarantined(received, quarantined)}))

    assert ((Name.QUARANTINE_RATE, "web") in told) is raised


def test_a_ledger_that_does_not_add_up_is_a_page() -> None:
    told = found(well(wrong_batches=(17, 18)))

    assert told[Name.LEDGER_WRONG, ""].severity is Severity.CRITICAL
    assert told[Name.LEDGER_WRONG, ""].facts["batches"] == "17, 18"


def test_a_disk_with_little_room_is_a_page_and_must_get_some_more_before_it_is_over() -> None:
    assert found(well(disks=(Disk("/state", 2 * GB),))) == {}
    assert set(found(well(disks=(Disk("/state", GB),)))) == {(Name.DISK_LOW, "/state")}
    raised = (Name.DISK_LOW, "/state")
    assert set(found(well(disks=(Disk("/state", int(1.05 * 1.024 * GB)),)), raised)) == {raised}
    assert found(well(disks=(Disk("/state", int(1.2 * GB)),)), raised) == {}


def test_while_the_state_does_not_answer_only_that_and_the_disk_are_known() -> None:
    judgement = judge(Blind(NOW, ago(6), "It does not answer.", (Disk("/state", 1),)), LIMITS, 60)

    assert {one.name for one in judgement.findings} == {Name.STATE_UNREACHABLE, Name.DISK_LOW}
    assert judgement.unknown == set(Name) - {Name.STATE_UNREACHABLE, Name.DISK_LOW}
    assert judge(Blind(NOW, ago(2), "It restarts."), LIMITS, 60).findings == ()


def test_a_job_that_stays_failed_is_told() -> None:
    assert found(well(failed_runs={"refresh": ago(3)})) == {}
    assert set(found(well(failed_runs={"refresh": ago(31)}))) == {(Name.RUN_FAILED, "refresh")}


def test_a_page_names_a_failure_as_the_likely_cause_of_its_lag() -> None:
    failing = (Failing("resolve", False, "The bundle is not there.", 9, ago(70)),)
    told = found(well(freshness=fresh(NOW, resolve=61), driver=Driver(NOW, NOW, failing)))

    assert told[Name.SLA_BROKEN, ""].facts["likely stage"] == "resolve: The bundle is not there."
    dead = found(well(freshness=fresh(NOW, crm=61), driver=Driver(ago(61), ago(61))))
    assert dead[Name.SLA_BROKEN, ""].facts["likely stage"] == "nobody drives the pipeline"
