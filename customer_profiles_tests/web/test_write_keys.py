"""A write key tells the source of an event, and is never in the settings."""

from pathlib import Path

import pytest

from customer_profiles.settings import Settings
from customer_profiles.web.write_keys import WriteKeyError, load_write_keys
from customer_profiles_tests.cleaning.made import KEYS, settings_of

FEEDS = "feeds: {people: {contract: record, where: {type: identify}, fields: {source_key: userId}}}"


def settings_with_keys(**write_keys: str) -> Settings:
    sources = "".join(
        f"  {source}:\n    connector: {{type: collector, write_keys: [{keys}]}}\n    {FEEDS}\n"
        for source, keys in write_keys.items()
    )
    return settings_of(f"sources:\n{sources}", Path("/nowhere"))


def variable(name: str) -> str:
    return f"{{provider: environment, variable: {name}}}"


def test_a_source_may_have_several_keys_while_one_takes_the_place_of_another() -> None:
    settings = settings_with_keys(web=f"{variable('A')}, {{provider: master_key}}", app=variable("B"))
    found = load_write_keys(settings, KEYS, {"A": "the-first-key", "B": "the-second-key"})

    assert found["the-first-key"] == "web"
    assert found["the-second-key"] == "app"
    assert sorted(found.values()) == ["app", "web", "web"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (settings_with_keys(web=variable("GONE")), "GONE with a write key of web is not set"),
        (settings_with_keys(web=variable("SHORT")), "SHORT with a write key of web is not set, or has less"),
        (settings_with_keys(web=variable("A"), app=variable("A")), "web and app have the same write key"),
        (settings_of("company: Empty", Path("/nowhere")), "No source has `connector: {type: collector}`"),
    ],
)
def test_keys_that_do_not_tell_their_source_are_refused_before_anything_is_served(
    settings: Settings, told: str
) -> None:
    with pytest.raises(WriteKeyError, match=told.replace("{", r"\{").replace("}", r"\}")):
        load_write_keys(settings, KEYS, {"A": "the-first-key", "SHORT": "key"})
