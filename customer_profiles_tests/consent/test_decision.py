from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.consent.decision import Reason, decide
from customer_profiles.consent.statements import Statement
from customer_profiles.contracts.statement import Choice


@dataclass(frozen=True)
class Purpose:
    default: str


PURPOSES = {"support": Purpose("allow"), "marketing": Purpose("deny")}


def statement(record_no: int, choice: str, stated_at: int, purpose: str = "marketing") -> Statement:
    return Statement(record_no, "crm", f"k{record_no}", purpose, choice, stated_at, received_at=1_000)


statements = st.lists(
    st.builds(
        statement,
        record_no=st.integers(1, 3),
        choice=st.sampled_from([*Choice, "no idea", ""]),
        stated_at=st.integers(0, 6),
        purpose=st.sampled_from(["marketing", "support", "other"]),
    ),
    max_size=8,
)


def denied_by_the_book(said: list[Statement], purpose: str) -> bool:
    """The rule read aloud: some record's last word, or one said at that same moment, is no."""
    for record_no in {one.record_no for one in said}:
        own = [one for one in said if one.record_no == record_no and one.purpose == purpose]
        if own:
            last = max(one.stated_at for one in own)
            if any(one.choice != "granted" for one in own if one.stated_at == last):
                return True
    return False


@given(statements, st.sampled_from(["marketing", "support"]))
def test_any_records_last_word_of_no_denies_and_else_a_yes_or_the_default_decides(said, purpose):
    decision = decide(said, PURPOSES, purpose)
    about_it = [one for one in said if one.purpose == purpose]
    if denied_by_the_book(said, purpose):
        assert not decision.allowed
        assert decision.reason in {Reason.REFUSED, Reason.WITHDRAWN}
    elif about_it:
        assert decision.allowed
        assert decision.reason == Reason.GRANTED
    else:
        assert decision.allowed == (purpose == "support")


@given(statements, st.randoms())
def test_the_order_of_statements_never_matters(said, random):
    shuffled = list(said)
    random.shuffle(shuffled)
    assert decide(shuffled, PURPOSES, "marketing") == decide(said, PURPOSES, "marketing")


@given(statements, st.integers(1, 3), st.sampled_from(["refused", "withdrawn", "gibberish"]))
def test_a_new_refusal_of_any_record_denies_whatever_was_said_before(said, record_no, choice):
    said = [*said, statement(record_no, choice, 7)]
    assert not decide(said, PURPOSES, "marketing").allowed


@given(statements)
def test_a_merge_never_allows_what_one_side_had_refused(said):
    sides = [[one for one in said if one.record_no == n] for n in (1, 2, 3)]
    refused = any(decide(s, PURPOSES, "support").reason in {"refused", "withdrawn"} for s in sides)
    assert decide(said, PURPOSES, "support").allowed != refused


@given(statements)
def test_a_purpose_that_nobody_declared_is_denied(said):
    decision = decide(said, PURPOSES, "other")
    assert (decision.allowed, decision.reason) == (False, Reason.UNKNOWN_PURPOSE)


@given(statements, st.integers(0, 6))
def test_the_decision_at_a_moment_ignores_what_was_said_later(said, at):
    earlier = [one for one in said if one.stated_at <= at]
    assert decide(said, PURPOSES, "marketing", at) == decide(earlier, PURPOSES, "marketing")


def test_a_yes_dated_in_the_future_does_not_outlast_a_later_no():
    ahead = replace(statement(1, "granted", 9_000), received_at=100)
    later = replace(statement(1, "refused", 200), received_at=200)
    assert not decide([ahead, later], PURPOSES, "marketing").allowed


def test_a_default_that_is_misspelt_denies():
    assert not decide([], {"support": Purpose("alow")}, "support").allowed


def test_of_a_yes_and_a_no_at_the_same_moment_the_no_counts():
    both = [statement(1, "granted", 5), statement(1, "refused", 5)]
    assert not decide(both, PURPOSES, "marketing").allowed
    assert not decide(both[::-1], PURPOSES, "marketing").allowed
