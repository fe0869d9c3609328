import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from customer_profiles.cleaning.tables import identifier
from customer_profiles.consent.ledger import append
from customer_profiles.consent.statements import Statement
from customer_profiles.identity.decisions.decisions import DecisionKind, decide
from customer_profiles.identity.tables import claim, estate
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import MINUTE
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.serving.errors import AmbiguousIdentifier, ServingError, UnknownCustomer
from customer_profiles.serving.profile import read_profile
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import Store
from customer_profiles_tests.marts.made import customers, drain, interactions, records, settings

KEY = bytes(range(32))
NOW = 1_700_000_000_000_000
SEGMENTS = {
    "spender": "purchase_value_30d >= 1000",
    "eighties": "birth_date LIKE '198%'",
    "british": "country = 'GB'",
}
SECRETS = [
    "Ada",
    "Love",
    "ada@x.example",
    "+447911123456",
    "1985-12-10",
    "1 High St",
    "LS1 1AA",
    "u-1",
    "o-1",
    "m-1",
]


def purchase(record_no, order_id, value):
    properties = {"order_id": order_id, "category": "hats"}
    return {
        "record_no": record_no,
        "type": "purchase",
        "channel": "web",
        "occurred_at": NOW - MINUTE,
        "value": value,
        "currency": "GBP",
        "properties": properties,
    }


MESSAGE = {
    "record_no": 2,
    "type": "message",
    "channel": "chat",
    "occurred_at": NOW - 2 * MINUTE,
    "properties": {"matter_id": "m-1", "status": "open", "topic": "refund", "sentiment": "negative"},
}


def identifiers(state, rows):
    with state.writing() as conn:
        insert_rows(conn, identifier, ("record_no", "kind", "value"), rows)


def claims(state, *record_nos):
    with state.writing() as conn:
        columns = ("claim_no", "record_no", "incarnation", "seniority", "arrived_at")
        insert_rows(conn, claim, columns, [(number, number, 1, number, 1) for number in record_nos])


def say(state, record_no, purpose, choice, stated_at=1):
    with state.writing(Store.TRUST) as conn:
        append(conn, [Statement(record_no, "crm", f"k{record_no}", purpose, choice, stated_at, NOW)])


def refresh(state):
    drain(AccumulateStage(state, settings(SEGMENTS)))
    drain(RefreshTraitsStage(state, settings(SEGMENTS), KEY, None, lambda: NOW))
    drain(RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW))


def read(state, identifier, purpose="support", now=NOW):
    return read_profile(state, settings(SEGMENTS), identifier, purpose, now, KEY)


@pytest.fixture
def ada(state):
    """Records 1 and 2 are Ada; record 3 is somebody else."""
    fill(state)
    return state


def fill(state):
    records(
        state,
        [
            {
                "record_no": 1,
                "given_name": "Ada",
                "family_name": "Love",
                "emails": ["ada@x.example"],
                "birth_date": "1985-12-10",
                "country": "GB",
                "external_ids": {"user_id": ["u-1"]},
                "updated_at": 50,
            },
            {
                "record_no": 2,
                "source": "web",
                "phones": ["+447911123456"],
                "country": "FR",
                "address_line": "1 High St",
                "postcode": "LS1 1AA",
            },
            {"record_no": 3, "emails": ["other@x.example"]},
        ],
    )
    identifiers(
        state,
        [
            (1, "email", "ada@x.example"),
            (1, "user_id", "u-1"),
            (2, "phone", "+447911123456"),
            (2, "device_id", "shared-device"),
            (3, "email", "other@x.example"),
            (3, "device_id", "shared-device"),
            (3, "email", "info@x.example"),
        ],
    )
    claims(state, 1, 2, 3)
    customers(state, {1: [1, 2], 3: [3]})
    interactions(state, [purchase(1, "o-1", 900), purchase(2, "o-1", 900), purchase(2, "o-2", 100), MESSAGE])
    refresh(state)


