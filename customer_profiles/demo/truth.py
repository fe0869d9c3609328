"""What the demo's sources do not say: who each record is, which rows are broken, how much there is of all."""

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [("source", pa.string()), ("source_key", pa.string()), ("person", pa.string()), ("live", pa.bool_())]
)


@dataclass(frozen=True)
class BrokenRow:
    """A row that has to be refused: where it stands and why; the package's docstring lists the reasons."""

    source: str
    feed: str
    where: str
    reason: str


@dataclass
class Account:
    """What one writer of a source did for one chunk of customers; accounts add up to the truth."""

    source: str
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[BrokenRow] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)
    live: list[bool] = field(default_factory=list)

    def knows(self, keys: Sequence[str], persons: Sequence[str], live: Sequence[bool] | None = None) -> None:
        """Record which person each source key is."""
        self.keys.extend(keys)
        self.persons.extend(persons)
        self.live.extend([True] * len(keys) if live is None else live)
        self.counts["records"] += len(keys)

    def counted(self, spoilt: Counter[str], feed: str) -> None:
        """Count what was made in a feed under ``feed.what``."""
        self.counts.update({f"{feed}.{what}": number for what, number in spoilt.items()})

    def broke(self, feed: str, where: str, reason: str) -> None:
        """Record a broken row."""
        self.broken.append(BrokenRow(self.source, feed, where, reason))
        self.counts[f"{feed}.broken"] += 1

    def save(self, folder: Path, part: int) -> "SavedAccount":
        """Put the records on disk, so that only the small rest stays in memory and crosses processes."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.source}-{part:04d}.parquet"
        columns = [[self.source] * len(self.keys), self.keys, self.persons, self.live]
        pq.write_table(pa.table(columns, schema=SCHEMA), path)
        return SavedAccount(self.source, path, self.counts, self.broken)


@dataclass(frozen=True)
class SavedAccount:
    """An account whose records lie on disk."""

    source: str
    path: Path
    counts: Counter[str]
    broken: list[BrokenRow]


def write_truth(folder: Path, parts: Path, accounts: Iterable[SavedAccount]) -> dict[str, dict[str, int]]:
    """Write ``records.parquet`` and ``broken.jsonl``, and clear the parts away.

    Args:
        folder: where the truth goes.
        parts: where the accounts were saved.
        accounts: in the order in which they shall stand.

    Returns:
        Totals by source and by what was counted.
    """
    totals: dict[str, Counter[str]] = {}
    with (
        pq.ParquetWriter(folder / "records.parquet", SCHEMA) as records,
        (folder / "broken.jsonl").open("wb") as broken,
    ):
        for account in accounts:
            records.write_table(pq.read_table(account.path))
            broken.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in account.broken)
            totals.setdefault(account.source, Counter()).update(account.counts)
    shutil.rmtree(parts)
    return {source: dict(sorted(counts.items())) for source, counts in sorted(totals.items())}
