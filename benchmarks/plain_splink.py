"""Plain Splink over the rows, columns, blocking keys and comparisons that the identity engine prepared.

It is what a team would write with Splink and nothing else: a linker, u from random pairs, expectation
maximisation in two sessions, predict over one exploded array of keys, connected components.
"""

import json
import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from splink import DuckDBAPI, Linker, block_on
from splink.clustering import cluster_pairwise_predictions_at_threshold

from customer_profiles.identity.edges.frequencies import load_features
from customer_profiles.identity.edges.preparation import compared_lists, prepare, prepare_keys
from customer_profiles.identity.edges.workbench import MACROS, workbench
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings

RANDOM_PAIRS = 400_000
"""As many as ours draws; Splink's own default is 1,000,000."""
SESSIONS = (("birth_date", "outcode"), ("name_set", "postcode_area"))
"""What expectation maximisation blocks on: narrow, so that it is quick, and each leaves the other's fields free."""

Say = Callable[[str], None]


def write_prepared(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings, to: Path) -> None:
    """Write what Splink gets: a row a distinct content, the compared columns, and its live keys as an array."""
    with workbench() as connection:
        kinds = prepare(connection, records, bundle.extras, settings)
        load_features(
            connection, bundle.frequencies, bundle.aliases, bundle.rare_columns(), compared_lists(settings)
        )
        prepare_keys(connection, kinds, bundle.rules, settings)
        rare = ", ".join(f"tf_{column}" for column in bundle.rare_columns())
        connection.execute(f"""
            copy (
                select f.* exclude ({rare}), coalesce(k.bk, []) as bk
                from feature f
                left join (select content_no, list(distinct key) as bk from live_key group by content_no) k
                using (content_no)
            ) to '{to}' (format parquet)
        """)


def write_frequencies(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings, to: Path) -> None:
    """Write the frozen frequencies by value, for the check with the same model."""
    with workbench() as connection:
        prepare(connection, records, bundle.extras, settings)
        load_features(
            connection, bundle.frequencies, bundle.aliases, bundle.rare_columns(), compared_lists(settings)
        )
        for column in bundle.rare_columns():
            connection.execute(
                f"copy (select distinct {column}, tf_{column} from feature where {column} is not null) "
                f"to '{to / column}.parquet' (format parquet)"
            )


def run(prepared: Path, model: dict[str, Any], threshold: float, say: Say) -> dict[str, float]:
    """Train, predict, cluster; seconds by phase, and what was found.

    Args:
        prepared: from `write_prepared`.
        model: the comparisons; their shares are forgotten and trained anew.
        threshold: predict edges of at least this weight, in bits.
        say: told what is going on.
    """
    connection, database = _open(prepared)
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    linker = _linker(database, _untrained(model))
    linker.training.estimate_probability_two_random_records_match(
        [block_on("emails[1]"), block_on("phones[1]")], recall=0.7
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=1)
    say("  Splink: u estimated")
    for session in SESSIONS:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*session))
        say(f"  Splink: expectation maximisation over {' + '.join(session)}")
    seconds["train"] = time.perf_counter() - started
    started = time.perf_counter()
    edges = linker.inference.predict(threshold_match_weight=threshold)
    seconds["score"] = time.perf_counter() - started
    say(f"  Splink: predicted in {seconds['score']:.1f} s")
    started = time.perf_counter()
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        edges, threshold_match_weight=threshold
    )
    seconds["cluster"] = time.perf_counter() - started
    found = connection.execute(f"select count(*) from {edges.physical_name}").fetchall()[0][0]
    customers = connection.execute(
        f"select count(distinct cluster_id) from {clusters.physical_name}"
    ).fetchall()[0][0]
    return seconds | {"edges": found, "clusters": customers}


def weights_by_pair(
    prepared: Path, model: dict[str, Any], frequencies: Path, threshold: float
) -> tuple[Any, Any, Any]:
    """Left, right and weight (1/1024 bit) of what Splink predicts with a given model, sorted."""
    connection, database = _open(prepared)
    linker = _with_frequencies(_linker(database, model), database, frequencies)
    edges = linker.inference.predict(threshold_match_weight=threshold)
    rows = connection.execute(
        "select least(content_no_l, content_no_r) as a, greatest(content_no_l, content_no_r) as b, "
        f"round(match_weight * 1024)::bigint as weight from {edges.physical_name} order by a, b"
    ).fetchnumpy()
    return tuple(np.asarray(rows[name], dtype=np.int64) for name in ("a", "b", "weight"))


