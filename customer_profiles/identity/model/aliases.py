"""Names that stand for each other: those everybody knows, and those that the records themselves teach."""

import csv
from importlib import resources

import pyarrow as pa

from customer_profiles.identity.edges.workbench import Workbench

FEWEST_CLUSTERS = 2
LEAST_LIFT = 3.0
LEAST_SHARE = 0.02

_SCHEMA = pa.schema([("token", pa.string()), ("alias", pa.string())])


def nicknames() -> pa.Table:
    """The English short forms and spellings of first names that ship with the package, both ways round."""
    pairs: set[tuple[str, str]] = set()
    with resources.files(__package__).joinpath("priors", "nicknames.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for short in row["also"].split():
                pairs |= {(row["name"], short), (short, row["name"])}
    return _table(pairs)


def learned_aliases(bench: Workbench) -> pa.Table:
    """Words that meet in the names of the same person far more often than chance would have it, in several
    people.

    Args:
        bench: a workbench with the tables `content` and `person_group` (content_no, group_no):
            contents that are surely one person, in groups of two or more.
    """
    rows = bench.execute(f"""
        with word as (
            select distinct group_no, unnest(name_words) as word from content join person_group using (content_no)
        ),
        told as (select * from word where length(word) > 1),
        spread as (select word, count(*) as groups from told group by word),
        total as (select count(distinct group_no) as groups from told),
        met as (
            select a.word as token, b.word as alias, count(*) as groups
            from told a join told b on a.group_no = b.group_no and a.word <> b.word
            group by all having count(*) >= {FEWEST_CLUSTERS}
        ),
        side_by_side as (
            select a.word as token, b.word as alias, count(*) as contents
            from (select content_no, unnest(name_words) as word from content) a
            join (select content_no, unnest(name_words) as word from content) b
                on a.content_no = b.content_no and a.word <> b.word
            group by all
        )
        select met.token, met.alias
        from met
        join spread t on t.word = met.token
        join spread a on a.word = met.alias
        cross join total
        left join side_by_side s on s.token = met.token and s.alias = met.alias
        where log2(met.groups * total.groups / (t.groups * a.groups)) >= {LEAST_LIFT}
            and met.groups >= {LEAST_SHARE} * least(t.groups, a.groups)
            and coalesce(s.contents, 0) <= met.groups
    """).fetchall()
    return _table(set(rows))


def both(one: pa.Table, other: pa.Table) -> pa.Table:
    """Two tables of aliases as one, without repeats, in order."""
    return _table({tuple(row.values()) for table in (one, other) for row in table.to_pylist()})


def _table(pairs: set[tuple[str, str]]) -> pa.Table:
    tokens, aliases = zip(*sorted(pairs), strict=True) if pairs else ((), ())
    return pa.table([pa.array(tokens, pa.string()), pa.array(aliases, pa.string())], schema=_SCHEMA)
