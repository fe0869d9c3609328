"""The report on a model as one page of HTML that needs nothing else: tables, and the weights as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from customer_profiles.identity.model.drift import Level, stability_in_words
from customer_profiles.identity.model.report import BINS, Measured, ModelReport
from customer_profiles.identity.page import AGAINST, FOR, heading, page, paragraph, table

_LABELS, _BARS, _LINE = 420, 400, 20


def report_page(report: ModelReport) -> str:
    """The page.

    Args:
        report: What `model_report` found; it holds no value of a person, and so the page holds none.
    """
    name = f"Model {report.version}" if report.version else "The priors of the package"
    parts = [
        paragraph(f"{report.status}, {report.origin}, for Splink {report.splink_version}."),
        heading("Match weights"),
        weights_chart(report.levels),
        table(
            ("comparison", "level", "m", "u", "bits"),
            [(one.comparison, one.level, one.m, one.u, one.weight) for one in report.levels],
        ),
        heading("How common values are"),
        table(
            ("field", "repeated values", "shares of the most common", "share of a rare one"),
            [
                (one.field, one.repeated, ", ".join(f"{share:.4f}" for share in one.commonest), one.rarest)
                for one in report.common
            ],
        ),
        *(_measured(report.measured) if report.measured else ()),
        *_drift(report),
    ]
    return page(name, parts)


def weights_chart(levels: Sequence[Level]) -> str:
    """The weight of every level as a picture: to the right what speaks for one person, to the left what speaks against.

    Args:
        levels: Comparison by comparison.

    Returns:
        An SVG element.
    """
    weights = [one.weight for one in levels]
    lowest, highest = min([0.0, *weights]), max([0.0, *weights])
    scale = _BARS / ((highest - lowest) or 1.0)
    zero = _LABELS - lowest * scale
    width, height = _LABELS + _BARS + 70, _LINE * (len(levels) + 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'font-family="sans-serif" font-size="12"><title>Weight of evidence by comparison and level, in bits</title>'
    ]
    for place, one in enumerate(levels):
        top, length = place * _LINE + 6, max(abs(one.weight) * scale, 1)
        left = zero if one.weight >= 0 else zero - length
        label = f"{one.comparison}: {one.level}"
        lines.append(
            f'<text x="{_LABELS - 8}" y="{top + 11}" text-anchor="end">{escape(label[:64])}</text>'
            f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" height="{_LINE - 6}" '
            f'fill="{FOR if one.weight >= 0 else AGAINST}"/>'
            f'<text x="{max(left + length, zero) + 5:.1f}" y="{top + 11}">{one.weight:.1f}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _measured(measured: Measured) -> Iterable[str]:
    alone = measured.unlinkables
    yield heading("With the records of today")
    yield paragraph(
        f"{alone.unlinkable:,} of {alone.records:,} records ({alone.share:.2%}) say too little to be linked by the "
        f"model: beside themselves they weigh less than {alone.threshold:g} bits."
    )
    if measured.truth is not None:
        pairs = measured.truth.pairs
        yield table(("precision", "recall", "F1"), [(pairs.precision, pairs.recall, pairs.f1)])
    if measured.decided is not None:
        ruled = measured.decided
        yield table(
            ("stewards ruled", "pairs", "the model alone agrees"),
            [
                ("together", ruled.together, ruled.together_found),
                ("apart", ruled.apart, ruled.apart_found),
            ],
        )
    bounds = [
        f"below {BINS[0]:g}",
        *(f"{a:g} to {b:g}" for a, b in pairwise(BINS)),
        f"from {BINS[-1]:g}",
    ]
    yield table(("score in bits", "candidates"), list(zip(bounds, measured.scores, strict=True)))


def _drift(report: ModelReport) -> Iterable[str]:
    if report.drift is None:
        return
    yield heading(f"Against {f'model {report.drift.against}' if report.drift.against else 'the priors'}")
    if report.drift.stability is not None:
        words = stability_in_words(report.drift.stability)
        yield paragraph(f"Population stability of the scores: {report.drift.stability:.4f} ({words}).")
    yield table(
        ("comparison", "level", "bits", "before", "m shift", "u shift"),
        [
            (one.comparison, one.level, one.weight, one.weight_before, one.m_shift, one.u_shift)
            for one in report.drift.shifts
        ],
    )