def batches(
    prepared: Path,
    model: dict[str, Any],
    frequencies: Path,
    threshold: float,
    sizes: Collection[int],
    times: int,
    say: Say,
) -> dict[int, list[float]]:
    """What a batch costs with Splink alone: its pairs with all others and among themselves, then clusters over everything.

    Args:
        prepared: from `write_prepared`.
        model: a trained model.
        frequencies: from `write_frequencies`.
        threshold: predict edges of at least this weight, in bits.
        sizes: rows of a batch.
        times: how many batches of each size.
        say: told what is going on.

    Returns:
        By size the seconds of each batch.
    """
    connection, database = _open(prepared)
    linker = _with_frequencies(_linker(database, model), database, frequencies)
    say("  Splink: predicting what was there before, once")
    known = linker.inference.predict(threshold_match_weight=threshold).physical_name
    rows = connection.execute("select count(*) from prepared").fetchall()[0][0]
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for turn, size in enumerate(size for size in sizes for _ in range(times)):
        connection.execute(
            f"create or replace table arriving as select * from prepared using sample {size} rows (reservoir, {turn})"
        )
        connection.execute(
            "create or replace table there as select * from prepared anti join arriving using (content_no)"
        )
        connection.execute(
            f"create or replace table edges_there as select content_no_l, content_no_r, match_weight, match_probability from {known} "
            "where content_no_l not in (select content_no from arriving) "
            "and content_no_r not in (select content_no from arriving)"
        )
        started = time.perf_counter()
        arriving = database.register("arriving", dataset_display_name=f"arriving_{turn}")
        there = database.register("there", dataset_display_name=f"there_{turn}")
        found = [
            linker.inference.predict_between(there, arriving, threshold_match_weight=threshold),
            linker.inference.predict_within(arriving, threshold_match_weight=threshold),
        ]
        edges = " union all ".join(
            f"select content_no_l, content_no_r, match_weight, match_probability from {name}"
            for name in ("edges_there", *(one.physical_name for one in found))
        )
        connection.execute(f"create or replace table all_edges as {edges}")
        clusters = cluster_pairwise_predictions_at_threshold(
            nodes="prepared",
            edges="all_edges",
            db_api=database,
            node_id_column_name="content_no",
            edge_id_column_name_left="content_no_l",
            edge_id_column_name_right="content_no_r",
            threshold_match_weight=threshold,
        )
        seconds[size].append(time.perf_counter() - started)
        pairs = sum(
            connection.execute(f"select count(*) from {one.physical_name}").fetchall()[0][0] for one in found
        )
        say(f"  Splink: {seconds[size][-1]:.1f} s for {size:,} of {rows:,} rows, {pairs:,} edges")
        for one in (*found, clusters):
            one.drop_table_from_database_and_remove_from_cache()
    return seconds


def _with_frequencies(linker: Linker, database: DuckDBAPI, frequencies: Path) -> Linker:
    """The linker, told how rare values are."""
    for file in sorted(frequencies.glob("*.parquet")):
        shares = database.register(pq.read_table(file), dataset_display_name=f"share_of_{file.stem}")
        linker.table_management.register_term_frequency_lookup(shares, file.stem)
    return linker


def _open(prepared: Path) -> tuple[duckdb.DuckDBPyConnection, DuckDBAPI]:
    logging.getLogger("splink").setLevel(logging.ERROR)
    connection = duckdb.connect(":memory:")
    connection.execute(MACROS)
    connection.execute(f"create table prepared as select * from '{prepared}'")
    return connection, DuckDBAPI(connection)


def _linker(database: DuckDBAPI, model: dict[str, Any]) -> Linker:
    blocked = model | {
        "blocking_rules_to_generate_predictions": [
            block_on("bk", arrays_to_explode=["bk"]).get_blocking_rule("duckdb").as_dict()
        ],
        "retain_intermediate_calculation_columns": False,
        "retain_matching_columns": False,
    }
    rows = database.register("prepared", dataset_display_name="records")
    return Linker(rows, blocked, log_level=logging.ERROR)


def _untrained(model: dict[str, Any]) -> dict[str, Any]:
    plain = json.loads(json.dumps(model))
    for comparison in plain["comparisons"]:
        for level in comparison["comparison_levels"]:
            level.pop("m_probability", None)
            level.pop("u_probability", None)
    return plain
