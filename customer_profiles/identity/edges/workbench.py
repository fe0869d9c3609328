"""An in-memory DuckDB with the macros that names and dates are compared with. No file, no state, no
network.
"""

from __future__ import annotations

import os
import re
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

import duckdb
import numpy.typing as npt
import pyarrow as pa

Column = npt.NDArray[Any]
_QUOTED, _LIMIT = re.compile(r"'[^']*'"), re.compile(r"\blimit\b", re.IGNORECASE)

MACROS = r"""
-- What is not empty; `nullif(x, '')` would compute x twice.
create or replace macro filled(x) as list_transform([x], lambda text: nullif(text, ''))[1];

create or replace macro plain_text(x) as filled(trim(regexp_replace(
    strip_accents(lower(left(replace(x, '''', ''), 300))), '[^\p{L}\p{N}]+', ' ', 'g')));

create or replace macro told_address(x) as case when regexp_matches(x, '[^0-9 ]') then x end;

create or replace macro sorted_words(x) as array_to_string(list_sort(string_split(x, ' ')), ' ');

create or replace macro content_digest(x) as (md5_number_lower(x) >> 2)::bigint;

create or replace macro fingerprint(kind, value) as md5_number_lower(kind || chr(31) || value);

create or replace macro word_bits(share) as round(-log2(share), 3);

create or replace macro name_bits_within(few, many) as coalesce(list_sum(list_transform(few, lambda x:
    list_max(list_transform(many, lambda y: case
        when x.token = y.token then x.bits
        when jaro_winkler_similarity(x.token, y.token) >= 0.9 then 0.7 * least(x.bits, y.bits)
        when list_contains(x.aliases, y.token) then 0.8 * least(x.bits, y.bits)
        when (length(x.token) = 1 or length(y.token) = 1) and x.token[1] = y.token[1] then 2.0
        else 0.0 end)))), 0.0);

create or replace macro name_bits(l, r) as name_bits_within(
    case when len(l) <= len(r) then l else r end, case when len(l) <= len(r) then r else l end);

create or replace macro first_names_differ(first_l, first_r, tokens_l, tokens_r) as case
    when first_l is null or first_r is null or first_l = first_r then false
    when starts_with(first_l, first_r) or starts_with(first_r, first_l) then false
    when jaro_winkler_similarity(first_l, first_r) >= 0.85 then false
    when length(first_l) > 2 and first_l[1] = first_r[1] and damerau_levenshtein(first_l, first_r) <= 1 then false
    when list_contains(list_transform(tokens_l, lambda x: jaro_winkler_similarity(x.token, first_r) >= 0.9
        or x.token = first_l and list_contains(x.aliases, first_r)), true) then false
    when list_contains(list_transform(tokens_r, lambda x: jaro_winkler_similarity(x.token, first_l) >= 0.9), true)
        then false
    else true end;

create or replace macro date_slips(l, r) as case when l = r then 0 else damerau_levenshtein(l, r) end;

create or replace macro birth_dates_differ(l, r, slips) as
    coalesce(slips > 1 and not (l[1:4] = r[1:4] and l[6:7] = r[9:10] and l[9:10] = r[6:7]), false);
"""


@contextmanager
def workbench() -> Iterator[Workbench]:
    """Open a workbench that lives as long as the block."""
    with Workbench() as bench:
        yield bench


