"""Whether those who share a home are told apart by name and birth date: learnt from how often both differ."""

from collections.abc import Iterator, Mapping

import duckdb
import pyarrow as pa
import pytest

from customer_profiles.identity.edges.comparisons import LOCATION
from customer_profiles.identity.edges.scoring import DATE_CONFLICT, NAME_CONFLICT
from customer_profiles.identity.graph.records import facts_of
from customer_profiles.identity.model.households import relatives_share_homes
from customer_profiles.settings.identity import IdentitySettings

BOTH = NAME_CONFLICT + DATE_CONFLICT
SAME_HOME = len(LOCATION.levels)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def show_pairs(
    connection: duckdb.DuckDBPyConnection, pairs: Mapping[int, int], home: int = SAME_HOME, date: int = 0
) -> None:
    """Pairs of records by what differs, as scoring leaves them."""
    rows = [bits for bits, count in pairs.items() for _ in range(count)]
    connection.register(
        "made",
        pa.table(
            {
                "content_no_l": range(len(rows)),
                "content_no_r": [number + 1 for number in range(len(rows))],
                "gamma_location": [home] * len(rows),
                "gamma_birth_date": [date] * len(rows),
                "fact_r": rows,
            }
        ),
    )
    connection.execute("create or replace table __splink__df_comparison_vectors as select * from made")


def test_many_who_share_a_home_and_differ_in_both_are_relatives(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    show_pairs(connection, {0: 1000, NAME_CONFLICT: 400, DATE_CONFLICT: 10, BOTH: 800})

    assert relatives_share_homes(connection)


def test_no_more_than_accidents_explain_are_garbled_records_of_one_person(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    show_pairs(connection, {0: 1500, NAME_CONFLICT: 230, DATE_CONFLICT: 120, BOTH: 20})

    assert not relatives_share_homes(connection)


@pytest.mark.parametrize("pairs", [{0: 1}, {0: 50, NAME_CONFLICT: 3, DATE_CONFLICT: 3}, {BOTH: 1}])
def test_where_too_little_is_known_a_conflict_forbids(
    connection: duckdb.DuckDBPyConnection, pairs: dict[int, int]
) -> None:
    show_pairs(connection, pairs)

    assert relatives_share_homes(connection)


def test_those_of_another_home_or_without_a_birth_date_say_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    accidents = {0: 1500, NAME_CONFLICT: 230, DATE_CONFLICT: 120, BOTH: 20}

    show_pairs(connection, accidents, home=SAME_HOME - 1)
    assert relatives_share_homes(connection)
    show_pairs(connection, accidents, date=-1)
    assert relatives_share_homes(connection)


def test_without_the_veto_names_and_birth_dates_forbid_nothing() -> None:
    records = pa.table({"record_no": [1], "given_name": ["Anna"], "birth_date": ["1980-01-02"]})

    with_veto = facts_of(records, (), IdentitySettings(identifiers={}), conflict_veto=True)
    without = facts_of(records, (), IdentitySettings(identifiers={}), conflict_veto=False)

    assert (with_veto[1].first_name, with_veto[1].birth_date) == ("anna", "1980-01-02")
    assert (without[1].first_name, without[1].birth_date) == (None, None)
