"""Bulk writes and look-ups: the same rows on both engines as writing one row after the other would give."""

import random
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from customer_profiles.state import bulk
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.engine import State

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
sums = sa.Table(
    "sums",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", _text, primary_key=True),
    sa.Column("label", _text),
    sa.Column("total", sa.BigInteger),
    sa.Column("newest", sa.BigInteger),
    sa.Column("last_name", _text),
    sa.Column("first_seen", sa.LargeBinary),
    sa.Column("share", sa.Double),
)
COLUMNS = ("number", "kind", "label", "total", "newest", "last_name", "first_seen", "share")
RULES = {
    "key": ("number", "kind"),
    "replace": ["label", "share"],
    "add": ["total"],
    "greatest": ["newest", "last_name"],
}
Row = tuple[object, ...]


@pytest.fixture(params=[0, 1_000], ids=["copied", "within"])
def with_sums(state: State, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> State:
    """Rows go to Postgres by way of a table beside, or within the statement, few as they are here."""
    monkeypatch.setattr(bulk, "_FEW_ROWS", request.param)
    with state.writing() as connection:
        sums.create(connection)
    return state


def _upsert_and_fail(state: State, rows: list[Row]) -> None:
    with state.writing() as connection:
        upsert_rows(connection, sums, COLUMNS, rows, **RULES)
        raise RuntimeError


def _all(state: State) -> list[Row]:
    with state.reading() as connection:
        return [
            tuple(row) for row in connection.execute(sa.select(sums).order_by(sums.c.number, sums.c.kind))
        ]


def _upsert(state: State, rows: list[Row]) -> int:
    with state.writing() as connection:
        return upsert_rows(connection, sums, COLUMNS, rows, **RULES)


def test_a_new_key_is_inserted_and_a_known_one_changed_by_its_rules(with_sums: State) -> None:
    _upsert(with_sums, [(1, "a", "old", 10, 5, "m", b"\x00\xff", 0.5)])
    _upsert(with_sums, [(1, "a", "new", 7, 3, "z", b"other", 0.25), (2, "a", None, 1, 1, None, None, None)])
    assert _all(with_sums) == [
        (1, "a", "new", 17, 5, "z", b"\x00\xff", 0.25),
        (2, "a", None, 1, 1, None, None, None),
    ]


def test_several_rows_of_one_key_in_a_batch_act_one_after_the_other(with_sums: State) -> None:
    row = (1, "a", "first", 1, 1, "b", b"1", None)
    assert (
        _upsert(
            with_sums,
            [row, (1, "a", "second", 2, 9, "a", b"2", None), (1, "a", "third", 3, 4, "c", b"3", 1.0)],
        )
        == 1
    )
    assert _all(with_sums) == [(1, "a", "third", 6, 9, "c", b"1", 1.0)]


def test_adding_or_comparing_with_null_changes_nothing(with_sums: State) -> None:
    _upsert(with_sums, [(1, "a", "x", 5, 5, "b", None, None), (2, "a", "x", None, None, None, None, None)])
    _upsert(with_sums, [(1, "a", "x", None, None, None, None, None), (2, "a", "x", 4, 4, "d", None, None)])
    assert [row[3:6] for row in _all(with_sums)] == [(5, 5, "b"), (4, 4, "d")]


def test_without_rules_a_known_key_stays_as_it_is(with_sums: State) -> None:
    for label in ("first", "second"):
        with with_sums.writing() as connection:
            upsert_rows(
                connection, sums, ("number", "kind", "label"), [(1, "a", label)], key=("number", "kind")
            )
    assert [row[2] for row in _all(with_sums)] == ["first"]


@pytest.mark.parametrize(
    "text", ["tab\tline\nreturn\r", "back\\slash \\N \\.", "quote ' \" % %s ? :x", "žluťoučký 😀", ""]
)
def test_any_text_comes_back_as_it_was(with_sums: State, text: str) -> None:
    _upsert(with_sums, [(1, text, text, 1, 1, text, text.encode(), None)])
    _upsert(with_sums, [(1, text, text, 1, 1, text, text.encode(), None)])
    assert _all(with_sums) == [(1, text, text, 2, 1, text, text.encode(), None)]
    with with_sums.writing() as connection:
        assert rows_by_key(connection, sums, ("number", "kind"), [(1, text)], ["label"]) == [(text,)]
        assert delete_rows(connection, sums, ("number", "kind"), [(1, text)]) == 1


def test_numbers_keep_all_their_64_bits(with_sums: State) -> None:
    least, most = -(2**63), 2**63 - 1
    _upsert(
        with_sums,
        [(least, "a", None, most, most, None, None, None), (most, "a", None, least, 0, None, None, None)],
    )
    assert [(row[0], row[3]) for row in _all(with_sums)] == [(least, most), (most, least)]
    with with_sums.reading() as connection:
        assert rows_by_key(connection, sums, "number", [least], ["total"]) == [(most,)]


def test_whole_and_real_numbers_and_nulls_stand_side_by_side_in_a_batch(with_sums: State) -> None:
    shares = [0, 0.25, None, 1]
    _upsert(
        with_sums,
        [(number, "a", None, None, number, None, b"", share) for number, share in enumerate(shares)],
    )
    assert [row[7] for row in _all(with_sums)] == shares


def test_ten_thousand_random_rows_give_what_plain_python_gives(with_sums: State) -> None:
    chance = random.Random(7)
    names = ["", "a", "B", "á", "Z", "ž", "zz", "😀", "~"]
    expected: dict[tuple[object, object], list[object]] = {}
    for _ in range(20):
        batch: list[Row] = []
        for _ in range(500):
            number, kind = chance.randrange(800), chance.choice(names)
            newest = chance.choice([None, chance.randrange(-9, 9)])
            total = chance.choice([None, chance.randrange(-(10**12), 10**12)])
            label, last_name = chance.choice([*names, None]), chance.choice([*names, None])
            batch.append((number, kind, label, total, newest, last_name,
                          chance.randbytes(3), chance.random()))  # fmt: skip
        _upsert(with_sums, batch)
        for row in batch:
            known = expected.setdefault((row[0], row[1]), list(row))
            if known != list(row):
                known[2], known[7] = row[2], row[7]
                known[3] = _merge(known[3], row[3], lambda a, b: a + b)
                known[4], known[5] = _merge(known[4], row[4], max), _merge(known[5], row[5], max)
    assert _all(with_sums) == sorted((tuple(row) for row in expected.values()), key=lambda row: row[:2])


def _merge(old: object, new: object, rule: Callable[..., object]) -> object:
    return new if old is None else old if new is None else rule(old, new)


def test_insert_refuses_a_key_that_is_there_and_keeps_nothing_of_the_batch(with_sums: State) -> None:
    _upsert(with_sums, [(5, "a", "x", 1, 1, "x", None, None)])
    with pytest.raises(sa.exc.IntegrityError), with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind"), [(4, "a"), (5, "a"), (6, "a")])
    assert [row[0] for row in _all(with_sums)] == [5]


def test_a_transaction_goes_on_after_an_upsert_was_rolled_back(with_sums: State) -> None:
    with pytest.raises(RuntimeError):
        _upsert_and_fail(with_sums, [(1, "a", "x", 1, 1, "x", None, None)])
    assert _upsert(with_sums, [(1, "a", "x", 1, 1, "x", None, None)]) == 1
    assert len(_all(with_sums)) == 1


def test_several_upserts_in_one_transaction_do_not_see_each_others_rows(with_sums: State) -> None:
    with with_sums.writing() as connection:
        for number in (1, 2, 3):
            upsert_rows(connection, sums, COLUMNS, [(number, "a", "x", 1, 1, "x", None, None)], **RULES)
    assert [row[3] for row in _all(with_sums)] == [1, 1, 1]


def test_a_key_without_value_is_refused(with_sums: State) -> None:
    with pytest.raises(ValueError, match="kind"), with_sums.writing() as connection:
        upsert_rows(connection, sums, ("number", "kind"), [(1, "a"), (1, None)], key=("number", "kind"))


def test_a_rule_for_a_column_without_values_is_refused(with_sums: State) -> None:
    with pytest.raises(ValueError, match="total"), with_sums.writing() as connection:
        upsert_rows(connection, sums, ("number", "kind"), [(1, "a")], key=("number", "kind"), add=["total"])


def test_nothing_is_nothing(with_sums: State) -> None:
    with with_sums.writing() as connection:
        assert insert_rows(connection, sums, ("number", "kind"), []) == 0
        assert upsert_rows(connection, sums, ("number", "kind"), [], key="number") == 0
        assert delete_rows(connection, sums, "number", []) == 0
        assert rows_by_key(connection, sums, "number", [], ["kind"]) == []


@pytest.mark.parametrize("count", [1, 7_999, 8_000, 8_001, 20_000])
def test_look_ups_of_any_number_find_each_row_once(with_sums: State, count: int) -> None:
    with with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind", "total"), [(i, "a", i * 2) for i in range(count)])
    wanted = [*range(count), 0, None, -1]
    with with_sums.reading() as connection:
        found = rows_by_key(connection, sums, "number", wanted, ["number", "total"])
        pairs = rows_by_key(connection, sums, ("number", "kind"), [(i, "a") for i in range(count)], ["total"])
    assert sorted(found) == [(i, i * 2) for i in range(count)]
    assert sorted(pairs) == [(i * 2,) for i in range(count)]


def test_a_look_up_gives_every_row_of_a_value(with_sums: State) -> None:
    with with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind"), [(1, "a"), (1, "b"), (2, "a")])
        assert sorted(rows_by_key(connection, sums, "number", [1], ["number", "kind"])) == [
            (1, "a"),
            (1, "b"),
        ]
        assert delete_rows(connection, sums, "number", [1, 1, 7]) == 2
    assert [row[:2] for row in _all(with_sums)] == [(2, "a")]


@pytest.mark.parametrize("wanted", [[1, 2, 3], ["1", "2"]])
def test_a_look_up_within_one_value_of_another_column_gives_those_rows_alone(
    with_sums: State, wanted: list[int] | list[str]
) -> None:
    rows = [(1, "a"), (1, "b"), (2, "a"), (3, "b")]
    key, other = ("number", "kind") if isinstance(wanted[0], int) else ("label", "number")
    with with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind", "label"), [(*row, str(row[0])) for row in rows])
        found = rows_by_key(
            connection,
            sums,
            key,
            wanted,
            ["number", "kind"],
            within={other: {"kind": "a", "number": 1}[other]},
        )
    assert sorted(found) == {"kind": [(1, "a"), (2, "a")], "number": [(1, "a"), (1, "b")]}[other]


@pytest.mark.parametrize("wanted", [[1, 2], [(1, "a"), (2, "a")]])
def test_a_look_up_from_a_least_value_on_leaves_out_what_is_below(
    with_sums: State, wanted: list[object]
) -> None:
    key = ("number", "kind") if isinstance(wanted[0], tuple) else "number"
    rows = [(1, "a", 5), (1, "b", 9), (2, "a", 7)]
    with with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind", "total"), rows)
        found = rows_by_key(
            connection, sums, key, wanted, ["number"], within={"kind": "a"}, least={"total": 6}
        )
    assert found == [(2,)]


def test_a_look_up_of_the_largest_numbers_finds_them(with_sums: State) -> None:
    largest = [2**63 - 1, -(2**63), 2**53 + 1]
    with with_sums.writing() as connection:
        insert_rows(connection, sums, ("number", "kind"), [(number, "a") for number in largest])
        found = rows_by_key(connection, sums, "number", largest, ["number"], within={"kind": "a"})
    assert sorted(found) == sorted((number,) for number in largest)


def test_a_look_up_goes_through_the_index(state_factory: Callable[[str], State]) -> None:
    state = state_factory("sqlcipher")
    with state.writing() as connection:
        sums.create(connection)
        seen: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *given: seen.append(given[2]))
        rows_by_key(connection, sums, ("number", "kind"), [(1, "a"), (2, "b")], ["total"])
        rows_by_key(connection, sums, "number", [1, 2], ["total"], within={"kind": "a"})
        plans = [
            connection.exec_driver_sql("EXPLAIN QUERY PLAN " + seen[0], (1, "a", 2, "b")).all(),
            connection.exec_driver_sql("EXPLAIN QUERY PLAN " + seen[1], ("[1, 2]", "a")).all(),
        ]
    for plan in plans:
        assert any("SEARCH t USING INDEX" in row[3] and "(number=? AND kind=?)" in row[3] for row in plan)
        assert not any("SCAN t" in row[3] for row in plan)
