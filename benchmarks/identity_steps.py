"""What every step beyond Splink's defaults is worth: each taken away by itself, everything else as it is.

    python -m benchmarks.identity_steps [--labelled FILE:COLUMN …] [--step NAME …]

The sets are those of `benchmarks.identity_accuracy`, and the largest of them once more with names and birth dates alone.
Each step that is taken away is taken away from training and linking alike, with the default configuration; the truth is
looked at only after clustering. Prints one table of markdown: F1 in pairs of records, precision and recall in brackets.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from benchmarks.identity_accuracy import sets
from benchmarks.identity_guards import NO_THRESHOLD
from customer_profiles.identity.edges import blocking, comparisons, workbench
from customer_profiles.identity.edges.comparisons import FieldComparison, Level
from customer_profiles.identity.evaluation import labelled_file
from customer_profiles.identity.evaluation.evaluation import evaluate
from customer_profiles.identity.linking import link
from customer_profiles.identity.model import estimation, training
from customer_profiles.identity.model.aliases import nicknames
from customer_profiles.identity.model.expectation import Estimate, Floats, Patterns, maximise
from customer_profiles.identity.model.training import train
from customer_profiles.settings import IdentitySettings

NAMES_AND_DATES = ("record_no", "given_name", "family_name", "full_name", "birth_date")
ONLY_NAMES = ("FEBRL 4", "historical_figures_with_errors_50k")

WHOLE_NAMES = FieldComparison(
    "name",
    "name",
    "name_l is null or name_r is null",
    (
        Level("name_l = name_r", "the same", rare="name"),
        *(
            Level(f"jaro_winkler_similarity(name_l, name_r) >= {least}", f"Jaro-Winkler {least}")
            for least in (0.92, 0.88, 0.7)
        ),
    ),
)
"""Names as Splink's `NameComparison` has them."""


@dataclass(frozen=True)
class Step:
    """A step that can be taken away.

    Attributes:
        name: What is done without.
        without: Patches in force while everything runs.
        settings: What is laid over the settings.
    """

    name: str
    without: Callable[[], Sequence[AbstractContextManager[Any]]] = tuple
    settings: dict[str, float] | None = None


def _macro(name: str, body: str) -> AbstractContextManager[Any]:
    """A macro of the workbench with another body."""
    lines = workbench.MACROS.split(";\n")
    (old,) = [line for line in lines if f"create or replace macro {name}(" in line]
    head = old[: old.index(" as ")]
    return patch.object(workbench, "MACROS", workbench.MACROS.replace(old, f"{head} as {body}"))


def _among_candidates(
    patterns: Patterns,
    counts: Floats,
    pairs: float,
    u: Sequence[Floats],
    start: Sequence[Floats],
    match_share: float,
    *rest: Any,
) -> Estimate:
    """Expectation maximisation as Splink has it: matches are a share of the candidates, not of all pairs."""
    within = float(counts.sum())
    found = maximise(patterns, counts, within, u, start, min(match_share * pairs / within, 0.5), *rest)
    return replace(found, match_share=found.match_share * within / pairs)


def _address_in_one_line() -> dict[str, tuple[str, ...]]:
    lines = tuple(
        name for name in labelled_file._SYNONYMS["address_line"] if name not in labelled_file._SECOND_LINES
    )
    return {**labelled_file._SYNONYMS, "address_line": lines}


STEPS = (
    Step("everything as it is"),
    Step(
        "blocking on single fields and words, not on pairs of atoms",
        lambda: (patch.object(blocking, "_PAIRS", ()), patch.object(blocking, "EXTRAS_IN_KEYS", 0)),
    ),
    Step(
        "names compared whole, not as sets of words",
        lambda: (patch.object(comparisons, "NAME", WHOLE_NAMES),),
    ),
    Step(
        "no aliases learnt",
        lambda: (patch.object(training, "learned_aliases", lambda _: nicknames().slice(0, 0)),),
    ),
    Step(
        "expectation maximisation among candidates, not on the scale of all pairs",
        lambda: (patch.object(estimation, "maximise", _among_candidates),),
    ),
    Step("every edge joins: no linkage", settings={"cluster_threshold": NO_THRESHOLD}),
    Step(
        "relatives taken for granted, not looked for",
        lambda: (patch.object(training, "relatives_share_homes", lambda _: True),),
    ),
    Step("addresses in the order written, not as words", lambda: (_macro("sorted_words", "x"),)),
    Step("a house number alone counts as an address", lambda: (_macro("told_address", "x"),)),
    Step(
        "the second address line an attribute only",
        lambda: (patch.object(labelled_file, "_SYNONYMS", _address_in_one_line()),),
    ),
)


def main() -> None:
    """Measure every step on every set and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--labelled", nargs="*", default=[], metavar="FILE:COLUMN", help="other labelled files"
    )
    parser.add_argument(
        "--customers", type=int, default=2000, help="size of the demo company (default: 2000)"
    )
    parser.add_argument(
        "--step", nargs="*", metavar="NAME", help="only the steps whose name contains one of these"
    )
    arguments = parser.parse_args()
    for number, step in enumerate(_chosen(arguments.step)):
        with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            for change in step.without():
                stack.enter_context(change)
            found = {
                name: measured(records, truth, settings.model_copy(update=step.settings or {}))
                for name, records, truth, settings in _with_only_names(
                    sets(Path(folder), arguments.labelled, arguments.customers)
                )
            }
        if number == 0:
            print(f"| | {' | '.join(found)} |")
            print(f"|---{'|---' * len(found)}|")
        print(f"| {step.name} | {' | '.join(found.values())} |", flush=True)


def _chosen(names: Sequence[str] | None) -> Iterator[Step]:
    for step in STEPS:
        if names is None or any(name in step.name for name in names):
            yield step


def _with_only_names(
    found: Iterator[tuple[str, pa.Table, Sequence[str], IdentitySettings]],
) -> Iterator[tuple[str, pa.Table, Sequence[str], IdentitySettings]]:
    """The sets, some of them once more with nothing but names and birth dates."""
    for name, records, truth, settings in found:
        yield name, records, truth, settings
        if name in ONLY_NAMES:
            yield f"{name}, names and birth dates", records.select(NAMES_AND_DATES), truth, settings


def measured(records: pa.Table, truth: Sequence[str], settings: IdentitySettings) -> str:
    """Train and link, then look at the truth; a cell of markdown."""
    bundle = train(records, settings, settings.training.seed)
    pairs = evaluate(link(records, bundle, settings).clustering.labels.tolist(), truth).pairs
    return f"{pairs.f1:.4f} ({pairs.precision:.4f}, {pairs.recall:.4f})"


if __name__ == "__main__":
    main()
