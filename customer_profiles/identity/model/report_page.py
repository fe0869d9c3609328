"""The report on a model as one page of HTML that needs nothing else: tables, and the weights as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from customer_profiles.identity.model.drift import Level, stability_in_words
from customer_profiles.identity.model.report import BINS, Measured, ModelReport

_LABELS, _BARS, _LINE = 420, 400, 20
_FOR, _AGAINST = "#4f43dd", "#d24545"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c28}"
    "table{border-collapse:collapse;margin:0 0 1.5rem}th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
)


def report_page(report: ModelReport) -> str:
    """The page.

    Args:
        report: What `model_report` found; it holds no value of a person, and so the page holds none.
    """
    name = f"Model {report.version}" if report.version else "The priors of the package"
    parts = [
        f"<h1>{name}</h1>",
        f"<p>{escape(report.status)}, {escape(report.origin)}, for Splink {escape(report.splink_version)}.</p>",
        "<h2>Match weights</h2>",
        weights_chart(report.levels),
        _table(
            ("comparison", "level", "m", "u", "bits"),
            [(one.comparison, one.level, one.m, one.u, one.weight) for one in report.levels],
        ),
        "<h2>How common values are</h2>",
        _table(
            ("field", "repeated values", "shares of the most common", "share of a rare one"),
            [
                (one.field, one.repeated, ", ".join(f"{share:.4f}" for share in one.commonest), one.rarest)
                for one in report.common
            ],
        ),
        *(_measured(report.measured) if report.measured else ()),
        *_drift(report),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
        + "\n".join(parts)
        + "</html>\n"
    )


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
            f'fill="{_FOR if one.weight >= 0 else _AGAINST}"/>'
            f'<text x="{max(left + length, zero) + 5:.1f}" y="{top + 11}">{one.weight:.1f}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _measured(measured: Measured) -> Iterable[str]:
    alone = measured.unlinkables
    yield "<h2>With the records of today</h2>"
    yield (
        f"<p>{alone.unlinkable:,} of {alone.records:,} records ({alone.share:.2%}) say too little to be linked by the "
        f"model: beside themselves they weigh less than {alone.threshold:g} bits.</p>"
    )
    if measured.truth is not None:
        pairs = measured.truth.pairs
        yield _table(("precision", "recall", "F1"), [(pairs.precision, pairs.recall, pairs.f1)])
    if measured.decided is not None:
        ruled = measured.decided
        yield _table(
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
    yield _table(("score in bits", "candidates"), list(zip(bounds, measured.scores, strict=True)))


def _drift(report: ModelReport) -> Iterable[str]:
    if report.drift is None:
        return
    yield f"<h2>Against {f'model {report.drift.against}' if report.drift.against else 'the priors'}</h2>"
    if report.drift.stability is not None:
        words = stability_in_words(report.drift.stability)
        yield f"<p>Population stability of the scores: {report.drift.stability:.4f} ({words}).</p>"
    yield _table(
        ("comparison", "level", "bits", "before", "m shift", "u shift"),
        [
            (one.comparison, one.level, one.weight, one.weight_before, one.m_shift, one.u_shift)
            for one in report.drift.shifts
        ],
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | int | float]]) -> str:
    numeric = [
        bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        for place in range(len(columns))
    ]

    def line(tag: str, values: Iterable[str]) -> str:
        cells = (
            f"<{tag}{' class=n' if right else ''}>{escape(value)}</{tag}>"
            for value, right in zip(values, numeric, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = [line("td", [_text(value) for value in row]) for row in rows]
    return "<table>" + "\n".join([line("th", columns), *body]) + "</table>"


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
