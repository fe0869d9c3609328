"""An in-memory DuckDB with the macros that names and dates are compared with. No file, no state, no
network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

MACROS = r"""
create or replace macro plain_text(x) as nullif(trim(regexp_replace(
    strip_accents(lower(left(replace(x, '''', ''), 300))), '[^\p{L}\p{N}]+', ' ', 'g')), '');

create or replace macro told_address(x) as case when regexp_matches(x, '[^0-9 ]') then x end;

create or replace macro sorted_words(x) as array_to_string(list_sort(string_split(x, ' ')), ' ');

create or replace macro content_digest(x) as (md5_number_lower(x) >> 2)::bigint;

create or replace macro fingerprint(kind, value) as md5_number_lower(kind || chr(31) || value);

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
def workbench() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that lives and dies in memory.

    Nothing is ever spilled to disk: what is compared here is personal data in the clear.

    Yields:
        The connection, with one thread a core and the macros defined.
    """
    connection = open_workbench()
    try:
        yield connection
    finally:
        connection.close()


def open_workbench() -> duckdb.DuckDBPyConnection:
    """The same, to be closed by whoever keeps it."""
    connection = duckdb.connect(":memory:", config={"threads": os.cpu_count() or 2, "temp_directory": ""})
    connection.execute("set preserve_insertion_order = false")
    connection.execute(MACROS)
    return connection
