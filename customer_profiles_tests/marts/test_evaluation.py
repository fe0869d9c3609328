import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.marts.evaluation import BUCKET_SCHEMA, check_rules, evaluate
from customer_profiles.marts.facts import next_change, value_of
from customer_profiles.marts.rules import SegmentError, read_rule
from customer_profiles.marts.survivorship import TraitSpec
from customer_profiles_tests.marts.test_windows import GRAMMAR, LENGTHS, NOW, buckets_of, interactions


def spec(name, number=False):
    return TraitSpec(
        name, (name,), "…", DataClass.DEMOGRAPHIC, ("support",), Retention("P3Y"), name == "emails", number
    )


TRAITS = {"country": spec("country"), "emails": spec("emails"), "points": spec("points", number=True)}
NO_BUCKETS = BUCKET_SCHEMA.empty_table()


def rule(when, name="it"):
    return read_rule(name, when, TRAITS, GRAMMAR)


def members(when, traits, customers=(1, 2, 3)):
    return evaluate([rule(when)], customers, traits, NO_BUCKETS, NOW).members["it"]


def arrow(buckets):
    rows = [
        {
            "customer_no": one.record_no,
            "grain": str(one.grain),
            **{name: getattr(one, name) for name in BUCKET_SCHEMA.names[2:]},
        }
        for one in buckets
    ]
    return pa.Table.from_pylist(rows, BUCKET_SCHEMA)


def test_traits_are_compared_as_text_or_as_declared_numbers_and_lists_by_their_first_value():
    traits = {
        "country": {1: "GB", 2: "FR"},
        "emails": {1: ["a@x.example", "b@y.example"], 3: ["b@y.example"]},
        "points": {1: "9", 2: 10, 3: "many"},
    }
    assert members("country = 'GB'", traits) == {1}
    assert members("coalesce(country, '') <> 'GB'", traits) == {2, 3}
    assert members("emails LIKE '%@x.example'", traits) == {1}
    assert members("points < 10", traits) == {1}
    assert members("points IS NULL", traits) == {3}


@settings(max_examples=60)
@given(interactions, st.sampled_from(LENGTHS), st.integers(0, 3))
def test_facts_and_due_times_equal_those_computed_one_customer_at_a_time(given_interactions, window, least):
    buckets = buckets_of(given_interactions)
    rules = [
        rule(f"page_count_{window} > {least}", "counted"),
        rule(f"purchase_value_{window} + web_value_{window}_eur > {least * 1000}", "worth"),
        rule(f"days_since_last_store >= {least}", "quiet"),
        rule("days_since_last_interaction * 1 > 2", "every_day"),
        rule(f"interaction_days_{window} > {least}", "often"),
        rule(f"product_viewed_count_{window} > {least}", "looked"),
        rule(f"interaction_count_{window}[category = 'shoes'] > {least}", "shoes"),
        rule(f"interaction_count_{window}[category = 'Shoes'] + 0 > {least}", "Shoes"),
        rule(f"days_since_last_page[category = 'shoes'] >= {least}", "no_shoes"),
    ]
    result = evaluate(rules, [1, 2, 3], {}, arrow(buckets), NOW)
    for customer_no in (1, 2, 3):
        own = [one for one in buckets if one.record_no == customer_no]
        value = {fact.name: value_of(fact, own, NOW) for one in rules for fact in one.facts}
        quiet, any_day = value["days_since_last_store"], value["days_since_last_interaction"]
        barefoot = value["days_since_last_page[category=shoes]"]
        expected = {
            "counted": value[f"page_count_{window}"] > least,
            "worth": value[f"purchase_value_{window}"] + value[f"web_value_{window}_eur"] > least * 1000,
            "quiet": quiet is not None and quiet >= least,
            "every_day": any_day is not None and any_day * 1 > 2,
            "often": value[f"interaction_days_{window}"] > least,
            "looked": value[f"product_viewed_count_{window}"] > least,
            "shoes": value[f"interaction_count_{window}[category=shoes]"] > least,
            "Shoes": value[f"interaction_count_{window}[category=Shoes]"] > least,
            "no_shoes": barefoot is not None and barefoot >= least,
        }
        assert {name: customer_no in result.members[name] for name in expected} == expected
        for one in rules:
            changes = [next_change(fact, own, NOW, one.days.get(fact.name)) for fact in one.facts]
            known = [at for at in changes if at is not None]
            assert result.due[one.segment].get(customer_no) == (min(known) if known else None)


def test_a_rule_that_compares_a_text_with_a_number_is_refused_at_start():
    with pytest.raises(SegmentError, match=r"segments\.it\.when"):
        rule("country > 5")
    check_rules([rule("points > 5 AND country = '5' AND days_since_last_page > 3")])
