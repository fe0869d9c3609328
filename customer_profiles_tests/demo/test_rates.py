"""The demo is as messy as its docstring says: measured in the files against the people as they truly are."""

import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import phonenumbers
import pytest

from customer_profiles import demo
from customer_profiles.demo import DemoSummary, rates
from customer_profiles.demo.lexicon import lexicon
from customer_profiles.demo.world import make_people
from customer_profiles_tests.demo import reading

PEOPLE = make_people(1, 0, 2_000)
PROMISED = {
    "a typing error in a name": (0.15, rates.NAME_TYPO),
    "a nickname for the given name": (0.05, rates.NICKNAME),
    "an address moved away from": (0.10, rates.MOVED_HOUSE),
    "no email address": (0.20, rates.WITHOUT_EMAIL),
    "no phone number": (0.30, rates.WITHOUT_PHONE),
    "a family member's phone or email": (0.05, rates.SHARED_CONTACT),
    "a generic address (``info@…``)": (0.01, rates.GENERIC_EMAIL),
    "a wrong birth date": (0.03, rates.WRONG_BIRTH_DATE),
    "visits that start anonymous": (0.30, rates.ANONYMOUS_VISIT),
    "events late, by 6 hours to 3 days": (0.05, rates.LATE),
    "events delivered twice": (0.02, rates.DUPLICATE),
    "events out of order": (0.10, rates.OUT_OF_ORDER),
    "broken rows": (0.005, rates.BROKEN),
    "name and birth year of a neighbour": (0.005, rates.NAMESAKE),
}
"""Each rate by its name in the docstring: the least that it may be, and what it is."""
RECORD_FEEDS = {
    "crm": "contacts", "orders": "customers", "web": "identify",
    "email": "subscribers", "social": "profiles", "support": "requesters",
}  # fmt: skip


def contacts_with_person(folder: Path) -> list[tuple[dict[str, object], int]]:
    persons = {row["source_key"]: row["person"] for row in reading.truth(folder) if row["source"] == "crm"}
    return [
        (row, int(persons[row["id"]].removeprefix("customer-")))
        for row in reading.sound_table(folder, "crm", "contacts")
    ]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def nicknames(person: int) -> tuple[str, ...]:
    words = lexicon()
    names = words.female if PEOPLE.sex[person] == 0 else words.male
    return names.nicknames[PEOPLE.given_number[person]]


def test_the_docstring_tells_every_rate_and_none_is_lower_than_promised() -> None:
    table = re.findall(r"(?m)^(\S.*?) {2,}([\d.]+) ?%  ", demo.__doc__ or "")

    assert {name: float(percent) / 100 for name, percent in table} == {
        name: pytest.approx(rate) for name, (_, rate) in PROMISED.items()
    }
    assert not [name for name, (least, rate) in PROMISED.items() if rate < least]
    assert rates.TOO_LARGE >= 5_000_000


def test_crm_names_are_mistyped_and_nicknamed_at_their_rates(folder: Path) -> None:
    contacts = contacts_with_person(folder)
    nicknamed = [row["first_name"] in nicknames(person) for row, person in contacts]
    mistyped = [
        row["last_name"] != PEOPLE.family[person]
        or (row["first_name"] != PEOPLE.given[person] and row["first_name"] not in nicknames(person))
        for row, person in contacts
    ]
    assert rates.NICKNAME * 0.9 <= share(nicknamed) <= rates.NICKNAME * 1.2
    assert rates.NAME_TYPO * 0.98 <= share(mistyped) <= rates.NAME_TYPO * 1.1


def test_crm_addresses_and_birth_dates_are_wrong_at_their_rates(folder: Path) -> None:
    contacts = contacts_with_person(folder)
    moved = [row["address_1"] != PEOPLE.home.line[person] for row, person in contacts]
    births = [
        str(np.datetime64(int(PEOPLE.birth[person]), "D"))
        != "-".join(reversed(str(row["date_of_birth"]).split("/")))
        for row, person in contacts
        if row["date_of_birth"]
    ]
    assert rates.MOVED_HOUSE <= share(moved) <= rates.MOVED_HOUSE * 1.1
    assert rates.WRONG_BIRTH_DATE <= share(births) <= rates.WRONG_BIRTH_DATE * 1.1


def test_crm_contacts_cannot_be_reached_or_share_their_reach_at_their_rates(folder: Path) -> None:
    contacts = contacts_with_person(folder)
    emails = [row["email"] for row, _ in contacts]
    generic = [str(email).split("@")[0] in {"info", "sales", "office", "noreply"} for email in emails]
    owner = {email: number for number, email in enumerate(PEOPLE.email)}
    mobiles = {f"+44{mobile}": number for number, mobile in enumerate(PEOPLE.mobile)}
    shared = [
        owner.get(row["email"], person) != person or mobiles.get(national(row["mobile"]), person) != person
        for row, person in contacts
    ]
    assert rates.WITHOUT_EMAIL <= share([email is None for email in emails]) <= rates.WITHOUT_EMAIL * 1.05
    assert (
        rates.WITHOUT_PHONE
        <= share([row["mobile"] is None for row, _ in contacts])
        <= rates.WITHOUT_PHONE * 1.05
    )
    assert rates.GENERIC_EMAIL <= share(generic) <= rates.GENERIC_EMAIL * 1.2
    assert rates.SHARED_CONTACT <= share(shared) <= rates.SHARED_CONTACT * 1.1


def national(phone: object) -> str:
    digits = "".join(filter(str.isdigit, str(phone or "").replace("(0)", "")))
    return f"+44{digits.removeprefix('00').removeprefix('44').removeprefix('0')}"


