"""The report on a model as metadata of an asset: tables, a picture and figures; no value of a person is in it."""

from __future__ import annotations

import dagster as dg

from customer_profiles.identity.model.drift import stability_in_words
from customer_profiles.identity.model.report import ModelReport
from customer_profiles.orchestration.plots import bars
from customer_profiles.orchestration.report import table

_SHIFTS = 10


def model_metadata(report: ModelReport) -> dict[str, dg.MetadataValue]:
    """What a report says.

    Args:
        report: What `model_report` found.
    """
    metadata: dict[str, dg.MetadataValue] = {
        "match weights": bars(
            "Weight of evidence by comparison and level, in bits",
            [(f"{one.comparison}: {one.level}", one.weight) for one in report.levels],
        ),
        "m and u": table(
            ("comparison", "level", "m", "u", "bits"),
            [(one.comparison, one.level, one.m, one.u, round(one.weight, 3)) for one in report.levels],
        ),
        "how common values are": table(
            ("field", "repeated values", "share of the most common", "share of a rare one"),
            [(one.field, one.repeated, max(one.commonest, default=0.0), one.rarest) for one in report.common],
        ),
    }
    if report.measured is not None:
        metadata["records it cannot link"] = dg.MetadataValue.int(report.measured.unlinkables.unlinkable)
        metadata["share it cannot link"] = dg.MetadataValue.float(report.measured.unlinkables.share)
        if report.measured.truth is not None:
            pairs = report.measured.truth.pairs
            metadata |= {
                "precision": dg.MetadataValue.float(pairs.precision),
                "recall": dg.MetadataValue.float(pairs.recall),
                "F1": dg.MetadataValue.float(pairs.f1),
            }
    if report.drift is not None:
        metadata["against"] = dg.MetadataValue.text(
            f"model {report.drift.against}" if report.drift.against else "the priors"
        )
        metadata["largest shifts"] = table(
            ("comparison", "level", "bits", "before", "m shift", "u shift"),
            [
                (
                    one.comparison,
                    one.level,
                    round(one.weight, 3),
                    round(one.weight_before, 3),
                    round(one.m_shift, 3),
                    round(one.u_shift, 3),
                )
                for one in report.drift.shifts[:_SHIFTS]
            ],
        )
        if report.drift.stability is not None:
            said = f"{report.drift.stability:.4f}: {stability_in_words(report.drift.stability)}"
            metadata["population stability of scores"] = dg.MetadataValue.text(said)
    return metadata
