"""`customer-profiles identity model`: train, look at, compare, promote and roll back the model that scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.encryption.keys import KeyProvider
    from customer_profiles.identity.model.comparison import Change, ModelComparison
    from customer_profiles.identity.model.report import Drift, Measured, ModelReport
    from customer_profiles.pipeline.build import Pipeline
    from customer_profiles.pipeline.model_promotion import Promoted

app = typer.Typer(help="The model that scores: train, compare, promote, roll back.", no_args_is_help=True)

_EXAMPLES = 10
VersionArgument = Annotated[
    str | None, typer.Argument(help="Its number, or `priors`. [default: the newest candidate]")
]


@dataclass(frozen=True)
class ShownChange:
    """Customers whose records would be shared out otherwise, by their IDs.

    Attributes:
        fate: merge, split or regroup.
        before: Customer IDs now.
        after: Customer IDs then.
        records: How many records they have.
    """

    fate: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    records: int


@app.command("train")
def train(
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Seed of the random pairs. [default: identity.training.seed]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a model on all records; it is a candidate, and changes nothing until it is promoted.

    The same records and the same seed give the same model, byte for byte.

    Example: customer-profiles identity model train

    Next: `identity model show` and `identity model compare`, then `identity model promote`.
    """
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    with open_pipeline(load_settings()) as house, err.status("Training on all records …"):
        trained = house.train_candidate(seed)
    if json:
        show_json(trained)
        return
    out.print(
        f"Model {trained.version} was trained on {trained.records:,} records in {trained.seconds:.1f} s. It is a "
        "candidate: nothing changed so far."
    )
    say("What it is: ", f"customer-profiles identity model show {trained.version}")
    say("What it would do: ", f"customer-profiles identity model compare {trained.version}")


@app.command("list")
def list_models(json: JsonOption = False) -> None:
    """List every model: candidates, the one in use, and those that were.

    Example: customer-profiles identity model list
    """
    from customer_profiles.identity.model.models import promoted_version, stored_models

    with open_to_read() as opened, opened.state.reading() as connection:
        models, in_use = stored_models(connection), promoted_version(connection)
    if json:
        show_json({"in_use": _name(in_use), "models": models})
        return
    show_table(
        "Models",
        ("model", "status", "trained", "promoted", "records", "Splink", "bytes"),
        [
            (
                one.version,
                one.status,
                moment(one.created_at),
                moment(one.promoted_at),
                int(one.metrics.get("records", 0)),
                one.splink_version,
                one.size,
            )
            for one in models
        ],
    )
    if not in_use:
        out.print("The priors that ship with the package are in use.")


