"""Web and app analytics in the Segment spec: who logged in, what they did, what they agreed to, a file a day.

https://segment.com/docs/connections/spec/
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Flags, Indexes, Texts, only, texts
from customer_profiles.demo.events import Deliveries, deliver
from customer_profiles.demo.files import Row, Spoiler, Weak, by_day, json_lines, too_large_line, write_lines
from customer_profiles.demo.mess import Habits, Seen, see, spell_phones
from customer_profiles.demo.products import PRODUCTS
from customer_profiles.demo.rates import ANONYMOUS_VISIT, choose, share
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

VISITS_A_USER = 3.0
EVENTS_A_VISIT = 4.0
SECOND_DEVICE = 0.30
"""Of the visits of users."""
IN_APP = 0.35
"""Of the devices."""
_IDENTIFY = Weak("messageId", ("userId", "anonymousId"), "timestamp", "traits.firstName")
_EVENT = Weak(
    "messageId",
    ("userId", "anonymousId", "previousId", "context.device.id"),
    "timestamp",
    "event",
    "properties.value",
)
_CONSENT = Weak("messageId", ("userId", "anonymousId"), "timestamp", "properties.purpose")
TRACKS = ("Product List Viewed", "Product Viewed", "Product Viewed", "Product Added", "Cart Viewed")
_PAGES = ("Home", "Category", "Product", "Basket", "Help", "Delivery")
HABITS = Habits(without_birth_date=0.5)
"""What users tell the site of themselves."""
PURPOSES = ("personalisation", "analytics", "marketing")


@dataclass(frozen=True, slots=True)
class Device:
    """A browser or an app, by the anonymous ID that it keeps."""

    anonymous_id: str
    app: bool


@dataclass(frozen=True)
class _Visits:
    """Visits, an entry each.

    Attributes:
        user: number of the user among the web accounts; -1 for a stranger.
        device: number of the device. ``app``: whether it is the app.
        begins: microseconds UTC. ``events``: how many things are done.
        login: before which of them the visitor logs in; 0 is logged in from the start, ``events`` is never.
    """

    user: Indexes
    device: Indexes
    app: Flags
    begins: Indexes
    events: Indexes
    login: Indexes


def write_web(folder: Path, people: People, seed: int, as_of: int, part: int) -> Account:
    """Write the web analytics of one chunk of customers into ``folder``."""
    rng = np.random.default_rng([seed, 3, people.start])
    account = Account("web")
    users = np.flatnonzero(people.user_id != "")
    visits, anonymous_ids = _visits(rng, people.user_id[users].tolist(), seed, as_of, account)
    _tell_truth(people, users, visits, anonymous_ids, account)
    _write_identifies(folder, people, users, visits, anonymous_ids, rng, as_of, part, account)
    _write_events(folder, people.user_id[users], visits, anonymous_ids, rng, as_of, part, account)
    _write_consents(folder, people.user_id[users], visits, anonymous_ids, rng, as_of, part, account)
    return account


def _visits(
    rng: np.random.Generator, user_ids: Sequence[str], seed: int, as_of: int, account: Account
) -> tuple[_Visits, Texts]:
    """Visits of users and strangers, and the anonymous ID of every device; strangers have their own."""
    users = len(user_ids)
    known = np.concatenate([np.arange(users), rng.integers(0, users, round(users * (VISITS_A_USER - 1)))])
    strangers = share(ANONYMOUS_VISIT / 2 / (1 - ANONYMOUS_VISIT / 2), len(known))
    count = len(known) + strangers
    login_later = choose(rng, np.arange(count) < len(known), ANONYMOUS_VISIT / 2)
    events = 1 + rng.poisson(EVENTS_A_VISIT - 1, count)
    login = np.zeros(count, dtype=np.int64)
    login[login_later] = rng.integers(1, 3, len(login_later))
    events = np.maximum(events, login + 1)
    login[len(known) :] = events[len(known) :]
    user = np.concatenate([known, np.full(strangers, -1)])
    second = rng.random(len(known)) < SECOND_DEVICE
    device = np.concatenate([2 * known + second, 2 * users + np.arange(strangers)])
    devices = 2 * users + strangers
    theirs = [one for user_id in user_ids for one in devices_of(user_id, seed)]
    in_app = rng.random(devices) < IN_APP
    in_app[: len(theirs)] = [one.app for one in theirs]
    app = in_app[device]
    high, low = rng.integers(0, 2**63, devices).tolist(), rng.integers(0, 2**63, devices).tolist()
    ids = texts([f"{h:016x}{n:016x}" for h, n in zip(high, low, strict=True)])
    ids[: len(theirs)] = [one.anonymous_id for one in theirs]
    begins = clock.within_history(rng, count, as_of)
    account.counts.update(
        {
            "visits": count,
            "visits.anonymous": strangers + len(login_later),
            "visits.log_in_later": len(login_later),
        }
    )
    return _Visits(user, device, app, begins, events, login), ids


def _tell_truth(people: People, users: Indexes, visits: _Visits, ids: Texts, account: Account) -> None:
    account.knows(people.user_id[users].tolist(), people.person(users))
    later = (visits.user >= 0) & (visits.login > 0)
    devices, first = np.unique(visits.device[later], return_index=True)
    owners = people.person(users[visits.user[later][first]])
    account.knows([f"anonymous:{one}" for one in ids[devices]], owners)
    strange = visits.device[visits.user < 0]
    persons = [f"stranger-{people.start:07d}-{number:05d}" for number in range(len(strange))]
    account.knows([f"anonymous:{one}" for one in ids[strange]], persons)
    account.counts["strangers"] += len(strange)


def _write_identifies(
    folder: Path, people: People, users: Indexes, visits: _Visits, ids: Texts,
    rng: np.random.Generator, as_of: int, part: int, account: Account,
) -> None:  # fmt: skip
    """An identify call at each user's first visit and at every later log-in."""
    seen = see(people, users, rng, HABITS)
    account.counted(seen.spoilt, "identify")
    traits = traits_of(seen, rng)
    first_visit = np.arange(len(visits.user)) < len(users)
    which = np.flatnonzero((visits.user >= 0) & (first_visit | (visits.login > 0)))
    moment = visits.begins[which] + visits.login[which] * 40 * clock.SECOND
    arrivals = deliver(np.minimum(moment, as_of), rng, as_of)
    stamps, received = clock.iso_utc(moment, "ms"), clock.iso_utc(arrivals.received, "ms")
    user_ids = people.user_id[users]

    def rows() -> Iterator[Row]:
        for number, event in zip(received, arrivals.event.tolist(), strict=True):
            visit = which[event]
            user, device = visits.user[visit], visits.device[visit]
            yield {
                "type": "identify", "messageId": f"web-i-{people.start}-{event}", "timestamp": stamps[event],
                "receivedAt": number, "userId": user_ids[user], "anonymousId": ids[device],
                "traits": traits[user], "context": context_of(bool(visits.app[visit]), ids[device]),
            }  # fmt: skip

    account.counts["identify.sent"] += len(which)
    _write_days(folder, "identify", rows(), arrivals, _IDENTIFY, rng, part, account)


