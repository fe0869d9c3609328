"""How well records are linked, on every labelled set, with one default configuration.

    python -m benchmarks.identity_accuracy [--labelled FILE:COLUMN …]

FEBRL 1 to 4 (without soc_sec_id) and the demo company of 2,000 customers are always measured; other labelled files are
named by hand, for example `historical_figures_with_errors_50k.parquet:cluster` of splink_datasets. The truth is looked at
only after clustering. Prints one line of markdown a set, in pairs of records.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.datasets import FEBRL, TRUTH, write_febrl
from customer_profiles import demo
from customer_profiles.identity.evaluation.evaluation import evaluate
from customer_profiles.identity.evaluation.labelled_file import read_labelled_file
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.linking import link
from customer_profiles.identity.model.training import train
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import IdentitySettings, load_settings
from customer_profiles.settings.load import settings_from_text


def main() -> None:
    """Measure every set and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--labelled", nargs="*", default=[], metavar="FILE:COLUMN", help="other labelled files"
    )
    parser.add_argument(
        "--customers", type=int, default=2000, help="size of the demo company (default: 2000)"
    )
    arguments = parser.parse_args()
    print("| set | records | precision | recall | F1 | largest customer | train, s | link, s |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, records, truth, settings in sets(Path(folder), arguments.labelled, arguments.customers):
            print(measured(name, records, truth, settings), flush=True)


def sets(
    folder: Path, labelled: Sequence[str], customers: int
) -> Iterator[tuple[str, pa.Table, Sequence[str], IdentitySettings]]:
    """Name, identity records, truth and settings of each set; the settings are the defaults."""
    for name in FEBRL:
        file = read_labelled_file(write_febrl(name, folder), TRUTH)
        yield name, file.records, file.truth, IdentitySettings()
    yield demo_company(folder / "company", customers)
    for named in labelled:
        path, _, column = named.rpartition(":")
        file = read_labelled_file(Path(path), column)
        yield Path(path).stem, file.records, file.truth, IdentitySettings()


def demo_company(folder: Path, customers: int) -> tuple[str, pa.Table, Sequence[str], IdentitySettings]:
    """The demo company's records as cleaning leaves them, with its own settings file."""
    demo.generate(folder / ".data" / "demo", customers=customers)
    text = (load_settings().folder / "customer_profiles.yaml").read_text()
    settings = settings_from_text(text, folder / "customer_profiles.yaml")
    with open_pipeline(settings) as house:
        for stage in house.ingests():
            house.drain(stage)
        with house.state.reading() as connection:
            records = identity_records(connection)
            name_of = {
                number: (source, key)
                for number, source, key in connection.execute(
                    sa.text("SELECT record_no, source, source_key FROM record")
                )
            }
    known = pq.read_table(folder / ".data" / "demo" / "truth" / "records.parquet").to_pydict()
    person = dict(zip(zip(known["source"], known["source_key"], strict=True), known["person"], strict=True))
    truth = [str(person[name_of[number]]) for number in records["record_no"].to_pylist()]
    return f"demo company, {customers:,} customers", records, truth, settings.identity


def measured(name: str, records: pa.Table, truth: Sequence[str], settings: IdentitySettings) -> str:
    """Train and link, then look at the truth; a line of markdown."""
    started = time.perf_counter()
    bundle = train(records, settings, settings.training.seed)
    trained = time.perf_counter()
    labels = link(records, bundle, settings).clustering.labels.tolist()
    linked = time.perf_counter()
    found = evaluate(labels, truth)
    pairs = found.pairs
    return (
        f"| {name} | {records.num_rows:,} | {pairs.precision:.4f} | {pairs.recall:.4f} | {pairs.f1:.4f} | {found.largest} "
        f"| {trained - started:.1f}{'' if bundle.origin == 'trained' else ' (priors)'} | {linked - trained:.1f} |"
    )


if __name__ == "__main__":
    main()
