"""Scores of pairs by Splink's own SQL, compiled once from a model and run over the pairs of a workbench.

Splink's `predict` would block, fill in term frequencies and evaluate the name expression again for every
level. Here the pairs are given (`candidate`), frequencies are columns of `feature`, and the name expression
is a column of the pair, computed once. The steps are Splink's internals: splink is pinned, and a test
compares the weights with Splink's own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from splink import SettingsCreator
from splink.internals.predict import predict_from_comparison_vectors_sqls_using_settings
from splink.internals.settings import Settings

from customer_profiles.identity.edges.comparisons import DATE_SLIPS, FIRST_NAMES_DIFFER, NAME_BITS
from customer_profiles.identity.edges.workbench import Column, Workbench

UNITS_A_BIT = 1024
"""Weights are whole numbers of 1/1024 bit, so that sums are exact and their order cannot matter."""
NAME_CONFLICT, DATE_CONFLICT = 1, 2
"""Bits of the column `conflicts`."""

LEVELS = "__splink__df_comparison_vectors"
"""The table of levels, as Splink's own SQL calls it."""
PAIRS_AT_ONCE = 500_000
"""The join of a pair's two sides holds one of them for so many pairs in memory."""
PAIRS_BESIDE = 50_000
"""The two records of so many pairs stand beside each other in memory."""

COSTLY = {NAME_BITS: "shared_bits", FIRST_NAMES_DIFFER: "other_first_name", DATE_SLIPS: "slips"}
"""Expressions that several levels read: computed once a pair, in columns of these names."""


@dataclass(frozen=True)
class CompiledScoring:
    """The SQL of a model, step by step.

    Attributes:
        side: the columns of the two records that are compared, gathered from `candidate` and `feature`.
        levels: the level that each comparison reaches.
        steps: from levels to the weight: (name of the table, query), in order.
        compared: the columns of `feature` that the two records have in there.
        beside: what `side` gives, from pairs whose two records stand beside each other already, in `beside`.
        gammas: the columns of levels, in the order of the model's comparisons.
        patterns: how many of the pairs in `candidate` show each pattern of levels, none of them written down.
    """

    side: str
    levels: str
    steps: tuple[tuple[str, str], ...]
    compared: tuple[str, ...]
    beside: str
    gammas: tuple[str, ...]
    patterns: str


_UNCOMPARED = {
    "output_table_name": "__splink__df_predict",
    "sql": f"select 0.0 as match_weight, content_no_l, content_no_r, fact_l, fact_r from {LEVELS}",
}
"""Where records have nothing to compare, Splink's own SQL would not parse: every candidate weighs nothing."""


_OF_LEFT = re.compile(r'"l"\."(\w+)"')


def _on_sides(expression: str) -> str:
    """An expression on columns that end in `_l` and `_r`, as one on the tables `l` and `r`."""
    return re.sub(r"\b(\w+)_([lr])\b", r"\2.\1", expression)


def compile_scoring(model: dict[str, Any]) -> CompiledScoring:
    """Compile a Splink model for the tables `feature` and `candidate`.

    Args:
        model: Splink's model JSON.
    """
    lean = model | {
        "retain_intermediate_calculation_columns": False,
        "retain_matching_columns": False,
        "additional_columns_to_retain": ["fact"],
    }
    settings: Settings = SettingsCreator.from_path_or_dict(lean).get_settings("duckdb")
    columns = [
        c for c in settings._columns_to_select_for_blocking if not c.endswith(('"fact_l"', '"fact_r"'))
    ]
    once = ", ".join(f"{expression} as {column}" for expression, column in COSTLY.items())
    once += f", birth_dates_differ(birth_date_l, birth_date_r, {DATE_SLIPS}) as other_birth_date, '0' as match_key"
    side = (
        f"select {', '.join(columns)}, {_on_sides(once)}, p.support "
        "from candidate p join feature l on l.content_no = p.left_no join feature r on r.content_no = p.right_no"
    )
    levels = ", ".join(settings._columns_to_select_for_comparison_vector_values)
    for expression, column in COSTLY.items():
        levels = levels.replace(expression, column)
    if any(expression.partition("(")[0] + "(" in levels for expression in COSTLY):
        raise AssertionError("Splink rewrote a costly expression: it would be computed again for every level")
    levels = levels.replace('"fact_l"', "support as fact_l").replace(
        '"fact_r"',
        f"{NAME_CONFLICT} * other_first_name::integer + {DATE_CONFLICT} * other_birth_date::integer as fact_r",
    )
    steps = (
        predict_from_comparison_vectors_sqls_using_settings(settings)
        if settings.comparisons
        else [_UNCOMPARED]
    )
    gammas = tuple(c._gamma_column_name for c in settings.comparisons)
    return CompiledScoring(
        side=side,
        levels=f"select {levels} from side",
        steps=tuple((step["output_table_name"], step["sql"]) for step in steps),
        compared=tuple(match[1] for column in columns if (match := _OF_LEFT.match(column))),
        beside=f"select *, {once} from beside",
        gammas=gammas,
        patterns=_patterns(side, f"select {levels} from side", gammas),
    )


