"""`customer-profiles evaluate`: the same identity engine on any labelled file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.output import JsonOption, err, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.pipeline.overview import Accuracy


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate --json` prints."""

    file: str
    columns: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]
    model: str
    seconds: float
    scores: Accuracy


def evaluate(
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file of records.")],
    truth: Annotated[
        str, typer.Option("--truth", help="The column that is equal for records of one person.")
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", "-c", help="FIELD=COLUMN[,COLUMN…], for example birth_date=dob. May be repeated."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="A column that nothing may use. May be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure the identity engine on a file where it is known who is whom.

    Columns are guessed from their names and shown; unknown ones become extra attributes. The truth is looked at only
    after the engine is done. Prints precision, recall and F1 over pairs of records, and B-cubed.

    Example: customer-profiles evaluate people.csv --truth person_id --column birth_date=dob

    Next: where the columns were guessed wrong, say --column FIELD=COLUMN or --ignore COLUMN.
    """
    from customer_profiles.identity.evaluation import evaluation
    from customer_profiles.identity.evaluation.labelled_file import read_labelled_file
    from customer_profiles.identity.linking import link
    from customer_profiles.identity.model.training import train
    from customer_profiles.pipeline.overview import Accuracy
    from customer_profiles.settings import IdentitySettings

    labelled = read_labelled_file(file, truth, _mapping(column or []), ignore or [])
    settings = IdentitySettings()
    started = time.monotonic()
    with err.status(f"Training, scoring and clustering {labelled.records.num_rows:,} records …"):
        bundle = train(labelled.records, settings, settings.training.seed)
        clustering = link(labelled.records, bundle, settings).clustering
    seconds = round(time.monotonic() - started, 2)
    labels = clustering.labels.tolist()
    scores = Accuracy.of(evaluation.evaluate(labels, labelled.truth))
    if json:
        show_json(
            Evaluation(file.name, labelled.columns, labelled.ignored, str(bundle.origin), seconds, scores)
        )
        return
    show_table(
        "Columns", ("field", "from"), [(field, ", ".join(names)) for field, names in labelled.columns.items()]
    )
    if labelled.ignored:
        say((f"Not used: {', '.join(labelled.ignored)}", "dim"))
    show_table(
        "Against the truth",
        ("", "precision", "recall", "F1"),
        [
            ("pairs of records", scores.precision, scores.recall, scores.f1),
            ("B-cubed", scores.b_cubed_precision, scores.b_cubed_recall, scores.b_cubed_f1),
        ],
    )
    out.print(
        f"{len(labels):,} records in {len(set(labels)):,} clusters, the largest of {scores.largest:,}, "
        f"in {seconds:.1f} s (model: {bundle.origin})."
    )
    if scores.records < len(labels):
        out.print(f"{len(labels) - scores.records:,} of them have no truth and count neither way.")


def _mapping(flags: list[str]) -> dict[str, list[str]]:
    mapping: dict[str, list[str]] = {}
    for flag in flags:
        field, equals, columns = flag.partition("=")
        names = [name for name in columns.split(",") if name]
        if not equals or not names:
            raise typer.BadParameter(f"{flag!r} is not FIELD=COLUMN[,COLUMN…]", param_hint="--column")
        if field in mapping:
            raise typer.BadParameter(
                f"{field} is given twice; several columns stand in one: {field}=COLUMN,COLUMN",
                param_hint="--column",
            )
        mapping[field] = names
    return mapping
