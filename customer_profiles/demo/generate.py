"""Make the demo company: customers in chunks, every source, then the truth, the summary last."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import orjson

from customer_profiles.demo import clock, crm, orders
from customer_profiles.demo.email_platform import write_email
from customer_profiles.demo.rates import AS_OF, CHUNK, FEWEST, MOST, DemoError
from customer_profiles.demo.social import write_social
from customer_profiles.demo.sqlite_file import new_database
from customer_profiles.demo.support import write_support
from customer_profiles.demo.truth import SavedAccount, write_truth
from customer_profiles.demo.web import write_web
from customer_profiles.demo.world import make_people

Progress = Callable[[float], None]
"""Called with the share of the work that is done, up to 1."""

_FORMAT = 1
_SUMMARY = "totals.json"
_MADE_HERE = ("crm.db", "orders.db", "web", "email", "social", "support", "truth")
_WORKERS = 2


@dataclass(frozen=True)
class DemoSummary:
    """What a demo company holds.

    Attributes:
        folder: where it is.
        as_of: when its history ends, ISO 8601.
        records: records by source, broken rows left out. ``events``: events by source, each counted once.
        broken: broken rows by source.
        totals: all that was counted, by source and ``feed.what`` (``orders.late``, ``contacts.name_typo``).
    """

    folder: Path
    customers: int
    seed: int
    as_of: str
    records: dict[str, int]
    events: dict[str, int]
    broken: dict[str, int]
    totals: dict[str, dict[str, int]]


@dataclass(frozen=True)
class _Plan:
    folder: Path
    customers: int
    seed: int
    as_of: int

    def chunks(self) -> Iterator[tuple[int, int]]:
        """First customer and number of customers of each chunk."""
        for start in range(0, self.customers, CHUNK):
            yield start, min(CHUNK, self.customers - start)

    @property
    def parts(self) -> Path:
        return self.folder / "truth" / "parts"


def generate(
    folder: Path,
    customers: int = 2_000,
    seed: int = 1,
    progress: Progress | None = None,
    as_of: datetime = AS_OF,
) -> DemoSummary:
    """Make a demo company; the same arguments give the same files.

    Args:
        folder: where to; an earlier demo company in it is replaced, other files are left alone.
        customers: 1,000 to 1,000,000. Above 25,000 two processes work at once.
        seed: which company.
        progress: told now and then which share is done, from 0 to 1.
        as_of: when the history ends; knows its time zone.

    Returns:
        What was made.

    Raises:
        DemoError: the number of customers or the seed is out of range, or ``as_of`` has no time zone.
    """
    if not FEWEST <= customers <= MOST:
        raise DemoError(
            f"A demo company has {FEWEST:,} to {MOST:,} customers, not {customers:,}: choose one between."
        )
    if seed < 0:
        raise DemoError(f"The seed of a demo company is 0 or more, not {seed}: choose another.")
    if as_of.tzinfo is None:
        raise DemoError("The end of a demo company's history needs a time zone: give as_of one, such as UTC.")
    plan = _Plan(Path(folder), customers, seed, clock.micros(as_of))
    _clear(plan.folder)
    plan.parts.mkdir(parents=True)
    accounts = _make(plan, progress or (lambda share: None))
    accounts.sort(key=lambda account: account.path.name)
    totals = write_truth(plan.folder / "truth", plan.parts, accounts)
    about = {
        "format": _FORMAT,
        "customers": customers,
        "seed": seed,
        "as_of": as_of.isoformat(),
        "totals": totals,
    }
    (plan.folder / "truth" / _SUMMARY).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return _summary(plan.folder, customers, seed, as_of.isoformat(), totals)


def read_summary(folder: Path) -> DemoSummary | None:
    """What the demo company in a folder holds; nothing when none was finished by this version."""
    path = Path(folder) / "truth" / _SUMMARY
    if not path.is_file():
        return None
    about = orjson.loads(path.read_bytes())
    if about["format"] != _FORMAT:
        return None
    return _summary(Path(folder), about["customers"], about["seed"], about["as_of"], about["totals"])


def _make(plan: _Plan, progress: Progress) -> list[SavedAccount]:
    chunks = list(plan.chunks())
    steps = [partial(_write_databases, plan), *(partial(_write_files, plan, *chunk) for chunk in chunks)]
    accounts: list[SavedAccount] = []
    if len(chunks) == 1:
        for done, step in enumerate(steps, 1):
            accounts += step()
            progress(done / len(steps))
        return accounts
    with ProcessPoolExecutor(_WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures: list[Future[list[SavedAccount]]] = [pool.submit(step) for step in steps]
        for done, future in enumerate(as_completed(futures), 1):
            accounts += future.result()
            progress(done / len(steps))
    return accounts


def _write_databases(plan: _Plan) -> list[SavedAccount]:
    """Both databases for all chunks: an SQLite file has one writer."""
    saved = []
    with (
        new_database(plan.folder / "crm.db", crm.SCHEMA) as contacts,
        new_database(plan.folder / "orders.db", orders.SCHEMA) as bought,
    ):
        for part, (start, count) in enumerate(plan.chunks()):
            people = make_people(plan.seed, start, count)
            saved.append(crm.write_crm(contacts, people, plan.seed, plan.as_of).save(plan.parts, part))
            saved.append(orders.write_orders(bought, people, plan.seed, plan.as_of).save(plan.parts, part))
        contacts.executescript(crm.INDEXES)
        bought.executescript(orders.INDEXES)
    return saved


def _write_files(plan: _Plan, start: int, count: int) -> list[SavedAccount]:
    """All sources that are files, for one chunk."""
    part = start // CHUNK
    people = make_people(plan.seed, start, count)
    sources = (
        ("web", write_web),
        ("email", write_email),
        ("social", write_social),
        ("support", write_support),
    )
    return [
        write(plan.folder / name, people, plan.seed, plan.as_of, part).save(plan.parts, part)
        for name, write in sources
    ]


def _clear(folder: Path) -> None:
    """Take away what an earlier call made, its summary first, and nothing else."""
    (folder / "truth" / _SUMMARY).unlink(missing_ok=True)
    for name in _MADE_HERE:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _summary(
    folder: Path, customers: int, seed: int, as_of: str, totals: dict[str, dict[str, int]]
) -> DemoSummary:
    def by_source(ending: str) -> dict[str, int]:
        return {
            source: sum(number for what, number in counts.items() if what.endswith(ending))
            for source, counts in totals.items()
        }

    return DemoSummary(
        folder=folder,
        customers=customers,
        seed=seed,
        as_of=as_of,
        records={source: counts["records"] for source, counts in totals.items()},
        events=by_source(".events"),
        broken=by_source(".broken"),
        totals=totals,
    )