def test_a_profile_folds_all_records_and_says_where_each_value_comes_from(ada):
    profile = read(ada, "ada@x.example")
    assert profile.allowed
    assert profile.records == 2
    given_name = profile.field("given_name")
    assert (given_name.value, given_name.source, given_name.observed_at) == ("Ada", "crm", 50)
    assert profile.field("country").value == "GB"
    assert profile.field("phones").value == ["+447911123456"]
    assert (profile.purchases.count, profile.purchases.values) == (2, (("GBP", 1000),))
    assert profile.purchases.favourite_categories == ("hats",)
    assert [(one.channel, one.count) for one in profile.channels] == [("web", 3), ("chat", 1)]
    (matter,) = profile.open_matters
    assert (matter.matter_id, matter.topic, matter.sentiment) == ("m-1", "refund", "negative")
    assert {one.name for one in profile.segments} == {"spender", "eighties", "british"}
    week = [one for one in profile.windows if (one.window, one.type) == ("7d", "purchase")]
    assert [(one.count, one.values) for one in week] == [(3, (("GBP", 1900),))]
    json.dumps(profile.to_json())


def test_the_same_customer_is_found_by_each_of_its_identifiers(ada):
    by_email = read(ada, "Ada@X.example ")
    assert UUID(by_email.customer_id).version == 8
    for name in (
        by_email.customer_id,
        "email:ada@x.example",
        "07911 123456",
        "phone:+44 7911 123456",
        "u-1",
        "user_id:u-1",
        "crm:k1",
        "web:k2",
    ):
        assert read(ada, name) == by_email


def test_an_identifier_of_several_customers_or_of_nobody_in_particular_is_refused(ada):
    with pytest.raises(AmbiguousIdentifier, match="2 customers"):
        read(ada, "device_id:shared-device")
    with pytest.raises(AmbiguousIdentifier, match="generic"):
        read(ada, "info@x.example")


def test_an_unknown_identifier_says_so_without_repeating_it(ada):
    for unknown in (
        "unheard@x.example",
        "email:unheard@x.example",
        "crm:unheard",
        "unheard",
        str(UUID(int=0x8 << 76 | 2 << 62)),
    ):
        with pytest.raises(UnknownCustomer) as caught:
            read(ada, unknown)
        assert unknown not in str(caught.value)
    with pytest.raises(ServingError, match='no identifier kind and no source "emial"'):
        read(ada, "emial:ada@x.example")


def test_each_purpose_sees_the_fields_declared_for_it_and_hears_what_was_withheld(ada):
    say(ada, 1, "analytics", "granted")
    profile = read(ada, "ada@x.example", "analytics")
    assert profile.allowed
    assert {one.name for one in profile.fields} == {"country"}
    withheld = {one.name: one.reason for one in profile.withheld}
    assert {"given_name", "emails", "birth_date", "points", "open_matters.matter_id"} <= withheld.keys()
    assert set(withheld.values()) == {"purpose_not_declared"}
    assert profile.open_matters[0].matter_id is None
    assert profile.open_matters[0].topic == "refund"


def test_a_segment_over_a_withheld_trait_is_withheld_too(ada):
    say(ada, 1, "marketing", "granted")
    profile = read(ada, "ada@x.example", "marketing")
    assert {one.name for one in profile.segments} == {"spender", "british"}
    assert "segments.eighties" in {one.name for one in profile.withheld}


@pytest.mark.parametrize("purpose", ["marketing", "nonsense", ""])
def test_without_consent_nothing_leaves_but_the_reason(ada, purpose):
    profile = read(ada, "ada@x.example", purpose)
    assert not profile.allowed
    written = json.dumps(profile.to_json()) + repr(profile)
    assert not [
        secret for secret in [*SECRETS, "refund", "hats", "GB"] if secret in written.replace(KEY.hex(), "")
    ]
    assert {one.reason for one in profile.withheld} == {profile.reason}


def test_one_records_refusal_denies_for_the_whole_customer(ada):
    say(ada, 1, "marketing", "granted")
    assert read(ada, "ada@x.example", "marketing").allowed
    say(ada, 2, "marketing", "withdrawn")
    profile = read(ada, "ada@x.example", "marketing")
    assert (profile.allowed, profile.reason) == (False, "withdrawn")


def test_the_refusal_of_a_deleted_record_outlives_it_with_its_heirs(ada):
    say(ada, 1, "marketing", "granted")
    say(ada, 2, "marketing", "refused")
    records(ada, [{"record_no": 2, "source": "web", "deleted_at": 60}])
    customers(ada, {1: [1]})
    with ada.writing() as conn:
        insert_rows(conn, estate, ("claim_no", "rank", "heir_claim_no"), [(2, 0, 1)])
    assert read(ada, "ada@x.example", "marketing").reason == "refused"
    assert not read(ada, "other@x.example", "marketing").allowed


