"""Making the demo company: the same again, another one, and what is refused."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from customer_profiles.demo import AS_OF, DemoError, DemoSummary, generate, read_summary
from customer_profiles.demo.visitors import Crowd, logins
from customer_profiles.settings import load_settings
from customer_profiles_tests.demo import reading


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(company: DemoSummary, tmp_path: Path) -> None:
    generate(tmp_path)
    assert digests(tmp_path) == digests(company.folder)


def test_another_seed_gives_another_company(company: DemoSummary, tmp_path: Path) -> None:
    generate(tmp_path, seed=2)
    same = digests(tmp_path).items() & digests(company.folder).items()
    assert not same


def test_a_new_company_replaces_the_old_one_and_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    generate(tmp_path, 1_000, as_of=AS_OF - timedelta(days=30))
    generate(tmp_path, 1_000)
    again = tmp_path / "again"
    generate(again, 1_000)
    made = {name: digest for name, digest in digests(tmp_path).items() if not name.startswith("again/")}
    assert made.pop("notes.txt")
    assert made == digests(again)


def test_nothing_happens_after_the_end_of_history(folder: Path) -> None:
    events = reading.sound_json_lines(folder, "web", "events/*.jsonl")
    newest = max(max(row["timestamp"], row["receivedAt"]) for row in events)
    oldest = min(row["timestamp"] for row in events)
    assert datetime.fromisoformat(newest) <= AS_OF
    assert AS_OF - timedelta(days=91) <= datetime.fromisoformat(oldest)


def test_the_site_is_visited_from_the_devices_that_the_files_know(folder: Path) -> None:
    known: dict[str, set[tuple[str, bool]]] = {}
    for row in reading.sound_json_lines(folder, "web", "events/*.jsonl"):
        if row["userId"]:
            known.setdefault(row["userId"], set()).add((row["anonymousId"], row["channel"] == "app"))
    accounts = logins(2_000, 1, Random(1))
    assert len(known) == len(accounts)
    for account in accounts:
        assert known[account.user_id] <= {(one.anonymous_id, one.app) for one in account.devices}


def test_the_summary_can_be_read_again(company: DemoSummary, tmp_path: Path) -> None:
    assert read_summary(company.folder) == company
    assert read_summary(tmp_path) is None


def test_a_first_run_has_about_the_size_that_was_promised(company: DemoSummary) -> None:
    assert 5_500 <= sum(company.records.values()) <= 6_500
    assert 20_000 <= sum(company.events.values()) <= 30_000


@pytest.mark.parametrize("customers", [999, 1_000_001])
def test_a_company_of_the_wrong_size_is_refused(tmp_path: Path, customers: int) -> None:
    with pytest.raises(DemoError, match="1,000 to 1,000,000"):
        generate(tmp_path, customers)
    assert not list(tmp_path.iterdir())


def test_an_end_without_time_zone_and_a_negative_seed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="time zone"):
        generate(tmp_path, as_of=datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    with pytest.raises(DemoError, match="seed"):
        generate(tmp_path, seed=-1)


@pytest.mark.slow
def test_a_company_of_several_chunks_has_no_key_twice(tmp_path: Path) -> None:
    steps: list[float] = []
    company = generate(tmp_path, 26_000, progress=steps.append)
    keys = [(row["source"], row["source_key"]) for row in reading.truth(tmp_path)]
    assert len(set(keys)) == len(keys) == sum(company.records.values())
    places = [(row["source"], row["where"]) for row in reading.broken(tmp_path)]
    assert len(set(places)) == len(places) == sum(company.broken.values())
    assert steps == [1 / 3, 2 / 3, 1]
    order_numbers = {row["order_number"] for row in reading.sound_table(tmp_path, "orders", "orders")}
    assert len(order_numbers) == company.events["orders"]


def test_the_settings_read_columns_that_the_sources_have(folder: Path) -> None:
    settings = load_settings(Path(__file__).parents[2] / "customer_profiles.yaml")
    found = {
        ("crm", "contacts"): reading.sound_table(folder, "crm", "contacts"),
        ("orders", "customers"): reading.sound_table(folder, "orders", "customers"),
        ("orders", "orders"): reading.sound_table(folder, "orders", "orders"),
        ("web", "identify"): reading.sound_json_lines(folder, "web", "identify/*.jsonl"),
        ("web", "events"): reading.sound_json_lines(folder, "web", "events/*.jsonl"),
        ("web", "consent"): reading.sound_json_lines(folder, "web", "consent/*.jsonl"),
        **{("site", feed): rows for feed, rows in site_events().items()},
        ("email", "subscribers"): reading.sound_csv(folder, "email", "subscribers-*.csv"),
        ("email", "activity"): reading.sound_csv(folder, "email", "activity/*.csv"),
        ("email", "unsubscribed"): reading.sound_csv(folder, "email", "unsubscribed-*.csv"),
        ("social", "profiles"): reading.sound_array(folder, "social", "profiles-*.json"),
        ("social", "mentions"): reading.sound_array(folder, "social", "mentions-*.json"),
        ("social", "messages"): reading.sound_array(folder, "social", "messages-*.json"),
        ("support", "requesters"): reading.sound_json_lines(folder, "support", "requesters-*.jsonl"),
        ("support", "tickets"): reading.sound_json_lines(folder, "support", "tickets-*.jsonl"),
        ("support", "chats"): reading.sound_json_lines(folder, "support", "chats-*.jsonl"),
    }
    assert {(source, name) for source, name, _ in settings.feeds()} == set(found)
    for source, name, feed in settings.feeds():
        paths = {path for row in found[source, name] for path in paths_of(row)}
        for column in feed.columns:
            assert column in paths, (source, name, column)


def site_events() -> dict[str, list[dict[str, Any]]]:
    """What visitors do now, by the feed that reads it."""
    crowd = Crowd(logins(1_000, 1, Random(1)), Random(1), 50, "r")
    events = crowd.events(2_000, 1_793_450_000)
    return {
        "identify": [event for event in events if event["type"] == "identify"],
        "events": [event for event in events if event["type"] != "identify"],
        "consent": [event for event in events if event.get("event") == "Consent Updated"],
    }


def paths_of(row: dict[str, object], before: str = "") -> set[str]:
    found = set()
    for name, value in row.items():
        found.add(before + name)
        if isinstance(value, dict):
            found |= paths_of(value, f"{before}{name}.")
    return found
