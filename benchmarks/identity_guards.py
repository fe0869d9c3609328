"""What each guard of the identity graph is worth: every one switched off by itself, everything else as it is.

    python -m benchmarks.identity_guards [--customers N]

The demo company and FEBRL 3 and 4 (without soc_sec_id). The model is trained once a set, with every guard on; the truth is
looked at only after clustering. Prints a table of markdown a set, in pairs of records.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.datasets import FEBRL, TRUTH, write_febrl
from benchmarks.identity_accuracy import demo_company
from customer_profiles.identity.clusters.clusters import cluster
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.edges.edges import Edges, find_edges
from customer_profiles.identity.evaluation.evaluation import Evaluation, evaluate
from customer_profiles.identity.evaluation.labelled_file import read_labelled_file
from customer_profiles.identity.graph.records import facts_of
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.model.training import train
from customer_profiles.settings import IdentitySettings

NO_CAP = 10**9
NO_THRESHOLD = -100_000.0
"""No two sides hang together so badly: every edge that no veto forbids joins."""
FIELD_OF = {"email": "emails", "phone": "phones"}


@dataclass(frozen=True)
class Trial:
    """One guard changed.

    Attributes:
        name: What was done.
        settings: With the guard changed.
        conflict_veto: Whether other first name and other birth date together forbid.
        finds_edges: Whether edges can differ from those with every guard on.
    """

    name: str
    settings: IdentitySettings
    conflict_veto: bool
    finds_edges: bool


def main() -> None:
    """Measure every guard on every set and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--customers", type=int, default=2000, help="size of the demo company (default: 2000)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, records, truth, settings in sets(Path(folder), arguments.customers):
            print(f"| {name} | precision | recall | F1 | largest customer | pairs found wrongly |")
            print("|---|---|---|---|---|---|")
            for line in measured(records, truth, settings):
                print(line, flush=True)
            print(flush=True)


def sets(folder: Path, customers: int) -> Iterator[tuple[str, pa.Table, Sequence[str], IdentitySettings]]:
    """Name, identity records, truth and settings of each set."""
    yield demo_company(folder / "company", customers)
    for name in FEBRL:
        if name[-1] in "34":
            file = read_labelled_file(write_febrl(name, folder), TRUTH)
            yield name, file.records, file.truth, IdentitySettings()


def measured(records: pa.Table, truth: Sequence[str], settings: IdentitySettings) -> Iterator[str]:
    """A line of markdown for every guard."""
    bundle = train(records, settings, settings.training.seed)
    edges = find_edges(records, bundle, settings)
    for trial in trials(held_kinds(records, settings), settings, bundle.conflict_veto):
        found = edges
        if trial.finds_edges:
            found = find_edges(records, bundle, trial.settings)
        yield line(
            trial.name,
            clustered(records, found, replace(bundle, conflict_veto=trial.conflict_veto), trial, truth),
        )


def trials(kinds: Sequence[str], settings: IdentitySettings, conflict_veto: bool) -> Iterator[Trial]:
    """Everything as it is, then each guard changed by itself."""

    def changed(name: str, veto: bool = conflict_veto, edges: bool = False, **change: Any) -> Trial:
        return Trial(name, settings.model_copy(update=change), veto, edges)

    yield changed("every guard as it is")
    for kind in kinds:
        rule = settings.identifiers[kind]
        lifted = {**settings.identifiers, kind: rule.model_copy(update={"cap": NO_CAP})}
        yield changed(f"no cap on holders of one {kind} ({rule.cap})", edges=True, identifiers=lifted)
    if kinds:
        lifted = {
            kind: rule.model_copy(update={"cap": NO_CAP, "single_login": False})
            for kind, rule in settings.identifiers.items()
        }
        yield changed(
            "no hubs at all: no caps, no generic values", edges=True, identifiers=lifted, generic_values={}
        )
    exclusive = [kind for kind in kinds if settings.identifiers[kind].exclusive]
    for kind in exclusive or [kind for kind in kinds if kind == "user_id"]:
        rule = settings.identifiers[kind]
        other = {**settings.identifiers, kind: rule.model_copy(update={"exclusive": not rule.exclusive})}
        said = f"{kind} not exclusive" if rule.exclusive else f"{kind} exclusive (off by default)"
        yield changed(said, identifiers=other)
    veto = (
        "no veto on other name and other birth date"
        if conflict_veto
        else "with the veto that training left out"
    )
    yield changed(veto, not conflict_veto)
    yield changed("no linkage threshold: connected components", cluster_threshold=NO_THRESHOLD)
    yield changed(f"a missing edge weighs nothing ({settings.missing_edge:g})", missing_edge=0.0)
    yield changed(f"the strongest edge alone decides ({settings.strongest_share:g})", strongest_share=1.0)
    yield changed(f"the mean alone decides ({settings.strongest_share:g})", strongest_share=0.0)


def held_kinds(records: pa.Table, settings: IdentitySettings) -> list[str]:
    """The kinds of identifiers in the settings that any record holds."""
    kinds = {kind for kind, field in FIELD_OF.items() if any(records[field].to_pylist())}
    for held in records["identifiers"].to_pylist():
        kinds |= {one["kind"] for one in held or ()}
    return sorted(kinds & set(settings.identifiers))


def clustered(
    records: pa.Table, edges: Edges, bundle: ModelBundle, trial: Trial, truth: Sequence[str]
) -> Evaluation:
    """Cluster with a guard changed, then look at the truth."""
    pairs = edges.pairs
    facts = facts_of(records, edges.hubs, trial.settings, bundle.conflict_veto)
    clustering = cluster(pairs.left, pairs.right, pairs.weight, facts, Rulings(), linkage_of(trial.settings))
    return evaluate(clustering.labels.tolist(), truth)


def line(name: str, found: Evaluation) -> str:
    """One line of markdown."""
    pairs = found.pairs
    return (
        f"| {name} | {pairs.precision:.4f} | {pairs.recall:.4f} | {pairs.f1:.4f} | {found.largest} "
        f"| {pairs.found - pairs.right:,} |"
    )


if __name__ == "__main__":
    main()
