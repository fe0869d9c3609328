"""What the sensor makes of what it sees."""

from dataclasses import replace

import pytest

from customer_profiles.orchestration.memory import STAGES, Memory
from customer_profiles.pipeline.lookout import Seen

QUIET = Seen({"crm": "1", "web": "5"}, {}, {}, {"resolve": 0})


def after_a_run(seen: Seen, memory: Memory | None = None) -> Memory:
    memory = memory or Memory()
    sources = memory.wants(seen, ()) or ()
    return memory.with_run("run", sources, seen).with_end(sources, (), replace(seen, behind={}))


def test_at_first_everything_is_new() -> None:
    assert Memory().wants(QUIET, ()) == ("crm", "web")


def test_what_was_taken_in_is_not_new_and_what_moved_on_is() -> None:
    memory = after_a_run(QUIET)

    assert memory.wants(QUIET, ()) is None
    assert memory.wants(replace(QUIET, marks={"crm": "1", "web": "6"}), ()) == ("web",)


def test_nothing_is_started_while_a_run_was_started_and_not_seen_to_end() -> None:
    memory = Memory().with_run("run", ("web",), QUIET)

    assert memory.wants(QUIET, ()) is None


def test_what_came_while_the_run_was_at_work_is_new_afterwards() -> None:
    memory = Memory().with_run("run", ("crm", "web"), QUIET)
    later = replace(QUIET, marks={"crm": "1", "web": "6"})

    assert memory.with_end(("crm", "web"), (), later).wants(later, ()) == ("web",)


def test_a_decision_or_a_segment_that_is_due_starts_a_run_of_the_stages_alone() -> None:
    memory = after_a_run(QUIET)

    assert memory.wants(replace(QUIET, behind={"resolve": 1}), ()) == ()


def test_a_source_that_failed_is_held_while_the_others_go_on_and_is_asked_for_again() -> None:
    memory = Memory().with_run("run", ("crm", "web"), QUIET).with_end(("web",), ("crm",), QUIET)

    assert memory.failures == {"crm": 1}
    assert memory.wants(QUIET, {"crm"}) is None
    assert memory.wants(replace(QUIET, marks={"crm": "1", "web": "6"}), {"crm"}) == ("web",)
    assert memory.wants(QUIET, ()) == ("crm",)


def test_failures_in_a_row_add_up_and_one_success_ends_them() -> None:
    memory = Memory()
    for times in (1, 2):
        memory = memory.with_run(f"run {times}", ("crm",), QUIET).with_end((), ("crm",), QUIET)
        assert memory.failures == {"crm": times}

    assert after_a_run(QUIET, memory).failures == {}


def test_a_failed_source_stays_failed_while_others_succeed() -> None:
    memory = Memory().with_run("run", ("crm",), QUIET).with_end((), ("crm",), QUIET)

    memory = memory.with_run("next", ("web",), QUIET).with_end(("web",), (), QUIET)

    assert memory.failures == {"crm": 1}


def test_stages_that_a_run_did_not_move_count_as_failed_and_hold_everything() -> None:
    stuck = replace(QUIET, behind={"refresh_segments": 1})

    memory = Memory().with_run("run", ("crm", "web"), stuck).with_end(("crm", "web"), (), stuck)

    assert memory.failures == {STAGES: 1}
    assert memory.wants(stuck, {STAGES}) is None
    assert memory.wants(stuck, ()) == ()


def test_it_is_read_back_as_it_was_written() -> None:
    memory = Memory().with_run("run", ("crm",), QUIET)

    assert Memory.read(memory.text()) == memory


@pytest.mark.parametrize("cursor", [None, "", "no json", '{"another": "version"}', "[1]"])
def test_a_cursor_that_is_none_begins_anew(cursor: str | None) -> None:
    assert Memory.read(cursor) == Memory()
