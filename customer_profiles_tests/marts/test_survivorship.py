from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.marts.survivorship import RecordView, TraitSpec, fold_traits

TRUST = {"crm": 90, "orders": 50, "web": 10}


def spec(name, *, path=None, many=False):
    return TraitSpec(name, path or (name,), "…", DataClass.CONTACT, ("support",), Retention("P3Y"), many)


SPECS = [
    *(spec(name) for name in ("given_name", "family_name", "address_line", "city", "postcode", "country")),
    spec("emails", many=True),
    spec("tier", path=("extra", "tier")),
]


def record(record_no, source, observed_at, **fields):
    return RecordView(record_no, source, observed_at, fields)


def folded(*records):
    return {trait.name: trait for trait in fold_traits(records, SPECS, TRUST)}


def test_the_most_trusted_source_wins_over_a_newer_one():
    traits = folded(record(1, "web", 9, country="FR"), record(2, "crm", 3, country="GB"))
    country = traits["country"]
    assert (country.value, country.source, country.record_no, country.observed_at) == ("GB", "crm", 2, 3)
    assert [(one.value, one.source, one.observed_at) for one in country.losing] == [("FR", "web", 9)]


def test_within_a_source_the_newest_value_wins():
    traits = folded(record(1, "crm", 3, country="FR"), record(2, "crm", 4, country="GB"))
    assert traits["country"].value == "GB"


def test_of_records_of_one_moment_the_last_to_arrive_wins_as_if_each_had_come_in_a_batch_of_its_own():
    traits = folded(record(1, "crm", 3, country="FR"), record(2, "crm", 3, country="GB"))
    assert traits["country"].value == "GB"


def test_an_empty_value_never_beats_a_value():
    traits = folded(
        record(1, "crm", 3, country="", extra={}), record(2, "web", 4, country="GB", extra={"tier": 0})
    )
    assert traits["country"].value == "GB"
    assert traits["tier"].value == 0


def test_all_emails_are_kept_best_first_each_with_where_it_comes_from():
    traits = folded(
        record(1, "web", 9, emails=["w@x.example", "both@x.example"]),
        record(2, "crm", 3, emails=["both@x.example"]),
    )
    assert traits["emails"].value == ["both@x.example", "w@x.example"]
    assert [(one.value, one.source) for one in traits["emails"].losing] == [
        ("both@x.example", "crm"),
        ("w@x.example", "web"),
    ]


def test_an_address_is_never_mixed_from_two_places():
    traits = folded(
        record(1, "crm", 3, city="Leeds", postcode="LS1 1AA"),
        record(2, "orders", 4, address_line="1 High St", city="York", postcode="YO1 7HH"),
        record(3, "web", 5, address_line="9 Mill Rd", postcode="LS1 1AA"),
    )
    assert [traits[name].value for name in ("address_line", "city", "postcode")] == [
        "9 Mill Rd",
        "Leeds",
        "LS1 1AA",
    ]


records = st.lists(
    st.builds(
        record,
        record_no=st.integers(1, 50),
        source=st.sampled_from(["crm", "orders", "web", "unknown"]),
        observed_at=st.integers(0, 3),
        country=st.sampled_from(["GB", "gb", "FR", "", None]),
        emails=st.lists(st.sampled_from(["a@x.example", "b@x.example"]), max_size=2),
        city=st.sampled_from(["Leeds", "York", None]),
        postcode=st.sampled_from(["LS1", "YO1", None]),
    ),
    max_size=6,
    unique_by=lambda one: one.record_no,
)


@given(records, st.randoms())
def test_the_order_in_which_records_are_read_never_matters(given_records, random):
    shuffled = list(given_records)
    random.shuffle(shuffled)
    assert fold_traits(shuffled, SPECS, TRUST) == fold_traits(given_records, SPECS, TRUST)


@given(records)
def test_no_value_is_lost_and_none_is_invented(given_records):
    traits = {trait.name: trait for trait in fold_traits(given_records, SPECS, TRUST)}
    said = {one.fields["country"].casefold() for one in given_records if one.fields["country"]}
    if "country" in traits:
        kept = [traits["country"].value, *(one.value for one in traits["country"].losing)]
        assert {value.casefold() for value in kept} == said
        assert len(kept) == len(said)
    else:
        assert not said


@given(records)
def test_the_city_and_postcode_come_from_records_that_do_not_disagree(given_records):
    traits = {trait.name: trait for trait in fold_traits(given_records, SPECS, TRUST)}
    if "city" in traits and "postcode" in traits:
        pairs = {(one.fields["city"], one.fields["postcode"]) for one in given_records}
        assert (traits["city"].value, traits["postcode"].value) in pairs