def test_the_id_of_a_customer_that_was_merged_away_finds_where_its_founder_is_today(ada):
    other = read(ada, "other@x.example").customer_id
    customers(ada, {3: [], 1: [1, 2, 3]})
    refresh(ada)
    assert read(ada, other) == read(ada, "ada@x.example")
    customers(ada, {1: [1, 2], 3: [3]})
    refresh(ada)
    assert read(ada, other).customer_id == other


def test_the_id_of_a_deleted_founder_leads_to_its_first_heir_that_is_not_apart_from_it(ada):
    founded = read(ada, "ada@x.example").customer_id
    records(ada, [{"record_no": 1, "deleted_at": 60}])
    with ada.writing() as conn:
        insert_rows(conn, estate, ("claim_no", "rank", "heir_claim_no"), [(1, 0, 2), (1, 1, 3)])
    customers(ada, {1: [2], 3: [3]})
    refresh(ada)
    assert read(ada, founded).field("phones").value == ["+447911123456"]
    with ada.writing() as conn:
        decide(conn, DecisionKind.APART, [1], [2], by="s", reason="not the same")
    assert read(ada, founded).field("emails").value == ["other@x.example"]


said = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.sampled_from(["marketing", "analytics", "personalisation", "support"]),
        st.sampled_from(["granted", "refused", "withdrawn"]),
        st.integers(1, 9),
    ),
    max_size=6,
)
VALUES = {
    "given_name": "Ada",
    "family_name": "Love",
    "emails": "ada@x.example",
    "phones": "+447911123456",
    "birth_date": "1985-12-10",
    "address_line": "1 High St",
    "postcode": "LS1 1AA",
    "external_user_id": "u-1",
    "open_matters.matter_id": "m-1",
    "open_matters.sentiment": "negative",
    "purchases.favourite_categories": "hats",
}


@hypothesis_settings(max_examples=25)
@given(said, st.sampled_from(["marketing", "analytics", "personalisation", "support", "nonsense"]))
def test_a_withheld_field_never_appears_in_any_output_whatever_was_said(state_factory, said, purpose):
    state = state_factory("sqlcipher")
    fill(state)
    for one in said:
        say(state, *one)
    profile = read(state, "crm:k1", purpose)
    withheld = {one.name for one in profile.withheld}
    written = json.dumps(profile.to_json()) + repr(profile)
    for name, value in VALUES.items():
        assert (value in written) == (name not in withheld)
    state.close()


def test_windows_are_those_of_the_settings_and_counted_by_property_for_whom_may_see_it(ada):
    say(ada, 1, "marketing", "granted")
    given = settings(SEGMENTS, ["36h", "30d", "90d"], ["category", "topic"])

    def windows(purpose):
        profile = read_profile(ada, given, "ada@x.example", purpose, NOW, KEY)
        rows = {(one.window, one.type, one.property): (one.count, one.days) for one in profile.windows}
        return rows, {one.name for one in profile.withheld}

    helping, _ = windows("support")
    assert {window for window, _, _ in helping} == {"36h", "30d", "90d"}
    assert helping["36h", "purchase", ""] == (3, 1)
    assert helping["90d", "purchase", "category=hats"] == (3, 1)
    assert helping["36h", "message", "topic=refund"] == (1, 1)
    selling, withheld = windows("marketing")
    assert selling["90d", "purchase", "category=hats"] == (3, 1)
    assert not [of for _, _, of in selling if of.startswith("topic")]
    assert "windows.topic" in withheld
    assert "windows.category" not in withheld


def test_a_segment_over_a_property_that_a_purpose_may_not_see_is_withheld(ada):
    say(ada, 1, "marketing", "granted")
    rules = {
        "refunders": "message_count_30d[topic = 'refund'] >= 1",
        "hatters": "purchase_count_30d[category = 'hats'] >= 1",
        "spender": SEGMENTS["spender"],
    }
    given = settings(rules, ["30d"], ["category", "topic"])
    drain(AccumulateStage(ada, given))
    drain(RefreshSegmentsStage(ada, given, None, lambda: NOW))

    def inside(purpose):
        profile = read_profile(ada, given, "ada@x.example", purpose, NOW, KEY)
        return {one.name for one in profile.segments}

    assert inside("support") == {"refunders", "hatters", "spender"}
    assert inside("marketing") == {"hatters", "spender"}