def _patterns(side: str, levels: str, gammas: tuple[str, ...]) -> str:
    columns = ", ".join(gammas)
    return (
        f"with side as not materialized ({side}), compared as ({levels}) "
        f"select {columns}, count(*) as pairs from compared group by {columns} order by {columns}"
    )


def load_levels(bench: Workbench, scoring: CompiledScoring) -> None:
    """Write the table `LEVELS`: for each candidate the level of each comparison."""
    # Streamed: written down, the two sides of a pair would take more than a kilobyte. Costly columns are computed once all
    # the same, for a projection over a projection is not folded into it.
    rows = bench.arrays(
        "select coalesce(min(rowid), 0) as first, coalesce(max(rowid), 0) as last from candidate"
    )
    start, last = int(rows["first"][0]), int(rows["last"][0])
    if last - start < PAIRS_AT_ONCE:
        bench.make(LEVELS, f"with side as not materialized ({scoring.side}) {scoring.levels}")
        return
    write = bench.make
    for first in range(start, last + 1, PAIRS_AT_ONCE):
        some = f"(select * from candidate where rowid between {first} and {first + PAIRS_AT_ONCE - 1})"
        side = scoring.side.replace("from candidate p", f"from {some} p")
        write(LEVELS, f"with side as not materialized ({side}) {scoring.levels}")
        write = bench.add


def load_weights(bench: Workbench, scoring: CompiledScoring) -> None:
    """Write the table `scored` from the levels: left_no, right_no, weight (in 1/1024 bit), support,
    conflict flags.

    `conflicts` is `NAME_CONFLICT` when both first names are known and differ, plus `DATE_CONFLICT` when both
    birth dates are known and differ.
    """
    steps = ", ".join(f"{name} as materialized ({sql})" for name, sql in scoring.steps)
    bench.make("scored", f"with {steps} {_scored(scoring)}")


def keeping(
    bench: Workbench, scoring: CompiledScoring, features: pa.Table, pairs: pa.Table, kept: str
) -> Callable[[], Mapping[str, Column]]:
    """Gives what a query keeps of the scores of a batch's pairs, when called; one statement does it all.

    A join in the workbench would write down all columns of one side, and a table of levels those of both. What comes before
    the statement is done already, for what is left needs Python for moments only: it can be called in a thread.

    Args:
        bench: a workbench.
        scoring: the model.
        features: what is compared, one row a content.
        pairs: columns left_no, right_no, support; at least one.
        kept: the query, over what `load_weights` writes into `scored`.
    """
    steps = (
        ("side", scoring.beside),
        (LEVELS, scoring.levels),
        *scoring.steps,
        ("scored", _scored(scoring)),
    )
    query = f"with {', '.join(f'{name} as not materialized ({sql})' for name, sql in steps)} {kept}"
    tables = _beside(scoring, features, pairs)
    first = next(tables)

    def keep() -> Mapping[str, Column]:
        found = []
        for table in chain((first,), tables):
            with bench.given("beside", table):
                found.append(bench.arrays(query))
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    return keep


def _beside(scoring: CompiledScoring, features: pa.Table, pairs: pa.Table) -> Iterator[pa.Table]:
    """The two records of each pair beside each other, some pairs at a time."""
    numbers, compared = features["content_no"].to_numpy(), features.select(scoring.compared)
    rising = np.argsort(numbers)
    for start in range(0, pairs.num_rows, PAIRS_BESIDE):
        some = pairs.slice(start, PAIRS_BESIDE)
        beside = {"support": some["support"]}
        for number, ending in (("left_no", "_l"), ("right_no", "_r")):
            side = compared.take(rising[np.searchsorted(numbers, some[number].to_numpy(), sorter=rising)])
            beside |= {name + ending: side[name] for name in scoring.compared}
        yield pa.table(beside)


def _scored(scoring: CompiledScoring) -> str:
    return (
        "select content_no_l as left_no, content_no_r as right_no, "
        f"round(match_weight * {UNITS_A_BIT})::integer as weight, fact_l as support, fact_r as conflicts "
        f"from {scoring.steps[-1][0]}"
    )
