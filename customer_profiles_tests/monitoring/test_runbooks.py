"""Every alarm has its runbook; the commands in it are run by the test of the documentation, with those of every page."""

import re

import pytest

from customer_profiles.monitoring.alarms.alarm import Name
from customer_profiles.settings import load_settings
from customer_profiles.settings.alarms import Alarms

DOCS = load_settings().folder / "docs"


@pytest.mark.parametrize("name", list(Name))
def test_an_alarm_has_a_runbook_that_says_where_to_look_what_to_do_and_when_it_is_over(name: Name) -> None:
    text = (DOCS / f"runbooks/{name}.md").read_text()

    assert f"Alarm `{name}`." in text
    assert re.findall(r"(?m)^## (.*)$", text) == ["Look", "Do", "Over"]
    assert re.search(r"```console\n\$ customer-profiles ", text)
    assert set(re.findall(r"`alarms\.(\w+)`", text)) <= set(Alarms.model_fields)


def test_there_is_no_runbook_without_an_alarm_and_the_table_names_them_all() -> None:
    pages = {page.stem for page in (DOCS / "runbooks").glob("*.md")}
    listed = set(re.findall(r"\(runbooks/(\w+)\.md\)", (DOCS / "alarms.md").read_text()))

    assert pages == listed == {str(name) for name in Name}
