"""The checks on the assets: what a floor found, told to Dagster. The rules are the floors' own."""

import dagster as dg

from customer_profiles.cleaning.seal import SealStage
from customer_profiles.identity.checks import TruthError
from customer_profiles.identity.stewardship.labels import ReviewedPrecision
from customer_profiles.orchestration.assets import history
from customer_profiles.orchestration.assets.cleaned import cleaned_keys
from customer_profiles.orchestration.assets.derived import STAGE_OF
from customer_profiles.orchestration.report import table
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.pipeline import overview
from customer_profiles.settings import Settings

_ERROR = dg.AssetCheckSeverity.ERROR
_WARN = dg.AssetCheckSeverity.WARN
LEAST_LABELS = 50
"""Fewer decisions on the sample leave the precision open by a tenth or more."""
LEAST_PRECISION = 0.97


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Every check of the project."""
    return [
        *[
            _ledger_adds_up(key, f"ingest_{contract}", source)
            for key in cleaned_keys(settings, "record", "interaction", "consent")
            for source, contract in [_source_and_contract(key)]
        ],
        *[_ledger_adds_up(dg.AssetKey(asset), stage) for asset, stage in STAGE_OF.items()],
        _ledger_adds_up(dg.AssetKey(history.NAME), SealStage.name),
        *[_quarantine_share(key) for key in cleaned_keys(settings, "record", "interaction", "consent")],
        _cluster_sizes(),
        _hubs(),
        _singletons(),
        _regions(),
        _reviewed_precision(),
        _history_is_whole(),
        *([_accuracy()] if settings.identity.truth else []),
    ]


def _source_and_contract(key: dg.AssetKey) -> tuple[str, str]:
    source, plural = key.path[-1].rsplit("_", 1)
    return source, {"records": "record", "interactions": "interaction"}.get(plural, plural)


def _ledger_adds_up(key: dg.AssetKey, stage: str, source: str | None = None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key,
        name="ledger_adds_up",
        description="received = applied + unchanged + duplicate + quarantined + suppressed + declined, in every batch.",
    )
    def ledger_adds_up(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            account = overview.account(house.state, stage, source)
        return dg.AssetCheckResult(
            passed=account.adds_up,
            severity=_ERROR,
            metadata={"batches": account.batches, "batches that do not add up": len(account.wrong_batches)},
        )

    return ledger_adds_up


def _quarantine_share(key: dg.AssetKey) -> dg.AssetChecksDefinition:
    source, contract = _source_and_contract(key)

    @dg.asset_check(
        asset=key,
        name="quarantine_share",
        description="At most 5 % of what was received broke the contract; more looks like a source that changed.",
    )
    def quarantine_share(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            account = overview.account(house.state, f"ingest_{contract}", source)
        totals = account.totals
        share = totals["quarantined"] / totals["received"] if totals["received"] else 0.0
        return dg.AssetCheckResult(
            passed=share <= 0.05,
            severity=_WARN,
            metadata={"share": share, "quarantined": totals["quarantined"]},
        )

    return quarantine_share


def _cluster_sizes() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="cluster_sizes",
        description="No customer holds more records than the alarm in the settings.",
    )
    def cluster_sizes(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            shape = overview.cluster_shape(house.state)
            alarm = house.settings.identity.largest_cluster_alarm
        return dg.AssetCheckResult(
            passed=shape.largest <= alarm,
            severity=_WARN,
            metadata={
                "largest": shape.largest,
                "alarm": alarm,
                "customers": shape.customers,
                "share of inner pairs with an edge": shape.density,
            },
        )

    return cluster_sizes


def _singletons() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="singletons",
        description="Not more than 90 % of customers have one record only; more means that hardly anything is linked.",
    )
    def singletons(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            shape = overview.cluster_shape(house.state)
        return dg.AssetCheckResult(
            passed=shape.singleton_share <= 0.9, severity=_WARN, metadata={"share": shape.singleton_share}
        )

    return singletons


def _regions() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="region_sizes",
        description="No batch had more records clustered again than the alarm in the settings; of late batches only.",
    )
    def region_sizes(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            largest = overview.largest_region(house.state)
            alarm = house.settings.identity.region_alarm
        return dg.AssetCheckResult(
            passed=largest <= alarm, severity=_WARN, metadata={"largest": largest, "alarm": alarm}
        )

    return region_sizes


def _hubs() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="hubs",
        description="Identifier values held by more records than their cap link nobody; not more than 1 % of values.",
    )
    def hubs(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            kinds = overview.hub_shares(house.state, house.settings)
        worst = max((kind.share for kind in kinds), default=0.0)
        return dg.AssetCheckResult(
            passed=worst <= 0.01,
            severity=_WARN,
            metadata={
                "hubs by kind": table(
                    ("kind", "values", "hubs", "most holders"),
                    [(kind.kind, kind.values, kind.hubs, kind.most_holders) for kind in kinds],
                )
            },
        )

    return hubs


def _history_is_whole() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=history.NAME,
        name="history_is_whole",
        description="Every segment that the manifest names is there, of the size that was written.",
    )
    def history_is_whole(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            status = house.history_status()
        return dg.AssetCheckResult(
            passed=status.well,
            severity=_ERROR,
            description=" ".join(status.problems[:3]) or None,
            metadata={"segments": status.segments, "segments with a problem": len(status.problems)},
        )

    return history_is_whole


def _reviewed_precision() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="reviewed_precision",
        description=(
            f"Of the random sample of accepted matches, stewards found at least {LEAST_PRECISION:.0%} right, and they "
            f"decided on at least {LEAST_LABELS}."
        ),
    )
    def reviewed_precision(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            found = overview.reviewed_precision(house.state, house.settings)
        metadata: dict[str, dg.MetadataValue] = {
            "matches decided": dg.MetadataValue.int(found.decided),
            "of them right": dg.MetadataValue.int(found.right),
        }
        if found.precision is not None:
            metadata |= {
                "precision": dg.MetadataValue.float(found.precision),
                "lower end (95 %)": dg.MetadataValue.float(found.low),
                "upper end (95 %)": dg.MetadataValue.float(found.high),
            }
        passed, said = judged_precision(found)
        return dg.AssetCheckResult(passed=passed, severity=_WARN, description=said, metadata=metadata)

    return reviewed_precision


def judged_precision(found: ReviewedPrecision) -> tuple[bool, str]:
    """Whether the precision that stewards found will do, and what is to be said of it."""
    if found.precision is None or found.decided < LEAST_LABELS:
        return False, (
            f"Stewards decided on {found.decided} matches of the sample, {LEAST_LABELS} are needed to tell: "
            "`customer-profiles identity review --kind sample` shows what to look at."
        )
    said = (
        f"{found.precision:.1%} of {found.decided} matches are right ({found.low:.1%} to {found.high:.1%})."
    )
    return found.precision >= LEAST_PRECISION, said


def _accuracy() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="identity_graph",
        name="accuracy",
        description="Pairs of records against the known truth: precision at least .97, recall at least .90.",
    )
    def accuracy(pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.opened() as house:
            try:
                found = overview.accuracy(house.state, house.settings)
            except TruthError as error:
                return dg.AssetCheckResult(passed=False, severity=_WARN, description=str(error))
        if found is None:
            return dg.AssetCheckResult(passed=True, severity=_WARN, metadata={"records with truth": 0})
        return dg.AssetCheckResult(
            passed=found.precision >= 0.97 and found.recall >= 0.90,
            severity=_WARN,
            metadata={"precision": found.precision, "recall": found.recall, "F1": found.f1},
        )

    return accuracy
