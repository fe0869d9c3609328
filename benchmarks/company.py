"""A demo company of any size, ingested once and kept for the benchmarks under .data/bench."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from customer_profiles import demo
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import contracts_of, open_pipeline
from customer_profiles.settings import Settings
from customer_profiles.settings.load import settings_from_text

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".data" / "bench"
RECORDS_A_CUSTOMER = 2.63
BATCH = 50_000

Say = Callable[[str], None]


def settings_in(folder: Path) -> Settings:
    """The settings of the project, with their data in another folder."""
    text = (ROOT / "customer_profiles.yaml").read_text()
    return settings_from_text(text, folder / "customer_profiles.yaml")


def company_of(records: int, say: Say) -> Path:
    """The folder of a company with about so many records: its encrypted state, and `records.parquet`.

    Every feed of records goes through the real ingest. Interactions and consent are left out: who is who does
    not depend on them, but for anonymous visitors, who are records without a name.
    """
    folder = KEPT / f"company_{records}"
    made = folder / "records.parquet"
    if made.exists():
        say(f"using the company kept in {folder.relative_to(ROOT)}")
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    customers = round(records / RECORDS_A_CUSTOMER)
    say(f"making a demo company of {customers:,} customers, once; it is kept in {folder.relative_to(ROOT)}")
    demo.generate(folder / ".data" / "demo", customers=customers)
    done = 0

    def progress(result: StageResult) -> None:
        nonlocal done
        before, done = done, done + result.received
        if done // 100_000 > before // 100_000:
            say(f"  {done:>9,} rows ingested")

    settings = settings_in(folder)
    with open_pipeline(settings, progress, BATCH) as pipeline:
        for source in settings.sources:
            if "record" in contracts_of(settings, source):
                pipeline.drain(pipeline.ingest(source, "record"))
        with pipeline.state.reading() as connection:
            table = identity_records(connection)
    shutil.rmtree(folder / ".data" / "demo")
    pq.write_table(table, made.with_suffix(".part"))
    made.with_suffix(".part").rename(made)
    say(f"  {table.num_rows:,} records")
    return folder