@pytest.mark.parametrize(("source", "feed"), RECORD_FEEDS.items())
def test_no_source_is_tidier_than_the_rates(company: DemoSummary, source: str, feed: str) -> None:
    counts = company.totals[source]
    names, births = counts[f"{feed}.name"], counts[f"{feed}.birth_date"]
    assert counts[f"{feed}.name_typo"] >= rates.NAME_TYPO * names
    assert counts[f"{feed}.nickname"] >= rates.NICKNAME * names
    assert counts[f"{feed}.moved_house"] >= rates.MOVED_HOUSE * names
    assert counts[f"{feed}.wrong_birth_date"] >= rates.WRONG_BIRTH_DATE * births
    assert counts[f"{feed}.without_phone"] >= rates.WITHOUT_PHONE * names
    if source != "email":
        assert counts[f"{feed}.without_email"] >= rates.WITHOUT_EMAIL * names
    if source != "social":
        assert counts[f"{feed}.shared_contact"] >= rates.SHARED_CONTACT * names
        assert counts[f"{feed}.generic_email"] >= rates.GENERIC_EMAIL * names


def test_web_events_are_late_out_of_order_and_doubled_at_their_rates(folder: Path) -> None:
    rows = reading.sound_json_lines(folder, "web", "events/*.jsonl")
    firsts = {row["messageId"]: row for row in reversed(rows)}
    delays = [
        datetime.fromisoformat(row["receivedAt"]) - datetime.fromisoformat(row["timestamp"])
        for row in firsts.values()
    ]
    late = share([delay >= timedelta(hours=6) for delay in delays])
    behind = share([timedelta(minutes=30) <= delay < timedelta(hours=6) for delay in delays])
    doubled = (len(rows) - len(firsts)) / len(firsts)
    assert max(delays) <= timedelta(days=3)
    assert rates.LATE <= late <= rates.LATE * 1.05
    assert rates.OUT_OF_ORDER <= behind <= rates.OUT_OF_ORDER * 1.05
    assert rates.DUPLICATE <= doubled <= rates.DUPLICATE * 1.05


def test_events_out_of_order_really_follow_what_happened_later(folder: Path) -> None:
    stamps = [row["timestamp"] for row in reading.sound_json_lines(folder, "web", "events/*.jsonl")]
    newest, behind = "", 0
    for stamp in stamps:
        behind += stamp < newest
        newest = max(newest, stamp)
    assert behind / len(stamps) >= rates.OUT_OF_ORDER


def test_every_source_of_events_has_late_and_double_ones(company: DemoSummary) -> None:
    for source in ("orders", "web", "email", "social", "support"):
        for feed, counts in by_feed(company.totals[source]).items():
            if "events" in counts:
                assert counts["late"] >= rates.LATE * counts["events"], (source, feed)
                assert counts["out_of_order"] >= rates.OUT_OF_ORDER * counts["events"], (source, feed)
                assert counts["duplicate"] >= rates.DUPLICATE * counts["events"], (source, feed)
                assert counts["rows"] == counts["events"] + counts["duplicate"], (source, feed)


def test_every_feed_has_its_share_of_broken_rows(company: DemoSummary) -> None:
    for source, totals in company.totals.items():
        for feed, counts in by_feed(totals).items():
            if "rows" in counts:
                rows = counts["rows"] + counts["broken"]
                assert rates.BROKEN * rows <= counts["broken"] <= rates.BROKEN * rows + 2, (source, feed)


def by_feed(totals: dict[str, int]) -> dict[str, dict[str, int]]:
    feeds: dict[str, dict[str, int]] = {}
    for name, number in totals.items():
        feed, _, what = name.partition(".")
        feeds.setdefault(feed, {})[what] = number
    return feeds


def test_three_in_ten_visits_start_anonymous_and_half_of_those_log_in(
    folder: Path, company: DemoSummary
) -> None:
    web = company.totals["web"]
    assert rates.ANONYMOUS_VISIT <= web["visits.anonymous"] / web["visits"] <= rates.ANONYMOUS_VISIT * 1.02
    assert web["visits.log_in_later"] / web["visits.anonymous"] == pytest.approx(0.5, abs=0.01)
    rows = reading.sound_json_lines(folder, "web", "events/*.jsonl")
    before_login = {row["anonymousId"] for row in rows if row["userId"] is None}
    after_login = {row["anonymousId"] for row in rows if row["userId"] is not None}
    assert len(before_login - after_login) == web["strangers"]
    assert len(before_login & after_login) > 0.8 * web["visits.log_in_later"]


def test_neighbours_share_name_and_birth_year() -> None:
    alike = Counter(
        (given, family, postcode, str(np.datetime64(int(birth), "D"))[:4])
        for given, family, postcode, birth in zip(
            PEOPLE.given, PEOPLE.family, PEOPLE.home.postcode, PEOPLE.birth, strict=True
        )
    )
    assert sum(number for number in alike.values() if number > 1) / PEOPLE.count >= 1 / 200


def test_the_name_lists_are_long_enough() -> None:
    words = lexicon()
    assert len({*words.female.names, *words.male.names}) >= 250
    assert len(set(words.surnames)) >= 500
    assert words.female.has_nickname.sum() + words.male.has_nickname.sum() >= 250


def test_phone_numbers_are_well_formed() -> None:
    for digits in [*PEOPLE.mobile, *filter(None, PEOPLE.landline)]:
        assert phonenumbers.is_possible_number(phonenumbers.parse(f"+44{digits}"))
    valid = [phonenumbers.is_valid_number(phonenumbers.parse(f"+44{digits}")) for digits in PEOPLE.mobile]
    assert all(valid)
