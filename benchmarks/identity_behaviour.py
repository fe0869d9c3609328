"""What behaviour says about who is whom, on the demo company: the devices that records share, and when they visit.

    python -m benchmarks.identity_behaviour [--customers N]

Devices are a comparison of the settings (`devices`). By default visitors (anonymous IDs) join by themselves, which leaves
little for it to do; so it is measured too where they are evidence only, like devices. The pattern of visits is tried out as
an extra attribute: of the interactions of a record with at least three, the part of the week (weekday or weekend, by
quarters of the day) that has the most. The truth is looked at only after clustering. Prints a table of markdown, in pairs
of records.
"""

import argparse
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from benchmarks.identity_accuracy import demo_company
from customer_profiles.identity.evaluation.evaluation import evaluate
from customer_profiles.identity.linking import link
from customer_profiles.identity.model.training import train
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Comparison, load_settings
from customer_profiles.settings.identity import Joins
from customer_profiles.settings.load import settings_from_text

FEWEST_VISITS = 3


def main() -> None:
    """Measure the demo company with and without each part of behaviour."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--customers", type=int, default=2000, help="size of the demo company (default: 2000)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "company"
        _, records, truth, settings = demo_company(folder, arguments.customers)
        pattern = visit_pattern(folder, records["record_no"].to_pylist())
    without = settings.model_copy(
        update={"comparisons": tuple(one for one in Comparison if one is not Comparison.DEVICES)}
    )
    untrusted = {
        **settings.identifiers,
        "anonymous_id": settings.identifiers["anonymous_id"].model_copy(update={"joins": Joins.EVIDENCE}),
    }
    visiting = records.append_column("extra_visits", pa.array(pattern, pa.string()))
    print("| compared | precision | recall | F1 | candidates |")
    print("|---|---|---|---|---|")
    for name, compared, chosen in (
        ("visitors join; devices not compared", records, without),
        ("visitors join; devices compared (the default)", records, settings),
        ("visitors join; devices and the pattern of visits compared", visiting, settings),
        (
            "visitors do not join; neither they nor devices compared",
            records,
            without.model_copy(update={"identifiers": untrusted}),
        ),
        (
            "visitors do not join; they and devices compared",
            records,
            settings.model_copy(update={"identifiers": untrusted}),
        ),
        (
            "visitors do not join; they, devices and the pattern of visits compared",
            visiting,
            settings.model_copy(update={"identifiers": untrusted}),
        ),
    ):
        linked = link(compared, train(compared, chosen, chosen.training.seed), chosen)
        pairs = evaluate(linked.clustering.labels.tolist(), truth).pairs
        print(
            f"| {name} | {pairs.precision:.4f} | {pairs.recall:.4f} | {pairs.f1:.4f} | {linked.edges.candidates:,} |",
            flush=True,
        )
    known = sum(part is not None for part in pattern)
    print(f"\n{known:,} of {len(pattern):,} records have a pattern of visits.")


def visit_pattern(folder: Path, record_nos: list[int]) -> list[str | None]:
    """For each record the part of the week in which most of its interactions happened."""
    text = (load_settings().folder / "customer_profiles.yaml").read_text()
    visits: dict[int, Counter[str]] = {}
    with (
        open_pipeline(settings_from_text(text, folder / "customer_profiles.yaml")) as house,
        house.state.reading() as connection,
    ):
        for record_no, micros in connection.execute(
            sa.text("SELECT record_no, occurred_at FROM interaction")
        ):
            moment = datetime.fromtimestamp(micros / 1e6, UTC)
            part = f"{'weekend' if moment.weekday() > 4 else 'weekday'} {moment.hour // 6}"
            visits.setdefault(record_no, Counter())[part] += 1
    return [
        min(found, key=lambda part: (-found[part], part))
        if (found := visits.get(number, Counter())).total() >= FEWEST_VISITS
        else None
        for number in record_nos
    ]


if __name__ == "__main__":
    main()
