"""The SLA in Dagster: a check on each mart, told by a sensor when its verdict changes and once a minute."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.receivers.build import SecretMissing, build_receivers
from customer_profiles.monitoring.alarms.receivers.receiver import Receiver
from customer_profiles.monitoring.freshness import Freshness, Verdict, verdict
from customer_profiles.orchestration.resources import PipelineResource, guarded
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.lease import LeaseWatch
from customer_profiles.pipeline.signs import daemon_lives
from customer_profiles.pipeline.watch import STALE_SECONDS, Watch
from customer_profiles.settings import Settings

LOG = logging.getLogger(__name__)

CHECK = "within_sla"
MARTS: Mapping[str, str] = {
    "interaction_buckets": "accumulate",
    "traits": "refresh_traits",
    "segments": "refresh_segments",
}
"""The assets that profiles are read from, and the stage that makes each."""
POLL_SECONDS = 3.5
"""How long a tick watches where nobody else does: a little less than the five seconds at which Dagster starts the next one, so
that a watch that waits for its turn has one."""
EVERY_MICROS = 60_000_000
"""So often a verdict is told that did not change."""
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=6))
"""A sign in the web UI that a mart was not written for long, which is well where nothing happens: the SLA is the check's."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the check says of one mart.

    Attributes:
        verdict: What the SLA says of it.
        seconds: How far it is behind.
        behind: The stage that holds it up, or the empty text while it is fresh.
        watermark: Everything received up to here is in it (micros), as far as is known.
    """

    verdict: Verdict
    seconds: float
    behind: str
    watermark: int | None

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """A warning from half the SLA on, an error at it."""
        broken = self.verdict is Verdict.BROKEN
        return dg.AssetCheckSeverity.ERROR if broken else dg.AssetCheckSeverity.WARN

    @property
    def metadata(self) -> dict[str, dg.MetadataValue]:
        """As Dagster shows it."""
        shown: dict[str, dg.MetadataValue] = {
            "lag in seconds": dg.MetadataValue.float(round(self.seconds, 3))
        }
        if self.behind:
            shown["likely stage"] = dg.MetadataValue.text(self.behind)
        if self.watermark is not None:
            shown["watermark"] = dg.MetadataValue.timestamp(self.watermark / 1_000_000)
        return shown


def told_of(found: Freshness, sla_seconds: float) -> dict[str, Told]:
    """What the check says of each mart."""
    told = {}
    for asset, stage in MARTS.items():
        own = found.upto(stage)
        said = verdict(own.seconds, sla_seconds)
        worst = own.worst if said is not Verdict.WITHIN else None
        told[asset] = Told(said, own.seconds, worst.name if worst else "", own.watermark)
    return told


def build_sla_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`within_sla` on each mart. No job holds them: the sensor tells them, and a person can ask for them in the web UI."""
    return [_within_sla(asset, settings.sla.seconds) for asset in MARTS]


def _within_sla(asset: str, sla_seconds: float) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name=CHECK,
        description=(
            f"Everything received is in within {sla_seconds:g} seconds: a warning at half of it, an error at it. "
            "A quiet source is not late; one that nobody reads is."
        ),
    )
    def within_sla(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            told = told_of(freshness(house.state, house.settings, now_micros()), sla_seconds)[asset]
        return dg.AssetCheckResult(
            passed=told.verdict is Verdict.WITHIN, severity=told.severity, metadata=told.metadata
        )

    return within_sla


def due(told: Mapping[str, Told], cursor: str | None, now: int) -> tuple[list[str], str]:
    """Which marts to tell of: whose verdict changed, and every one a minute after it was last told.

    Args:
        told: What there is to tell.
        cursor: What this function gave the last time.
        now: Micros.

    Returns:
        The assets, and the new cursor.
    """
    before: dict[str, list[int | str]] = json.loads(cursor) if cursor else {}
    wanted = []
    for asset, one in told.items():
        said, at = before.get(asset, ["", 0])
        if said != one.verdict or now - int(at) >= EVERY_MICROS:
            wanted.append(asset)
            before[asset] = [one.verdict.value, now]
    return wanted, json.dumps(before)


def build_sla_sensor(settings: Settings, poll_seconds: float = POLL_SECONDS) -> dg.SensorDefinition:
    """The sensor that tells the checks, shows that the daemon lives, and watches where nobody else does.

    Args:
        settings: The settings.
        poll_seconds: How long a tick watches.
    """
    desk: list[Desk] = []

    @dg.sensor(
        name="profiles_within_sla",
        # Dagster looks every five seconds which sensors are due: five here would leave out every other tick by a moment.
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells the check within_sla of each mart: when its verdict changes, and once a minute. Raises and resolves alarms "
            "where `customer-profiles watch` does not run."
        ),
    )
    def profiles_within_sla(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with guarded():
            if not desk:
                desk.append(Desk(settings))
            return desk[0].tick(context.cursor, poll_seconds)

    return profiles_within_sla


class Desk:
    """Where the sensor looks on from. It stays between ticks, in the process of the code server."""

    def __init__(self, settings: Settings) -> None:
        """Open the state.

        Args:
            settings: The settings.

        Raises:
            StateError: It cannot be reached, or the key does not fit.
        """
        self._settings = settings
        self._open = ExitStack()
        self._state = self._open.enter_context(open_pipeline(settings)).state
        self._others = LeaseWatch(STALE_SECONDS)
        self._watch = Watch(self._state, settings, self._receivers())

    def tick(self, cursor: str | None, poll_seconds: float) -> dg.SensorResult:
        """Watch for a while where nobody else does; then say what there is to tell.

        Args:
            cursor: What was told when.
            poll_seconds: How long to watch.
        """
        daemon_lives(self._state, now_micros())
        self._watch.stand_in(self._others, poll_seconds)
        now = now_micros()
        told = told_of(freshness(self._state, self._settings, now), self._settings.sla.seconds)
        wanted, cursor = due(told, cursor, now)
        return dg.SensorResult(
            asset_events=[
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(asset),
                    check_name=CHECK,
                    passed=told[asset].verdict is Verdict.WITHIN,
                    severity=told[asset].severity,
                    metadata=told[asset].metadata,
                )
                for asset in wanted
            ],
            cursor=cursor,
        )

    def close(self) -> None:
        """Let go of the receivers and the state."""
        self._watch.close()
        self._open.close()

    def _receivers(self) -> dict[str, Receiver]:
        try:
            return build_receivers(self._settings)
        except SecretMissing as error:
            # The checks are told all the same; what could not be delivered waits for a watch that has the secrets.
            LOG.warning("Nobody is told of alarms from here. %s", error)
            return {}