def traits_of(seen: Seen, rng: np.random.Generator) -> list[Row]:
    """What identify calls tell of people, an entry each."""
    phones = spell_phones(seen.phone, rng)
    tells_address = rng.random(len(phones)) < 0.6
    cities, postcodes = only(seen.address.city, tells_address), only(seen.address.postcode, tells_address)
    return [
        {"firstName": first, "lastName": last, "email": email, "phone": phone, "birthday": birth,
         "address": {"city": city, "postalCode": postcode, "country": "GB"}}
        for first, last, email, phone, birth, city, postcode in zip(
            seen.given, seen.family, seen.email, phones, seen.birth_dates(), cities, postcodes, strict=True
        )
    ]  # fmt: skip


def _write_events(
    folder: Path, user_ids: Texts, visits: _Visits, ids: Texts,
    rng: np.random.Generator, as_of: int, part: int, account: Account,
) -> None:  # fmt: skip
    """Pages, screens, things done, groups joined, and aliases: all that happens in visits."""
    visit = np.repeat(np.arange(len(visits.user)), visits.events)
    place = np.arange(len(visit)) - np.repeat(np.cumsum(visits.events) - visits.events, visits.events)
    occurred = visits.begins[visit] + place * 40 * clock.SECOND + rng.integers(0, 30_000, len(visit)) * 1_000
    occurred = np.minimum(occurred, as_of)
    arrivals = deliver(occurred, rng, as_of)
    account.counted(arrivals.spoilt, "events")
    known = (visits.user[visit] >= 0) & (place >= visits.login[visit])
    kind = rng.choice(4, len(visit), p=[0.55, 0.435, 0.01, 0.005])
    kind = np.where(known, kind, kind % 2)
    kinds, products = kind.tolist(), rng.integers(0, len(PRODUCTS), len(visit)).tolist()
    tracks = rng.integers(0, len(TRACKS), len(visit)).tolist()
    stamps, received = clock.iso_utc(occurred, "ms"), clock.iso_utc(arrivals.received, "ms")
    users = [
        user_ids[user] if is_known else None for user, is_known in zip(visits.user[visit], known, strict=True)
    ]
    anonymous, apps = ids[visits.device[visit]].tolist(), visits.app[visit].tolist()

    def rows() -> Iterator[Row]:
        for number, event in zip(received, arrivals.event.tolist(), strict=True):
            row: Row = {
                "messageId": f"web-e-{part}-{event}", "timestamp": stamps[event], "receivedAt": number,
                "userId": users[event], "anonymousId": anonymous[event],
                "channel": "app" if apps[event] else "web",
                "context": context_of(apps[event], anonymous[event]),
            }  # fmt: skip
            row.update(done(kinds[event], apps[event], products[event], tracks[event], anonymous[event]))
            yield row

    _write_days(folder, "events", rows(), arrivals, _EVENT, rng, part, account)


