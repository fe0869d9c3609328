import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, Counting, Grain, Interaction, bucketed
from customer_profiles.marts.facts import (
    Grammar,
    counted_properties,
    next_change,
    read_fact,
    subject_of,
    value_of,
)
from customer_profiles.marts.windows import counting_of, totals, window, windows_of
from customer_profiles_tests.marts.made import settings

NOW = 1_700_000_123_456_789
LENGTHS = ("5m", "45m", "24h", "36h", "14d", "30d", "31d", "90d", "lifetime")
GRAMMAR = Grammar.of(LENGTHS, ["category"], "GBP")
COUNTING = counting_of(settings(lengths=LENGTHS, properties=["category"]))

interactions = st.lists(
    st.builds(
        Interaction,
        record_no=st.integers(1, 2),
        type=st.sampled_from(["page", "purchase", "Product Viewed"]),
        channel=st.sampled_from(["web", "store"]),
        occurred_at=st.one_of(
            st.integers(NOW - 100 * DAY, NOW),
            st.integers(NOW - 40 * DAY, NOW),
            st.integers(NOW - 40 * HOUR, NOW),
            st.integers(NOW - 7 * MINUTE, NOW),
        ),
        value=st.sampled_from([None, 100, 2_500]),
        currency=st.sampled_from(["GBP", "EUR"]),
        properties=st.sampled_from(
            [(), ("category=shoes",), ("category=Shoes",), ("category=shoes", "category=hats")]
        ),
    ),
    max_size=30,
)
facts = (
    st.tuples(
        st.sampled_from(
            [
                f"{subject}_{measure}_{length}{tail}"
                for subject in ("interaction", "page", "web", "purchase", "product_viewed")
                for measure, tail in (("count", ""), ("days", ""), ("value", ""), ("value", "_eur"))
                for length in LENGTHS
            ]
            + ["days_since_last_page", "days_since_last_store", "days_since_last_interaction"]
        ),
        st.sampled_from(["", "", "[category=shoes]", "[category=Shoes]", "[category=coats]"]),
    )
    .map("".join)
    .map(lambda name: read_fact(name, GRAMMAR))
)


def buckets_of(given_interactions, counting=COUNTING):
    last_at: dict[int, int] = {}
    for one in given_interactions:
        last_at[one.record_no] = max(one.occurred_at, last_at.get(one.record_no, 0))
    return bucketed(given_interactions, last_at, counting)


def edge(length, now):
    """Where a window begins, by the rule that docs/windows.md states."""
    minutes = {"m": MINUTE, "h": HOUR, "d": DAY}[length[-1]] * int(length[:-1])
    grain = MINUTE if minutes <= 24 * HOUR else HOUR if minutes <= 30 * DAY else DAY
    return (now - minutes) // grain * grain


