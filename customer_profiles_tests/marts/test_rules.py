import pytest

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.marts.facts import Grammar
from customer_profiles.marts.rules import SegmentError, read_rule
from customer_profiles.marts.survivorship import TraitSpec


def spec(name):
    return TraitSpec(name, (name,), "…", DataClass.DEMOGRAPHIC, ("support",), Retention("P3Y"))


GRAMMAR = Grammar.of(["1h", "24h", "7d", "30d"], ["category"], "GBP")
TRAITS = {name: spec(name) for name in ("country", "city", "emails", "preference_newsletter")}


def read(when, **more):
    return read_rule("big_spender", when, TRAITS, GRAMMAR, **more)


def test_a_rule_over_traits_and_windows_is_read():
    rule = read("purchase_value_30d >= 50000 AND country = 'GB' -- the big ones")
    assert rule.condition == """"purchase_value_30d" >= 50000 AND "country" = 'GB'"""
    assert rule.names == ("country", "purchase_value_30d")


@pytest.mark.parametrize(
    "when",
    [
        "country IN ('GB', 'FR') OR NOT city LIKE 'L%'",
        "coalesce(page_count_7d, 0) + web_count_24h * 2 > 10",
        "country IS NOT NULL AND lower(city) = 'leeds'",
        "days_since_last_interaction BETWEEN 30 AND 60",
        "preference_newsletter = 'true'",
        "purchase_count_30d[category = 'running shoes'] >= 2",
        "days_since_last_page[CATEGORY = 'it''s'] < 3 AND page_days_7d > 2",
    ],
)
def test_what_a_rule_may_hold_is_read(when):
    assert read(when)


@pytest.mark.parametrize(
    "when",
    [
        "country IN (SELECT country FROM trait)",
        "EXISTS (SELECT 1)",
        "read_csv('/etc/passwd') = 'x'",
        "getenv('HOME') = 'x'",
        "country = 'GB'; DROP TABLE trait",
        "SELECT 1",
        "country = 'GB' UNION SELECT 1",
        "CASE WHEN country = 'GB' THEN true END",
        "country = (SELECT max(country) FROM trait)",
        "trait.country = 'GB'",
        "* = 1",
        "country = $1",
        "random() < 0.5",
        "country ~ '.*'",
        "country::INTEGER = 1",
        "count(*) > 1",
        "purchase_count_30d",
        "country = ",
        "",
        "country = 'GB' LIMIT 1",
        "x -> x > 1",
        "purchase_count_30d OVER () > 1",
        "country COLLATE nocase = 'gb'",
        "purchase_count_30d[colour = 'red'] > 1",
        "purchase_count_30d[1] > 1",
        "purchase_count_30d[category = 1] > 1",
        "purchase_count_30d[category = 'a', category = 'b'] > 1",
        "purchase_count_30d[category > 'a'] > 1",
        "country['x'] = 'GB'",
        "country[category = 'x'] = 'GB'",
        "(purchase_count_30d + 1)[category = 'x'] > 1",
    ],
)
def test_everything_else_is_refused_and_the_message_names_the_settings_key(when):
    with pytest.raises(SegmentError, match=r"segments\.big_spender\.when"):
        read(when)


def test_a_wrong_name_is_refused_with_the_nearest_right_one():
    with pytest.raises(SegmentError, match=r'names "contry".* nearest name is "country"'):
        read("contry = 'GB'")
    with pytest.raises(
        SegmentError, match=r'names "purchase_value_31d".* nearest name is "purchase_value_30d"'
    ):
        read("purchase_value_31d > 1")
    with pytest.raises(
        SegmentError, match=r'names "purchse_count_30d".* nearest name is "purchase_count_30d"'
    ):
        read("purchse_count_30d > 1", subjects=["purchase", "page"])


def test_a_property_that_is_not_counted_is_refused_with_the_key_that_would_count_it():
    with pytest.raises(SegmentError, match=r"property colour, .* windows\.properties \(there: category\)"):
        read("purchase_count_30d[colour = 'red'] > 1")
    with pytest.raises(SegmentError, match=r"Windows \(windows\.lengths\): 1h, 24h, 7d, 30d"):
        read("purchase_count_45m > 1")


def test_the_days_of_a_fact_of_one_value_are_its_own():
    days = read("days_since_last_page[category = 'A'] > 3 AND days_since_last_page > 9").days
    assert days == {"days_since_last_page": (9, 10), "days_since_last_page[category=A]": (3, 4)}


def test_only_the_days_that_a_rule_compares_with_matter():
    assert read("days_since_last_page > 30").days == {"days_since_last_page": (30, 31)}
    assert read("days_since_last_page BETWEEN 3 AND 9").days == {"days_since_last_page": (3, 4, 9, 10)}
    assert read("days_since_last_page * 2 > 30").days == {}
    assert read("days_since_last_page > days_since_last_purchase").days == {}
