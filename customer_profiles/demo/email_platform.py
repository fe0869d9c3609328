"""The email platform: CSV exports of its subscribers and of what became of every newsletter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Indexes, only, texts
from customer_profiles.demo.columns import every as every_row
from customer_profiles.demo.crm import contact_id
from customer_profiles.demo.events import deliver
from customer_profiles.demo.files import csv_lines, write_lines
from customer_profiles.demo.mess import Habits, see
from customer_profiles.demo.rates import BROKEN, choose, share
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

SUBSCRIBERS = 0.45
CAMPAIGNS = tuple(f"2026-{month:02d}-newsletter-{number}" for month in (8, 9, 10) for number in (1, 2))
_SUBSCRIBER_HEADER = (
    "Member ID", "Email Address", "First Name", "Last Name", "Postcode", "Status", "Opt-in Time",
    "Last Changed", "CRM ID",
)  # fmt: skip
_EVENT_HEADER = (
    "Event ID",
    "Event",
    "Member ID",
    "Email Address",
    "Campaign",
    "Occurred At",
    "Exported At",
    "Detail",
)
_LINKS = ("/garden", "/kitchen", "/sale", "/new-in", "/children")

Lines = tuple[str, ...]


def write_email(folder: Path, people: People, seed: int, as_of: int, part: int) -> Account:
    """Write the exports of one chunk of customers into ``folder``."""
    rng = np.random.default_rng([seed, 4, people.start])
    account = Account("email")
    who = choose(rng, every_row(people.count), SUBSCRIBERS)
    members = [f"M{people.start + number:08d}" for number in who.tolist()]
    left = choose(rng, every_row(len(who)), 0.06)
    left_at = clock.within_history(rng, len(left), as_of)
    emails = _write_subscribers(folder, people, who, members, left, left_at, rng, as_of, part, account)

    def write(name: str, of: Indexes, occurred: Indexes, campaign: list[str], detail: list[str]) -> None:
        arrivals = deliver(occurred, rng, as_of)
        feed, place = (name, "") if name == "unsubscribed" else ("activity", "activity/")
        account.counted(arrivals.spoilt, feed)
        happened, exported = clock.british(occurred), clock.british(arrivals.received)
        rows: list[Lines] = [
            (
                f"{name}-{part}-{event}",
                name,
                members[of[event]],
                emails[of[event]],
                campaign[event],
                happened[event],
                exported[number],
                detail[event],
            )
            for number, event in enumerate(arrivals.event.tolist())
        ]
        path = folder / f"{place}{name}-{part:04d}.csv"
        _write_csv(path, _EVENT_HEADER, rows, (5, 7, 2), feed, rng, account, folder)

    sent, opened, clicked, bounced = _campaigns(rng, len(who), as_of)
    names = texts(list(CAMPAIGNS))
    write("sent", sent[0], sent[1], names[sent[2]].tolist(), ["newsletter"] * len(sent[0]))
    write("opened", opened[0], opened[1], names[opened[2]].tolist(), ["newsletter"] * len(opened[0]))
    links = [_LINKS[number] for number in rng.integers(0, len(_LINKS), len(clicked[0])).tolist()]
    write("clicked", clicked[0], clicked[1], names[clicked[2]].tolist(), links)
    write("bounced", bounced[0], bounced[1], names[bounced[2]].tolist(), ["mailbox full"] * len(bounced[0]))
    write("unsubscribed", left, left_at, [CAMPAIGNS[0]] * len(left), ["link in newsletter"] * len(left))
    return account


def _write_subscribers(
    folder: Path, people: People, who: Indexes, members: list[str], left: Indexes, left_at: Indexes,
    rng: np.random.Generator, as_of: int, part: int, account: Account,
) -> list[str]:  # fmt: skip
    """The list of subscribers; gives their addresses."""
    count = len(who)
    seen = see(people, who, rng, Habits(without_email=0, without_phone=1))
    account.counted(seen.spoilt, "subscribers")
    since = clock.before_history(rng, count, as_of)
    changed = since.copy()
    changed[left] = left_at
    status = np.full(count, "subscribed", dtype=object)
    status[left] = "unsubscribed"
    # Nobody could tell whose a nameless subscription at a relative's address is, so those carry a name.
    own = np.equal(seen.email, people.email[who]) | np.equal(seen.email, people.work_email[who])
    names, postcodes = (rng.random(count) < 0.8) | ~own, rng.random(count) < 0.7
    contacts = only(texts(contact_id(people, who)), rng.random(count) < 0.4)
    rows = [
        tuple(value or "" for value in row)
        for row in zip(
            members,
            seen.email.tolist(),
            only(seen.given, names),
            only(seen.family, names),
            only(seen.address.postcode, postcodes),
            status.tolist(),
            clock.british(since),
            clock.british(changed),
            contacts,
            strict=True,
        )
    ]
    account.knows(members, people.person(who))
    path = folder / f"subscribers-{part:04d}.csv"
    _write_csv(path, _SUBSCRIBER_HEADER, rows, (7, 2, 0), "subscribers", rng, account, folder)
    return [str(email) for email in seen.email]


Campaign = tuple[Indexes, Indexes, Indexes]
"""Of what is known about newsletters: which member, when, which newsletter."""


def _campaigns(
    rng: np.random.Generator, members: int, as_of: int
) -> tuple[Campaign, Campaign, Campaign, Campaign]:
    """What was sent, opened, clicked and bounced."""
    member = np.repeat(np.arange(members), len(CAMPAIGNS))
    newsletter = np.tile(np.arange(len(CAMPAIGNS)), members)
    first = as_of // clock.DAY * clock.DAY - 84 * clock.DAY + 8 * clock.HOUR
    sent_at = first + newsletter * 14 * clock.DAY + rng.integers(0, 3_600, len(member)) * clock.SECOND
    bounces = rng.random(len(member)) < 0.02
    opens = ~bounces & (rng.random(len(member)) < 0.35)
    clicks = opens & (rng.random(len(member)) < 0.25)
    opened_at = (
        sent_at + (rng.exponential(8, len(member)) * 3_600).astype(np.int64) % (5 * 86_400) * clock.SECOND
    )
    return (
        (member, sent_at, newsletter),
        (member[opens], opened_at[opens], newsletter[opens]),
        (member[clicks], opened_at[clicks] + 45 * clock.SECOND, newsletter[clicks]),
        (member[bounces], sent_at[bounces] + 5 * clock.SECOND, newsletter[bounces]),
    )


def _write_csv(
    path: Path, header: Lines, rows: list[Lines], weak: tuple[int, int, int], feed: str,
    rng: np.random.Generator, account: Account, below: Path,
) -> None:  # fmt: skip
    """One CSV file; ``weak`` are its columns of a date, a text and the owner, where rows can be spoilt."""
    lines = [(",".join(header).encode(), ""), *csv_lines(rows, _breaker(rows, weak, feed, path.stem, rng))]
    write_lines(path, lines, account, feed, below)
    account.counts[f"{feed}.rows"] -= 1


def _breaker(
    rows: list[Lines], weak: tuple[int, int, int], feed: str, mark: str, rng: np.random.Generator
) -> Callable[[int], tuple[bytes, str] | None]:
    date, text, owner = weak
    count = share(BROKEN / (1 - BROKEN), len(rows))
    after = rng.choice(len(rows), min(count, len(rows)), replace=False).tolist()
    chosen = {place: number for number, place in enumerate(after)}

    def broken(place: int) -> tuple[bytes, str] | None:
        number = chosen.get(place)
        if number is None:
            return None
        row = [*rows[place]]
        row[0] = f"{mark}-broken-{number}"
        reason = ("bad_date", "bad_encoding", "missing_key")[number % 3]
        if reason == "bad_date":
            row[date] = "31/02/2026 25:61:00"
        elif reason == "missing_key":
            row[owner] = ""
        line = ",".join(row).encode()
        if reason == "bad_encoding":
            cells = line.split(b",")
            cells[text] = b"caf\xe9"
            line = b",".join(cells)
        return line, reason

    return broken
