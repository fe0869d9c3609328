"""How rare values are: counted once when a model is trained, frozen with it, looked up ever after.

Values are kept as fingerprints, never in the clear, and only when at least two contents have them: any
other value is as rare as values get.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

TOKEN = "token"


@dataclass(frozen=True)
class Frequencies:
    """Frozen shares of values.

    Attributes:
        values: columns field, fingerprint (64-bit), share: of the contents that know the field, how many
            have the value.
        floors: by field, the share of a value that is not listed.
    """

    values: pa.Table
    floors: dict[str, float]


def count_frequencies(connection: duckdb.DuckDBPyConnection, columns: Collection[str]) -> Frequencies:
    """Count the words of names and the values of columns over the table `content`."""
    parts = ["select 'token' as field, unnest(name_words) as value from content"]
    parts += [
        f"select '{column}' as field, {column} as value from content where {column} is not null"
        for column in sorted(columns)
    ]
    connection.execute(
        "create or replace temp table valued (field varchar, fingerprint ubigint, holders bigint)"
    )
    floors: dict[str, float] = {}
    for part in parts:
        connection.execute(
            "insert into valued select field, fingerprint(field, value), count(*) "
            f"from ({part}) where value is not null group by field, value"
        )
    contents = int(connection.execute("select count(*) from content where name is not null").fetchall()[0][0])
    for field, total in connection.execute(
        "select field, sum(holders) from valued group by field"
    ).fetchall():
        floors[field] = 1.0 / max(contents if field == TOKEN else int(total), 2)
    floors.setdefault(TOKEN, 0.5)
    connection.execute("create or replace temp table floor (field varchar, share double)")
    connection.executemany("insert into floor values (?, ?)", sorted(floors.items()))
    values = connection.sql(
        "select field, fingerprint, least(1.0, holders * share) as share from valued join floor using (field) "
        "where holders > 1 order by field, fingerprint"
    ).to_arrow_table()
    return Frequencies(values, floors)


def blended(counted: Frequencies, general: Frequencies, strength: float) -> Frequencies:
    """Frequencies counted on few records, filled up with general knowledge.

    Args:
        counted: what the few records have.
        general: the frequencies of the shipped priors.
        strength: how many records the general frequencies are worth.
    """
    known: dict[tuple[str, int], float] = {}
    weight = {field: 1.0 / (1.0 + strength * floor) for field, floor in counted.floors.items()}
    floors = {
        field: weight[field] * floor + (1 - weight[field]) * general.floors.get(field, floor)
        for field, floor in counted.floors.items()
    }
    for row in general.values.to_pylist():
        if row["field"] in floors:
            field = row["field"]
            known[field, row["fingerprint"]] = (
                weight[field] * counted.floors[field] + (1 - weight[field]) * row["share"]
            )
    for row in counted.values.to_pylist():
        key = (row["field"], row["fingerprint"])
        rest = known.get(key, floors[key[0]]) - weight[key[0]] * counted.floors[key[0]]
        known[key] = weight[key[0]] * row["share"] + max(rest, 0.0)
    fields, prints = zip(*sorted(known), strict=True) if known else ((), ())
    values = pa.table(
        {
            "field": pa.array(fields, pa.string()),
            "fingerprint": pa.array(prints, pa.uint64()),
            "share": pa.array([known[key] for key in sorted(known)], pa.float64()),
        }
    )
    return Frequencies(values, floors)


def load_features(
    connection: duckdb.DuckDBPyConnection,
    frequencies: Frequencies,
    aliases: pa.Table,
    columns: Collection[str],
    lists: Collection[str],
) -> None:
    """Write the table `feature`: what comparisons read, one row a content.

    Args:
        connection: a workbench with the tables `content` and `contact`.
        frequencies: how rare values are.
        aliases: columns token, alias: names that stand for each other.
        columns: columns of `content` whose rare values weigh more; each gets its `tf_` column.
        lists: columns of `contact` that are compared.
    """
    load_frequencies(connection, frequencies, aliases)
    load_feature_rows(connection, frequencies.floors, columns, lists)


def load_frequencies(
    connection: duckdb.DuckDBPyConnection, frequencies: Frequencies, aliases: pa.Table
) -> None:
    """Write the tables `frequency` and `alias`, which stay the same as long as the model does."""
    connection.register("frequency_source", frequencies.values)
    connection.execute("create or replace temp table frequency as select * from frequency_source")
    connection.unregister("frequency_source")
    connection.register("alias_source", aliases)
    connection.execute(
        "create or replace temp table alias as select token, list(alias order by alias) as aliases "
        "from alias_source group by token"
    )
    connection.unregister("alias_source")


def narrow_frequencies(connection: duckdb.DuckDBPyConnection, columns: Collection[str]) -> None:
    """Write the table `frequency_here`: of the frequencies those that the few rows of `content` will ask for.

    Each column would read all frequencies by itself; so they are read once.
    """
    asked = [f"select fingerprint('{TOKEN}', unnest(name_words)) as fingerprint from content"]
    asked += [f"select fingerprint('{column}', {column}) from content" for column in sorted(columns)]
    connection.execute(
        "create or replace temp table frequency_here as select f.* from frequency f "
        f"semi join ({' union all '.join(asked)}) using (fingerprint)"
    )


def load_feature_rows(
    connection: duckdb.DuckDBPyConnection,
    floors: Mapping[str, float],
    columns: Collection[str],
    lists: Collection[str],
    table: str = "frequency",
) -> None:
    """Write the table `feature` with frequencies and aliases that are loaded, here or in another table; see `load_features`."""
    floor = floors.get(TOKEN, 0.5)
    connection.execute(f"""
        create or replace temp table name_feature as
        with word as (
            select distinct word from (select unnest(name_words) as word from content)
        ),
        priced as (
            select word, round(-log2(coalesce(f.share, {floor})), 3) as bits, coalesce(aliases, []) as aliases
            from word
            left join {table} f on f.field = '{TOKEN}' and f.fingerprint = fingerprint('{TOKEN}', word)
            left join alias on alias.token = word
        )
        select content_no,
            list({{'token': word, 'bits': bits, 'aliases': aliases}} order by word) as name_tokens,
            list_sum(list(bits order by word)) as name_total
        from (select content_no, unnest(name_words) as word from content) join priced using (word)
        group by content_no
    """)
    joins, shares = [], []
    for column in sorted(columns):
        joins.append(
            f"left join {table} f_{column} on f_{column}.field = '{column}' "
            f"and f_{column}.fingerprint = fingerprint('{column}', c.{column})"
        )
        share = floors.get(column, 1.0)
        shares.append(
            f"case when c.{column} is not null then coalesce(f_{column}.share, {share}) end as tf_{column}"
        )
    connection.execute(f"""
        create or replace table feature as
        select
            c.* exclude (copies, digest, name_words, emails, phones, identifiers),
            n.name_tokens, n.name_total
            {"".join(f", coalesce(k.{name}, []) as {name}" for name in lists)}
            {"".join(f", {share}" for share in shares)}
        from content c
        left join name_feature n using (content_no)
        left join contact k using (content_no)
        {" ".join(joins)}
    """)
    connection.execute("drop table name_feature")