class Workbench:
    """A DuckDB that lives and dies in memory, with one thread a core and the macros defined.

    Nothing is ever spilled to disk: what is compared here is personal data in the clear.
    """

    def __init__(self) -> None:
        """Open it."""
        self._connection = duckdb.connect(
            ":memory:", config={"threads": os.cpu_count() or 2, "temp_directory": ""}
        )
        self._close = weakref.finalize(self, self._connection.close)
        self._connection.execute("set preserve_insertion_order = false")
        # It would stand in the middle of logs, and of what the command shows of its own progress.
        self._connection.execute("set enable_progress_bar = false")
        self._connection.execute(MACROS)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement as it stands."""
        return self._connection.execute(statement, list(parameters) or None)

    def executemany(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each row of parameters."""
        self._connection.executemany(statement, [list(row) for row in rows])

    def make(self, table: str, query: str) -> None:
        """Make a table of what a query gives, in place of the one of that name."""
        self._connection.execute(f"create or replace table {table} as {query}")

    def make_empty(self, table: str, columns: str) -> None:
        """Make a table without rows, in place of the one of that name."""
        self._connection.execute(f"create or replace table {table} ({columns})")

    def add(self, table: str, query: str) -> None:
        """Add what a query gives to a table, by the names of its columns."""
        self._connection.execute(f"insert into {table} by name {query}")

    def delete(self, table: str, condition: str) -> None:
        """Delete rows."""
        self._connection.execute(f"delete from {table} where {condition}")

    def drop(self, *tables: str) -> None:
        """Let go of tables that are not needed any more."""
        for table in tables:
            self._connection.execute(f"drop table {table}")

    def arrays(self, query: str) -> Mapping[str, Column]:
        """What a query gives, by column."""
        return cast(Mapping[str, Column], self._connection.execute(query).fetchnumpy())

    def arrow(self, query: str) -> pa.Table:
        """What a query gives, as a table."""
        return self._connection.sql(query).to_arrow_table()

    @contextmanager
    def given(self, name: str, rows: pa.Table) -> Iterator[None]:
        """Rows that statements of the block can read under a name."""
        self._connection.register(name, rows)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def close(self) -> None:
        """Let go of the memory."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WarmWorkbench(Workbench):
    """A workbench for the same statements over and over, with few rows each time.

    DuckDB takes a hundred times longer to make such a statement ready than to run it. It keeps the plan of a prepared
    statement as long as no table or view was made or dropped since and the optimizer is off
    (docs/decisions/plans-kept.md). So tables are emptied here, not made anew; rows from outside come through feeds, which
    stay while their content changes; and plans are what the text says, which small tables do not mind.
    """

    def __init__(self) -> None:
        """Open it."""
        super().__init__()
        # Sharing out so little work takes longer than doing it.
        self._connection.execute("set threads = 1")
        self._connection.execute("pragma disable_optimizer")
        self._plans: dict[tuple[str, str], str] = {}
        self._tables: dict[str, set[str]] = {}
        self._empties: set[str] = set()
        self._feeds: dict[str, _Feed] = {}

    def make(self, table: str, query: str) -> None:
        """Empty the table and fill it with what a query gives; the first query says which columns it has."""
        if (table, query) not in self._plans:
            columns = self._columns(query)
            if table not in self._tables:
                self._create(table, ", ".join(f'"{name}" {kind}' for name, kind in columns.items()))
            elif columns.keys() != self._tables[table]:
                raise AssertionError(f"the table {table} is made with other columns than before")
        self._empty(table)
        self._fill(table, table, query)

    def make_empty(self, table: str, columns: str) -> None:
        """Empty the table; it is made when it is not there yet."""
        if table not in self._tables:
            self._create(table, columns)
        self._empty(table)

    def add(self, table: str, query: str) -> None:
        """Add what a query gives to a table, by the names of its columns."""
        self._fill(table, f"add to {table}", query)

    def delete(self, table: str, condition: str) -> None:
        """Delete rows."""
        self._run(table, condition, f"delete from {table} where {condition}")

    def drop(self, *tables: str) -> None:
        """Empty tables that are not needed any more."""
        for table in tables:
            self._empty(table)

    def arrays(self, query: str) -> Mapping[str, Column]:
        """What a query gives, by column."""
        rows = self._connection.execute(f"execute {self._plan('', query, query)}").fetchnumpy()
        return cast(Mapping[str, Column], rows)

    def arrow(self, query: str) -> pa.Table:
        """What a query gives, as a table."""
        # `sql` would bind the statement once more, which takes three times as long as copying so few rows.
        result = self._connection.execute(f"execute {self._plan('', query, query)}")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Arrow output on a DB-API result")
            return result.to_arrow_table()

    @contextmanager
    def given(self, name: str, rows: pa.Table) -> Iterator[None]:
        """Rows that statements of the block can read under a name."""
        feed = self._feeds.get(name)
        if feed is None or feed.rows.schema != rows.schema:
            feed = self._feeds[name] = _Feed(rows)
            self._connection.register(name, feed)
            self._forget_plans()
        feed.rows = rows
        try:
            yield
        finally:
            feed.rows = rows.schema.empty_table()

    def _create(self, table: str, columns: str) -> None:
        self._connection.execute(f"create or replace table {table} ({columns})")
        self._tables[table] = set(self._columns(f"from {table}"))
        self._forget_plans()

    def _empty(self, table: str) -> None:
        if table not in self._empties:
            self._run(table, "", f"delete from {table}")
            self._empties.add(table)

    def _fill(self, table: str, what: str, query: str) -> None:
        self._empties.discard(table)
        self._run(what, query, f"insert into {table} by name {query}")

    def _run(self, what: str, text: str, statement: str) -> None:
        self._connection.execute(f"execute {self._plan(what, text, statement)}")

    def _plan(self, what: str, text: str, statement: str) -> str:
        """The name of the prepared statement."""
        name = self._plans.get((what, text))
        if name is None:
            if _LIMIT.search(_QUOTED.sub("", statement)):
                raise AssertionError("a limit can wait for ever here: see docs/decisions/plans-kept.md")
            name = f"plan_{len(self._plans)}"
            self._connection.execute(f"prepare {name} as {statement}")
            self._plans[what, text] = name
        return name

    def _forget_plans(self) -> None:
        """A table or view was made: DuckDB would make ready every statement anew from now on, each time."""
        for name in self._plans.values():
            self._connection.execute(f"deallocate {name}")
        self._plans.clear()

    def _columns(self, query: str) -> dict[str, str]:
        """By column of what a query gives its type."""
        return {
            str(name): str(kind)
            for name, kind, *_ in self._connection.execute(f"describe {query}").fetchall()
        }


class _Feed:
    """Rows that DuckDB asks for whenever a statement reads them: other ones each time, of one schema."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)