def done(kind: int, app: bool, product_number: int, track: int, anonymous_id: str) -> Row:
    """What is told of one event besides who and when."""
    product = PRODUCTS[product_number]
    if kind == 0:
        name = _PAGES[track]
        properties = {"path": f"/{name.lower()}", "category": product.category}
        return {"type": "screen" if app else "page", "name": name, "properties": properties}
    if kind == 1:
        event, properties = TRACKS[track], {"category": product.category}
        if event.startswith("Product ") and event != "Product List Viewed":
            properties |= {"product_id": product.sku, "name": product.name}
            properties |= {"value": f"{product.price // 100}.{product.price % 100:02d}", "currency": "GBP"}
        return {"type": "track", "event": event, "properties": properties}
    if kind == 2:
        return {
            "type": "group",
            "groupId": f"club-{product.category}",
            "traits": {"name": f"{product.category} club"},
        }
    return {"type": "alias", "previousId": anonymous_id}


def _write_consents(
    folder: Path, user_ids: Texts, visits: _Visits, ids: Texts,
    rng: np.random.Generator, as_of: int, part: int, account: Account,
) -> None:  # fmt: skip
    """What users chose in the cookie banner at their first visit; a third of them say nothing."""
    which = choose(rng, np.arange(len(visits.user)) < len(user_ids), 0.65 * len(user_ids) / len(visits.user))
    moment = visits.begins[which] + visits.login[which] * 40 * clock.SECOND + 5 * clock.SECOND
    arrivals = deliver(np.minimum(moment, as_of), rng, as_of)
    purpose = rng.integers(0, len(PURPOSES), len(which)).tolist()
    granted = (rng.random(len(which)) < 0.6).tolist()
    stamps, received = clock.iso_utc(moment, "ms"), clock.iso_utc(arrivals.received, "ms")

    def rows() -> Iterator[Row]:
        for number, event in zip(received, arrivals.event.tolist(), strict=True):
            visit = which[event]
            yield {
                "type": "track", "event": "Consent Updated", "messageId": f"web-c-{part}-{event}",
                "timestamp": stamps[event], "receivedAt": number, "userId": user_ids[visits.user[visit]],
                "anonymousId": ids[visits.device[visit]],
                "properties": {
                    "purpose": PURPOSES[purpose[event]],
                    "choice": "accepted" if granted[event] else "rejected",
                    "notice": "2026-01",
                },
            }  # fmt: skip

    account.counts["consent.sent"] += len(which)
    _write_days(folder, "consent", rows(), arrivals, _CONSENT, rng, part, account)


def devices_of(user_id: str, seed: int) -> tuple[Device, Device]:
    """The two devices of a user, the one used most first: the same in the files and on the site as it is now.

    Args:
        user_id: Whose. ``seed``: the company's.
    """

    def device(number: int) -> Device:
        anonymous_id = blake2b(f"{seed} {user_id} {number}".encode(), digest_size=16).hexdigest()
        return Device(anonymous_id, int(anonymous_id[:4], 16) < IN_APP * 0x10000)

    return device(0), device(1)


def context_of(app: bool, anonymous_id: str) -> Row:
    """What a client tells of its device."""
    if app:
        return {
            "device": {
                "id": f"dev-{anonymous_id[:12]}",
                "type": "ios" if anonymous_id[-1] < "8" else "android",
            }
        }
    return {"device": {"type": "browser"}, "locale": "en-GB"}


def _write_days(
    folder: Path, feed: str, rows: Iterator[Row], arrivals: Deliveries, weak: Weak,
    rng: np.random.Generator, part: int, account: Account,
) -> None:  # fmt: skip
    """One file for each day that something arrived on."""
    spoiler = Spoiler(weak, len(arrivals.received), rng)
    days = by_day(arrivals.received, clock.DAY)
    names = clock.iso(np.array([arrivals.received[day.start] for day in days], dtype=np.int64))
    lines = json_lines(rows, spoiler, f"{feed}-{part}")
    for day, name in zip(days, names, strict=True):
        count = (day.stop - day.start) + sum(
            spoiler.after(number) is not None for number in range(day.start, day.stop)
        )
        of_day = [next(lines) for _ in range(count)]
        if part == 0 and feed == "events" and day is days[0]:
            large: Row = {
                "timestamp": f"{name}.000Z",
                "receivedAt": f"{name}.000Z",
                "anonymousId": "large",
                "type": "track",
            }
            of_day.append((too_large_line(large, weak), "too_large"))
        write_lines(folder / feed / f"{name[:10]}-{part:04d}.jsonl", of_day, account, feed, folder)
