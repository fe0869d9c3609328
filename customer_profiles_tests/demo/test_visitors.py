"""Visitors of the demo's site behave as people do, at the rates of the demo's files."""

from collections import Counter, defaultdict
from datetime import datetime
from itertools import groupby
from random import Random

import pytest

from customer_profiles.demo.files import Row
from customer_profiles.demo.rates import BROKEN, DUPLICATE, LATE, OUT_OF_ORDER
from customer_profiles.demo.visitors import Crowd, Login, logins
from customer_profiles.demo.web import devices_of
from customer_profiles.demo.world import make_people

NOW = 1_793_450_000.0
COUNT = 20_000


def crowd(seed: int = 1) -> Crowd:
    dice = Random(seed)
    return Crowd(logins(1_000, 1, dice), dice, 200, "run")


@pytest.fixture(scope="module")
def events() -> list[Row]:
    return crowd().events(COUNT, NOW)


def visits() -> list[list[Row]]:
    """Those of a site on which nobody is at the same time as somebody else."""
    dice = Random(1)
    events = Crowd(logins(25_000, 1, dice), dice, 1, "run").events(COUNT, NOW)
    told = {event["messageId"]: event for event in events if not event["messageId"].endswith("broken")}
    return [list(visit) for _, visit in groupby(told.values(), key=lambda event: event["anonymousId"])]


def test_the_same_seed_gives_the_same_visits_and_another_one_others(events: list[Row]) -> None:
    assert crowd().events(COUNT, NOW) == events
    assert crowd(2).events(100, NOW) != events[:100]


def test_they_log_in_as_customers_of_the_company() -> None:
    accounts = {account.user_id: account for account in logins(1_000, 1, Random(1))}
    assert len(accounts) == 350
    assert set(accounts) == set(make_people(1, 0, 1_000).user_id) - {""}
    told = Counter(name for account in accounts.values() for name, value in account.traits.items() if value)
    assert told["firstName"] == 350
    assert 0 < told["email"] < 350


def test_customers_come_back_with_their_two_devices_and_strangers_only_once(events: list[Row]) -> None:
    accounts = {account.user_id: account for account in logins(1_000, 1, Random(1))}
    sound = [event for event in events if not event["messageId"].endswith("broken")]
    devices = defaultdict(set)
    for event in sound:
        if event["userId"]:
            devices[event["userId"]].add((event["anonymousId"], event["channel"] == "app"))
    assert len(devices) == len(accounts)
    for user_id, used in devices.items():
        assert used <= {(one.anonymous_id, one.app) for one in accounts[user_id].devices}
    assert 0.9 < sum(len(used) for used in devices.values()) / len(devices) / 2 <= 1
    theirs = {one.anonymous_id for account in accounts.values() for one in account.devices}
    strange = Counter(event["anonymousId"] for event in sound if event["anonymousId"] not in theirs)
    assert 0.10 < strange.total() / len(sound) < 0.20
    assert max(strange.values()) <= 14


def test_some_look_around_first_and_log_in_later_and_some_stay_strangers() -> None:
    every = visits()
    unknown = [visit for visit in every if not any(event["userId"] for event in visit)]
    later = [
        visit
        for visit in every
        if visit[0]["userId"] is None and any(event["type"] == "identify" for event in visit)
    ]
    assert 0.10 < len(unknown) / len(every) < 0.25
    assert 0.05 < len(later) / len(every) < 0.20
    for visit in later:
        known = [event["userId"] for event in visit if event["userId"]]
        assert len(set(known)) == 1
        assert [event["userId"] for event in visit][-len(known) :] == known


def test_who_buys_is_logged_in_and_the_order_is_told_of_once(events: list[Row]) -> None:
    again = crowd()
    assert again.events(COUNT, NOW) == events
    orders = {order.number: order for order in again.orders()}
    bought = {
        event["properties"]["order_id"]: event
        for event in events
        if event.get("event") == "Order Completed" and not event["messageId"].endswith("broken")
    }
    assert len(orders) > 100
    # The till also has those that were broken on their way here.
    assert set(bought) <= set(orders)
    for number, event in bought.items():
        assert (event["userId"], event["properties"]["value"]) == (
            orders[number].user_id,
            orders[number].total,
        )
    assert again.orders() == []


def test_events_are_late_out_of_order_told_twice_and_broken_at_the_rates_of_the_files(
    events: list[Row],
) -> None:
    told = Counter(event["messageId"] for event in events)
    broken = [event for event in events if event["messageId"].endswith("broken")]
    behind = [
        NOW - datetime.fromisoformat(event["timestamp"]).timestamp()
        for event in events
        if not event["messageId"].endswith("broken")
    ]

    def share(count: int) -> float:
        return count / COUNT

    assert share(COUNT - len(told)) == pytest.approx(DUPLICATE, rel=0.3)
    assert share(len(broken)) == pytest.approx(BROKEN, rel=0.4)
    assert share(sum(seconds > 5 * 3600 for seconds in behind)) == pytest.approx(LATE, rel=0.3)
    assert share(sum(1000 < seconds < 4 * 3600 for seconds in behind)) == pytest.approx(OUT_OF_ORDER, rel=0.3)
    assert max(behind) <= 3 * 86_400 + 1


def test_a_company_of_one_account_has_visitors_too() -> None:
    dice = Random(3)
    few = Crowd([Login("u1", {}, devices_of("u1", 1))], dice, 1, "run").events(50, NOW)
    assert {event["userId"] for event in few if event["messageId"][-1] != "n"} <= {"u1", None}
