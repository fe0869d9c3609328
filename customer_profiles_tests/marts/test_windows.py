from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, Interaction, bucketed
from customer_profiles.marts.windows import WINDOWS, next_change, read_fact, totals, value_of

NOW = 1_700_000_123_456_789

interactions = st.lists(
    st.builds(
        Interaction,
        record_no=st.integers(1, 2),
        type=st.sampled_from(["page", "purchase"]),
        channel=st.sampled_from(["web", "store"]),
        occurred_at=st.one_of(
            st.integers(NOW - 40 * DAY, NOW),
            st.integers(NOW - 26 * HOUR, NOW),
            st.integers(NOW - 7 * MINUTE, NOW),
        ),
        value=st.sampled_from([None, 100, 2_500]),
        currency=st.sampled_from(["GBP", "EUR"]),
    ),
    max_size=30,
)
facts = st.sampled_from(
    [
        f"{subject}_{measure}_{window.name}{tail}"
        for subject in ("interaction", "page", "web", "purchase")
        for measure, tail in (("count", ""), ("value", ""), ("value", "_eur"))
        for window in WINDOWS
    ]
    + ["days_since_last_page", "days_since_last_store", "days_since_last_interaction"]
).map(lambda name: read_fact(name, "GBP"))


def buckets_of(given_interactions):
    last_at: dict[int, int] = {}
    for one in given_interactions:
        last_at[one.record_no] = max(one.occurred_at, last_at.get(one.record_no, 0))
    return bucketed(given_interactions, last_at)


def by_brute_force(fact, given_interactions, now):
    matching = [one for one in given_interactions if fact.subject in ("interaction", one.type, one.channel)]
    if fact.measure == "days_since_last":
        return (now - max(one.occurred_at for one in matching)) // DAY if matching else None
    grain = {"5m": MINUTE, "1h": MINUTE, "24h": MINUTE, "7d": HOUR, "30d": HOUR}.get(fact.window.name)
    since = 0 if grain is None else (now - fact.window.length) // grain * grain
    inside = [one for one in matching if one.occurred_at >= since]
    if fact.measure == "count":
        return len(inside)
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
        if fact.measure != "value":
            assert value_of(fact, buckets, due) != value


@given(interactions)
def test_every_interaction_inside_a_window_is_in_its_totals(given_interactions):
    rows = totals(buckets_of(given_interactions), NOW)
    for window in WINDOWS:
        count = sum(row.count for row in rows if row.window == window.name)
        surely = [one for one in given_interactions if one.occurred_at >= NOW - (window.length or NOW)]
        possibly = [
            one for one in given_interactions if one.occurred_at >= NOW - (window.length or NOW) - HOUR
        ]
        assert len(surely) <= count <= len(possibly)


def test_the_names_of_facts_are_read_by_their_grammar():
    fact = read_fact("purchase_value_30d_eur", "GBP")
    assert (fact.subject, fact.measure, fact.window.name, fact.currency) == (
        "purchase",
        "value",
        "30d",
        "EUR",
    )
    assert read_fact("purchase_value_30d", "GBP").currency == "GBP"
    assert read_fact("email_opened_count_24h", "GBP").subject == "email_opened"
    for wrong in ("purchase_count_30d_eur", "purchase_value_31d", "purchase", "_count_7d"):
        assert read_fact(wrong, "GBP") is None