@app.command("show")
def show(
    version: VersionArgument = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure",
            help="Score and cluster the records of today too, or tell only what the model itself says.",
        ),
    ] = True,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report as a page with pictures to this file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Report on a model: weights, records it cannot link, common values, how right it is, how far it drifted.

    No value of a person is shown: of common values only how common they are.

    Example: customer-profiles identity model show 2 --html model.html

    Next: `identity model compare 2` says what it would do to the customers.
    """
    from customer_profiles.identity.model.report import model_report
    from customer_profiles.identity.model.report_page import report_page

    with open_to_read() as opened, opened.state.reading() as connection:
        number = _wanted(connection, version)
        with err.status(
            "Scoring and clustering the records of today …" if measure else "Reading the model …"
        ):
            report = model_report(connection, number, opened.settings.identity, measure=measure)
    if html is not None:
        html.write_text(report_page(report), encoding="utf-8")
    if json:
        show_json(
            {
                **{field.name: getattr(report, field.name) for field in dataclasses.fields(report)},
                "levels": [{**dataclasses.asdict(level), "weight": level.weight} for level in report.levels],
            }
        )
        return
    _show_report(report)
    if html is not None:
        say("As a page: ", str(html))


@app.command("compare")
def compare(
    version: VersionArgument = None,
    against: Annotated[
        str | None,
        typer.Argument(
            help="The model to compare with. [default: the customers there are, whoever made them]"
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Show at most so many of the customers that would change.")
    ] = _EXAMPLES,
    json: JsonOption = False,
) -> None:
    """Say how many customers would merge, split and stay if another model were in use. Changes nothing.

    All records are scored and clustered, with every decision of the stewards in force.

    Example: customer-profiles identity model compare 2

    Next: `identity model promote 2`.
    """
    from customer_profiles.identity.graph.graph_store import read_members
    from customer_profiles.identity.model.comparison import compare_members, with_model
    from customer_profiles.identity.model.models import promoted_version, read_model
    from customer_profiles.identity.stewardship.preview import waiting_changes
    from customer_profiles.state.generations import live_generation

    with open_to_read() as opened, opened.state.reading() as connection:
        number = _wanted(connection, version)
        other = promoted_version(connection) if against is None else _number(against)
        identity, generation = opened.settings.identity, live_generation(connection)
        bundle = read_model(connection, number).bundle
        with err.status(f"Scoring and clustering with {_called(number)} …"):
            then = with_model(connection, generation, bundle, identity)
        if against is None:
            now = read_members(connection, generation)
        else:
            other_bundle = read_model(connection, other).bundle
            with err.status(f"Scoring and clustering with {_called(other)} …"):
                now = with_model(connection, generation, other_bundle, identity)
        compared = compare_members(now, then)
        waiting = waiting_changes(connection)
        shown = _shown(connection, opened.keys, compared.changes[:examples])
    if json:
        show_json(
            {"model": _name(number), "against": _name(other), "waiting": waiting, **_as_json(compared, shown)}
        )
        return
    _show_comparison(f"{_called(number).capitalize()} beside {_called(other)}", compared, shown)
    if waiting:
        out.print(f"{waiting:,} changes wait to be resolved; they are not in these figures.")


@app.command("promote")
def promote(version: VersionArgument = None, json: JsonOption = False) -> None:
    """Put a model in use: build a new generation with it beside the live one, compare, and switch at once.

    Batches go on meanwhile with the old model. Every customer whose oldest record stays keeps its ID.

    Example: customer-profiles identity model promote 2

    Next: `identity model rollback` takes it back, the same way.
    """
    with _house() as house:
        with house.state.reading() as connection:
            number = _wanted(connection, version)
        promoted = house.promote_model(number)
        _tell(house, promoted, json)


@app.command("rollback")
def rollback(json: JsonOption = False) -> None:
    """Put the model in use again that was in use before, the same way as promoting.

    Rolling back twice is back where it began; `identity model promote N` goes to any other.

    Example: customer-profiles identity model rollback
    """
    with _house() as house:
        promoted = house.roll_back_model()
        _tell(house, promoted, json)


def _tell(house: Pipeline, promoted: Promoted, json: bool) -> None:
    """Say what promoting did."""
    with house.state.reading() as connection:
        shown = _shown(connection, house.keys, promoted.comparison.changes[:_EXAMPLES])
    if json:
        show_json(
            {
                "model": _name(promoted.version),
                "model_before": _name(promoted.before),
                "generation": promoted.rebuilt.generation,
                "seconds": promoted.rebuilt.seconds,
                **_as_json(promoted.comparison, shown),
            }
        )
        return
    _show_comparison(
        f"{_called(promoted.version).capitalize()} beside {_called(promoted.before)}",
        promoted.comparison,
        shown,
    )
    out.print(
        f"{_called(promoted.version).capitalize()} is in use, with generation {promoted.rebuilt.generation}, after "
        f"{promoted.rebuilt.seconds:.1f} s."
    )
    say("Take it back: ", "customer-profiles identity model rollback")


def _show_report(report: ModelReport) -> None:
    origin = "trained on records of your own" if report.origin == "trained" else "the priors of the package"
    say(
        (_called(report.version).capitalize(), "bold"),
        f": {report.status}, {origin}, for Splink {report.splink_version}"
        + (f", of {moment(report.created_at)}." if report.created_at else "."),
    )
    show_table(
        "Match weights",
        ("comparison", "level", "m", "u", "bits"),
        [(one.comparison, one.level, one.m, one.u, one.weight) for one in report.levels],
    )
    show_table(
        "How common values are",
        ("field", "repeated values", "shares of the most common", "share of a rare one"),
        [(one.field, one.repeated, one.commonest, f"{one.rarest:.6f}") for one in report.common],
    )
    if report.measured is not None:
        _show_measured(report.measured)
    if report.drift is not None:
        _show_drift(report.drift)


def _show_measured(measured: Measured) -> None:
    alone = measured.unlinkables
    out.print(
        f"{alone.unlinkable:,} of {alone.records:,} records ({alone.share:.2%}) say too little to be linked by the model: "
        f"beside themselves they weigh less than {alone.threshold:g} bits."
    )
    if measured.truth is not None:
        pairs = measured.truth.pairs
        out.print(
            f"Against the truth: precision {pairs.precision:.4f}, recall {pairs.recall:.4f}, F1 {pairs.f1:.4f}."
        )
    if measured.decided is not None:
        ruled = measured.decided
        out.print(
            f"Without being told, it puts together {ruled.together_found:,} of {ruled.together:,} pairs that stewards ruled "
            f"together, and keeps apart {ruled.apart_found:,} of {ruled.apart:,} that they ruled apart."
        )


def _show_drift(drift: Drift) -> None:
    from customer_profiles.identity.model.drift import stability_in_words

    show_table(
        f"Against {_called(drift.against)}, which is in use",
        ("comparison", "level", "bits", "before", "m shift", "u shift"),
        [
            (one.comparison, one.level, one.weight, one.weight_before, one.m_shift, one.u_shift)
            for one in drift.shifts[:_EXAMPLES]
        ],
    )
    if drift.stability is not None:
        out.print(
            f"Scores of the candidates: population stability {drift.stability:.4f} ({stability_in_words(drift.stability)})."
        )


@contextmanager
def _house() -> Iterator[Pipeline]:
    """The pipeline, its stages shown on standard error while they work."""
    from customer_profiles.cli.progress import Progress
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    with Progress(err, keep=False) as progress, open_pipeline(load_settings(), progress) as house:
        yield house


def _wanted(connection: sa.Connection, version: str | None) -> int:
    """The version asked for, by default the newest candidate."""
    from customer_profiles.identity.model.models import ModelError, newest_candidate

    if version is not None:
        return _number(version)
    newest = newest_candidate(connection)
    if newest is None:
        raise ModelError(
            "There is no candidate: train one with `customer-profiles identity model train`, or name a model of "
            "`customer-profiles identity model list`."
        )
    return newest


def _number(version: str) -> int:
    if version == "priors":
        return 0
    if not version.isdecimal():
        raise typer.BadParameter(
            f"{version!r} is not the number of a model, nor `priors`", param_hint="VERSION"
        )
    return int(version)


def _name(version: int) -> str:
    return str(version) if version else "priors"


def _called(version: int) -> str:
    return f"model {version}" if version else "the priors"


def _shown(connection: sa.Connection, keys: KeyProvider, changes: Iterable[Change]) -> list[ShownChange]:
    """Changes with the IDs that the world knows."""
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY

    changes = list(changes)
    numbers = {number for change in changes for number in (*change.before, *change.after)}
    id_of = {
        number: str(id_) for number, id_ in ids_of(connection, keys.key(CUSTOMER_ID_KEY), numbers).items()
    }
    return [
        ShownChange(
            change.fate.value,
            tuple(id_of[number] for number in change.before),
            tuple(id_of[number] for number in change.after),
            change.records,
        )
        for change in changes
    ]


def _as_json(compared: ModelComparison, shown: list[ShownChange]) -> dict[str, object]:
    counts = {
        field.name: getattr(compared, field.name)
        for field in dataclasses.fields(compared)
        if field.name != "changes"
    }
    return {**counts, "examples": shown}


def _show_comparison(title: str, compared: ModelComparison, shown: list[ShownChange]) -> None:
    show_table(
        title,
        ("customers", "now", "then"),
        [
            ("stay as they are", compared.stay, compared.stay),
            ("merge", compared.merged, compared.merged_into),
            ("split", compared.split, compared.split_into),
            ("exchange records", compared.regrouped, compared.regrouped_into),
            ("all", compared.customers_before, compared.customers_after),
            ("records of the largest", compared.largest_before, compared.largest_after),
        ],
    )
    out.print(
        f"{compared.ids_kept:,} of {compared.customers_before:,} customer IDs stay; {compared.moved:,} of {compared.records:,} "
        "records go to another customer."
    )
    if shown:
        show_table(
            "For example",
            ("", "records", "now", "then"),
            [(one.fate, one.records, one.before, one.after) for one in shown],
        )
