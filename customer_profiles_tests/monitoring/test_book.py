"""Each alarm is opened once and resolved once, also over restarts and while nothing can be written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from customer_profiles.monitoring.alarms.alarm import Event, Finding, Name, Notice, Severity
from customer_profiles.monitoring.alarms.book import Book, forget
from customer_profiles.monitoring.alarms.rules import Judgement
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError
from customer_profiles_tests.monitoring.alarms_made import NOW, SECOND

BROKEN = Finding(
    Name.SLA_BROKEN, "", Severity.CRITICAL, NOW, "Profiles are 61 s behind.", {"likely stage": "resolve"}
)
FAILING = Finding(Name.SOURCE_FAILING, "crm", Severity.WARNING, NOW, "The source crm does not get on.")
RECEIVERS = {"all": "warning", "oncall": "critical"}
HALF = SECOND // 2


def looks(
    book: Book, *findings: Finding, times: int = 1, at: int = NOW, unknown: frozenset[Name] = frozenset()
) -> int:
    """So many looks, half a second apart; gives the time of the next one."""
    for _ in range(times):
        book.update(Judgement(findings, unknown), at)
        at += HALF
    return at


def told(book: Book) -> list[tuple[str, str, str]]:
    """What is to be delivered, in its order."""
    found: list[Notice] = []
    for receiver in RECEIVERS:
        notices = []
        while (notice := book.next_for(receiver)) is not None:
            notices.append(notice)
            book.delivered(notice)
        found += notices
    return [(one.receiver, str(one.event), str(one.alarm.finding.name)) for one in found]


def load(state: State) -> Book:
    book = Book(RECEIVERS)
    with state.reading(Store.INBOX) as connection:
        book.load(connection)
    return book


def test_looks_that_lie_far_apart_say_nothing_of_how_long_something_was_wrong() -> None:
    book = Book(RECEIVERS)
    at = looks(book, BROKEN)

    looks(book, BROKEN, at=at + 11 * SECOND)
    assert told(book) == []


def test_how_long_it_is_well_counts_on_when_the_book_is_read_again(state: State) -> None:
    book = Book({"all": "warning"})
    at = looks(book, BROKEN, times=2)
    book.save(state)
    at = looks(book, times=3, at=at)
    with state.reading(Store.INBOX) as connection:
        book.load(connection)

    looks(book, times=2, at=at)
    assert ("all", "resolve", "sla_broken") in told(book)


def test_what_is_wrong_in_two_looks_is_told_once_and_its_end_once() -> None:
    book = Book(RECEIVERS)
    at = looks(book, BROKEN)
    assert told(book) == []
    at = looks(book, BROKEN, times=20, at=at)
    assert told(book) == [("all", "open", "sla_broken"), ("oncall", "open", "sla_broken")]
    at = looks(book, times=4, at=at)
    assert told(book) == []
    looks(book, times=20, at=at)
    assert told(book) == [("all", "resolve", "sla_broken"), ("oncall", "resolve", "sla_broken")]


def test_a_moment_that_is_well_in_between_is_no_end() -> None:
    book = Book(RECEIVERS)
    at = looks(book, BROKEN, times=3)
    for _ in range(5):
        at = looks(book, times=3, at=at)
        at = looks(book, BROKEN, times=2, at=at)
    assert [event for _, event, _ in told(book)] == ["open", "open"]


def test_a_receiver_is_told_of_its_severity_only() -> None:
    book = Book(RECEIVERS)
    looks(book, FAILING, times=3)
    assert told(book) == [("all", "open", "source_failing")]


def test_what_is_not_known_stays_as_it_is() -> None:
    book = Book(RECEIVERS)
    at = looks(book, FAILING, times=3)
    told(book)
    looks(book, times=40, at=at, unknown=frozenset({Name.SOURCE_FAILING}))
    assert told(book) == []
    assert book.raised == {FAILING.key}


def test_whoever_starts_again_opens_nothing_twice_and_delivers_the_rest_in_order(state: State) -> None:
    book = Book(RECEIVERS)
    at = looks(book, BROKEN, FAILING, times=3)
    first = book.next_for("oncall")
    assert first is not None
    book.delivered(first)
    book.save(state)

    again = load(state)
    assert again.raised == {BROKEN.key, FAILING.key}
    at = looks(again, BROKEN, FAILING, times=10, at=at)
    at = looks(again, FAILING, times=10, at=at)
    again.save(state)
    last = load(state)
    assert sorted(told(last)) == [
        ("all", "open", "sla_broken"), ("all", "open", "source_failing"), ("all", "resolve", "sla_broken"),
        ("oncall", "resolve", "sla_broken"),
    ]  # fmt: skip
    last.save(state)
    assert load(state).undelivered == 0


def test_a_crash_between_the_telling_and_its_noting_repeats_it_with_the_same_id(state: State) -> None:
    book = Book(RECEIVERS)
    looks(book, BROKEN, times=3)
    book.save(state)
    sent = book.next_for("oncall")

    again = load(state).next_for("oncall")
    assert sent is not None
    assert again is not None
    assert (again.alarm.alarm_id, again.event) == (sent.alarm.alarm_id, Event.OPEN)
    assert again.alarm == sent.alarm


def test_while_nothing_can_be_written_it_tells_from_memory_and_writes_later(
    state: State, reopen: Callable[..., State]
) -> None:
    closed = reopen(state, read_only=True)
    book = Book(RECEIVERS)
    at = looks(book, BROKEN, times=3)
    with pytest.raises(StateError):
        book.save(closed)
    assert len(told(book)) == 2
    looks(book, times=8, at=at)
    with pytest.raises(StateError):
        book.save(closed)

    book.save(state)

    after = load(state)
    assert after.raised == frozenset()
    assert told(after) == [("all", "resolve", "sla_broken"), ("oncall", "resolve", "sla_broken")]


def test_alarms_that_are_long_over_are_forgotten_and_open_or_untold_ones_are_not(state: State) -> None:
    book = Book(RECEIVERS)
    at = looks(book, BROKEN, FAILING, times=3)
    looks(book, FAILING, times=8, at=at)
    book.save(state)

    def forgotten() -> int:
        with state.writing(Store.INBOX) as connection:
            return forget(connection, NOW + 3_600 * SECOND)

    assert forgotten() == 0
    told(book)
    book.save(state)
    assert forgotten() == 1
    assert load(state).raised == {FAILING.key}


def test_the_notices_of_a_receiver_that_is_no_longer_named_are_dropped(state: State) -> None:
    book = Book({"gone": "warning"})
    looks(book, BROKEN, times=3)
    book.save(state)

    other = load(state)
    assert other.undelivered == 0
    other.save(state)
    again = Book({"gone": "warning"})
    with state.reading(Store.INBOX) as connection:
        again.load(connection)
    assert again.undelivered == 0
