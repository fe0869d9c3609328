"""The workbench that remembers how statements are run gives what one gives that forgets."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from customer_profiles.identity.edges.workbench import WarmWorkbench, Workbench

WORDS = "select number, plain_text(word) as word from said"
COUNTED = "select word, count(*) as times from spoken group by word"


@pytest.fixture
def warm() -> Iterator[WarmWorkbench]:
    with WarmWorkbench() as bench:
        yield bench


def counted(bench: Workbench, said: pa.Table) -> list[tuple[object, ...]]:
    with bench.given("said", said):
        bench.make("spoken", WORDS)
    bench.make("counted", COUNTED)
    return bench.execute("select * from counted order by word").fetchall()


def said(*words: str) -> pa.Table:
    return pa.table({"number": pa.array(range(len(words)), pa.int64()), "word": pa.array(words, pa.string())})


def plans(bench: WarmWorkbench) -> list[tuple[object, ...]]:
    return bench.execute("select name, statement from duckdb_prepared_statements() order by name").fetchall()


@pytest.mark.parametrize(
    "words", [[], ["Ada"], ["Ada", "ada ", "Bob"], [f"word {n % 7}" for n in range(5_000)]]
)
def test_it_gives_the_same_rows_batch_after_batch(warm: WarmWorkbench, words: list[str]) -> None:
    with Workbench() as forgetful:
        for batch in (["Zoe"], words, ["Zoe", "zoe"], words, []):
            assert counted(warm, said(*batch)) == counted(forgetful, said(*batch))


def test_nothing_is_made_ready_anew_from_the_third_batch_on(warm: WarmWorkbench) -> None:
    for batch in ("Ada", "Bob"):
        counted(warm, said(batch))
    before = plans(warm)
    counted(warm, said("Cid", "Dee"))
    assert plans(warm) == before
    assert before


def test_a_table_that_is_made_later_spoils_no_statement(warm: WarmWorkbench) -> None:
    for batch in ("Ada", "Bob"):
        counted(warm, said(batch))
    warm.make("other", "select 1 as one")
    assert counted(warm, said("Cid", "Cid")) == [("cid", 2)]


def test_what_is_given_can_have_other_columns_the_next_time(warm: WarmWorkbench) -> None:
    counted(warm, said("Ada"))
    wider = pa.table(
        {"word": ["Bob", "bob"], "number": pa.array([1, 2], pa.int32()), "spoken_by": ["x", "y"]}
    )
    assert counted(warm, wider) == [("bob", 2)]
    assert counted(warm, said("Cid")) == [("cid", 1)]


def test_what_was_given_is_let_go_of_after_the_block(warm: WarmWorkbench) -> None:
    counted(warm, said("Ada"))
    assert warm.execute("select count(*) from said").fetchall() == [(0,)]


def test_rows_are_added_by_name_deleted_and_dropped(warm: WarmWorkbench) -> None:
    for _ in range(3):
        warm.make_empty("pair", "one bigint, other bigint")
        warm.add("pair", "select 1 as other, 2 as one union all select 3, 4")
        assert warm.execute("select one, other from pair order by one").fetchall() == [(2, 1), (4, 3)]
        warm.delete("pair", "one > 3")
        assert warm.arrays("select one from pair")["one"].tolist() == [2]
        warm.drop("pair")
        assert warm.arrow("select * from pair").num_rows == 0


def test_a_table_keeps_its_columns(warm: WarmWorkbench) -> None:
    warm.make("one", "select 1 as a")
    with pytest.raises(AssertionError, match="the table one is made with other columns"):
        warm.make("one", "select 1 as b")


def test_a_statement_that_fails_leaves_the_others_as_they_were(warm: WarmWorkbench) -> None:
    counted(warm, said("Ada"))
    with pytest.raises(Exception, match="no_such_table"):
        warm.make("broken", "select * from no_such_table")
    assert counted(warm, said("Bob")) == [("bob", 1)]


def test_a_limit_is_refused_for_it_can_wait_for_ever(warm: WarmWorkbench) -> None:
    with pytest.raises(AssertionError, match="a limit can wait for ever"):
        warm.make("few", "select 1 as one limit 1")
    warm.make("named", "select 'a limit' as credit_limit")