def by_brute_force(fact, given_interactions, now):
    matching = [
        one
        for one in given_interactions
        if fact.subject in ("interaction", one.type.lower().replace(" ", "_"), one.channel)
        and (not fact.of_property or fact.of_property in one.properties)
    ]
    if fact.measure == "days_since_last":
        return max(0, (now - max(one.occurred_at for one in matching)) // DAY) if matching else None
    length = fact.window.name
    since = None if length == "lifetime" else edge(length, now)
    inside = [one for one in matching if since is None or one.occurred_at >= since]
    if fact.measure == "count":
        return len(inside)
    if fact.measure == "days":
        return len({one.occurred_at // DAY for one in inside})
    return sum(one.value or 0 for one in inside if one.currency == fact.currency)


@given(interactions, facts, st.integers(0, 2 * DAY))
def test_a_window_over_buckets_equals_counting_the_interactions(given_interactions, fact, later):
    now = NOW + later
    assert value_of(fact, buckets_of(given_interactions), now) == by_brute_force(
        fact, given_interactions, now
    )


@given(interactions, facts)
def test_a_fact_keeps_its_value_until_the_moment_it_is_due_and_not_beyond(given_interactions, fact):
    buckets = buckets_of(given_interactions)
    due = next_change(fact, buckets, NOW)
    value = value_of(fact, buckets, NOW)
    if due is None:
        assert value_of(fact, buckets, NOW + 400 * DAY) == value
    else:
        assert value_of(fact, buckets, due - 1) == value
        if fact.measure in ("count", "days_since_last"):
            assert value_of(fact, buckets, due) != value


@given(interactions)
def test_every_interaction_inside_a_window_is_in_its_totals(given_interactions):
    windows = windows_of(settings(lengths=LENGTHS))
    rows = totals(buckets_of(given_interactions), NOW, windows)
    for name in LENGTHS:
        since = -1 if name == "lifetime" else edge(name, NOW)
        inside = [one for one in given_interactions if one.occurred_at >= since]
        assert sum(row.count for row in rows if row.window == name and not row.property) == len(inside)
        for row in (row for row in rows if row.window == name):
            own = [
                one
                for one in inside
                if (one.type, one.channel) == (row.type, row.channel)
                and (not row.property or row.property in one.properties)
            ]
            assert row.count == len(own)
            assert row.days == len({one.occurred_at // DAY for one in own})
            assert row.last_at == max(one.occurred_at for one in own)
            expected = {
                code: sum(one.value or 0 for one in own if one.currency == code)
                for code in {one.currency for one in own}
            }
            assert dict(row.values) == expected


def test_the_grain_follows_the_length_and_what_is_kept_the_longest_window_of_each_grain():
    assert [window(name).grain for name in ("1m", "24h", "1440m", "1d")] == [Grain.MINUTE] * 4
    assert [window(name).grain for name in ("1441m", "25h", "2d", "30d", "720h")] == [Grain.HOUR] * 5
    assert [window(name).grain for name in ("31d", "721h", "3650d")] == [Grain.DAY] * 3
    counting = counting_of(settings(lengths=["45m", "2h", "14d", "90d"], properties=["topic", "category"]))
    assert counting == Counting({Grain.MINUTE: 3 * HOUR, Grain.HOUR: 15 * DAY}, ("category", "topic"))
    assert counting.kept == {Grain.MINUTE: 3 * HOUR, Grain.HOUR: 15 * DAY}
    assert counting_of(settings(lengths=["90d", "lifetime"])).kept == {}


@given(interactions)
def test_without_windows_that_need_them_no_minutes_and_no_hours_are_counted(given_interactions):
    buckets = buckets_of(given_interactions, counting_of(settings(lengths=["90d"])))
    assert {one.grain for one in buckets} <= {Grain.DAY, Grain.LIFETIME}


def test_the_names_of_facts_are_read_by_their_grammar():
    fact = read_fact("purchase_value_30d_eur", GRAMMAR)
    assert (fact.subject, fact.measure, fact.window.name, fact.currency) == (
        "purchase",
        "value",
        "30d",
        "EUR",
    )
    assert read_fact("purchase_value_30d", GRAMMAR).currency == "GBP"
    assert read_fact("email_opened_count_36h", GRAMMAR).subject == "email_opened"
    assert read_fact("page_days_90d", GRAMMAR).measure == "days"
    shoes = read_fact("purchase_count_30d[category=running shoes = 1]", GRAMMAR)
    assert (shoes.subject, shoes.of_property) == ("purchase", "category=running shoes = 1")
    for wrong in (
        "purchase_count_30d_eur",
        "purchase_value_32d",
        "purchase",
        "_count_5m",
        "page_days_30d_eur",
        "page_count_30d[colour=red]",
        "page_count_30d[category]",
        "page_count_30d[category=]",
    ):
        assert read_fact(wrong, GRAMMAR) is None
    assert read_fact("purchase_value_30d", Grammar.of(["30d"])) is None


def test_facts_of_values_that_differ_in_their_capitals_stay_apart_in_a_query():
    one, other = (
        read_fact(f"page_count_30d[category={value}]", GRAMMAR).column.lower() for value in ("shoes", "Shoes")
    )
    assert one != other


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("shoes", ["shoes"]),
        (["shoes", "hats", "shoes", ""], ["shoes", "hats"]),
        (True, ["true"]),
        (7, ["7"]),
        ("a\0b", ["ab"]),
        ("x" * 200, ["x" * 200]),
        ("x" * 201, []),
        ({"of": "shoes"}, []),
        ([{"of": "shoes"}, None], []),
        (None, []),
    ],
)
def test_texts_numbers_and_lists_of_them_are_counted_by_themselves(value, expected):
    found = counted_properties({"category": value, "topic": "x"}, ["category", "colour"])
    assert found == tuple(f"category={one}" for one in expected)


def test_types_are_written_in_small_letters_without_other_signs():
    assert subject_of("Product Viewed") == "product_viewed"
    assert subject_of("e-mail: opened!") == "e_mail_opened"
