"""Text files of the demo: rows as they arrived, broken copies among them, and where those stand."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from customer_profiles.demo.columns import Indexes
from customer_profiles.demo.rates import BROKEN, TOO_LARGE, share
from customer_profiles.demo.truth import Account

Row = dict[str, Any]


@dataclass(frozen=True)
class Weak:
    """The dotted paths at which a feed's rows can be spoilt; empty where they cannot.

    Attributes:
        key: the row's own key, which a spoilt copy gets anew.
        owner: what says whose the row is.
        date: a time that the contract reads. ``text``: a text that it reads. ``amount``: money that it reads.
    """

    key: str
    owner: tuple[str, ...] = ()
    date: str = ""
    text: str = ""
    amount: str = ""

    def ways(self, in_array: bool = False) -> list[str]:
        """Why a copy can be broken; an element of an array cannot be cut or miscoded alone."""
        ways = [] if in_array else ["unreadable_json"]
        ways += ["bad_date"] if self.date else []
        ways += ["wrong_type"] if self.text else []
        ways += ["missing_key"] if self.owner else []
        ways += ["bad_encoding"] if self.text and not in_array else []
        ways += ["bad_amount"] if self.amount else []
        return ways


class Spoiler:
    """Decides after which rows of a feed a broken copy follows, and breaks it."""

    def __init__(self, weak: Weak, rows: int, rng: np.random.Generator, in_array: bool = False) -> None:
        self._weak = weak
        self._ways = weak.ways(in_array)
        places = (
            rng.integers(0, rows, share(BROKEN / (1 - BROKEN), rows)) if rows else np.zeros(0, dtype=np.int64)
        )
        self._after: dict[int, int] = {}
        for number, place in enumerate(places.tolist()):
            while place in self._after:
                place = (place + 1) % rows
            self._after[place] = number

    def after(self, number: int) -> int | None:
        """Which broken row follows the row of this number, if any."""
        return self._after.get(number)

    def reason(self, broken: int) -> str:
        """Why the broken row of this number is broken."""
        return self._ways[broken % len(self._ways)]

    def spoil(self, row: Row, reason: str, mark: str) -> Row:
        """A copy with another key, broken for this reason as far as that shows before it is written."""
        weak = self._weak
        copy: Row = orjson.loads(orjson.dumps(row))
        _put(copy, weak.key, f"{mark}-broken")
        match reason:
            case "bad_date":
                _put(copy, weak.date, "2026-02-30T25:61:00Z")
            case "wrong_type":
                _put(copy, weak.text, {"value": ["?"]})
            case "bad_amount":
                _put(copy, weak.amount, "twelve pounds")
            case "missing_key":
                for path in weak.owner:
                    _put(copy, path, None)
            case "bad_encoding":
                _put(copy, weak.text, "caf\u00e9")
            case "too_large":
                _put(copy, weak.text, "x" * TOO_LARGE)
        return copy


def json_lines(rows: Iterable[Row], spoiler: Spoiler, mark: str) -> Iterator[tuple[bytes, str]]:
    """Write rows as JSON lines, each with its reason to be refused, or "".

    Args:
        rows: in their order.
        spoiler: where broken copies go.
        mark: makes the keys of broken copies unlike any other.
    """
    for number, row in enumerate(rows):
        yield orjson.dumps(row), ""
        broken = spoiler.after(number)
        if broken is not None:
            reason = spoiler.reason(broken)
            line = orjson.dumps(spoiler.spoil(row, reason, f"{mark}-{broken}"))
            if reason == "unreadable_json":
                line = line[: len(line) * 2 // 3]
            elif reason == "bad_encoding":
                line = line.replace("caf\u00e9".encode(), "caf\u00e9".encode("latin-1"))
            yield line, reason


def too_large_line(row: Row, weak: Weak) -> bytes:
    """One line with a field of five million characters."""
    spoiler = Spoiler(weak, 0, np.random.default_rng(0))
    return orjson.dumps(spoiler.spoil(row, "too_large", "too-large"))


def write_lines(
    path: Path, lines: Iterable[tuple[bytes, str]], account: Account, feed: str, below: Path
) -> None:
    """Write one file of lines, and account for its rows and broken rows.

    Args:
        path: the file.
        lines: each with its reason to be refused, or "".
        account: where to account for them.
        feed: the feed that reads the file.
        below: the source's folder, which file names are told from.
    """
    text = bytearray()
    rows = 0
    where = path.relative_to(below).as_posix()
    for number, (line, reason) in enumerate(lines, 1):
        text += line
        text += b"\n"
        if reason:
            account.broke(feed, f"{where}:{number}", reason)
        else:
            rows += 1
    account.counts[f"{feed}.rows"] += rows
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)


def write_array(
    path: Path, rows: Sequence[Row], spoiler: Spoiler, account: Account, feed: str, below: Path
) -> None:
    """Write one JSON array, with broken elements among the rows, and account for them."""
    where, elements = path.relative_to(below).as_posix(), []
    for number, row in enumerate(rows):
        elements.append(orjson.dumps(row))
        broken = spoiler.after(number)
        if broken is not None:
            reason = spoiler.reason(broken)
            elements.append(orjson.dumps(spoiler.spoil(row, reason, f"{path.stem}-{broken}")))
            account.broke(feed, f"{where}:{len(elements)}", reason)
    account.counts[f"{feed}.rows"] += len(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"[\n" + b",\n".join(elements) + b"\n]\n")


def csv_lines(
    rows: Sequence[Sequence[str]], broken: Callable[[int], tuple[bytes, str] | None]
) -> Iterator[tuple[bytes, str]]:
    """Write rows as CSV lines; what ``broken`` gives for a row's number follows that row."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    for number, line in enumerate(buffer.getvalue().encode().splitlines()):
        yield line, ""
        spoilt = broken(number)
        if spoilt is not None:
            yield spoilt


def by_day(received: Indexes, day: int) -> list[slice]:
    """Cut times in rising order into the days they fall on."""
    days = received // day
    cuts = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), len(days)]
    return [slice(a, b) for a, b in pairwise(cuts) if a < b]


def _put(row: Row, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        row = row.setdefault(name, {})
    row[last] = value
