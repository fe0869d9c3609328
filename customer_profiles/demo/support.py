"""Customer support: who asked, the tickets' course, and the chat logs, as JSON lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Indexes, every, only
from customer_profiles.demo.events import deliver
from customer_profiles.demo.files import Row, Spoiler, Weak, json_lines, too_large_line, write_lines
from customer_profiles.demo.mess import see, spell_phones
from customer_profiles.demo.rates import choose
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

REQUESTERS = 0.15
_REQUESTER = Weak("id", ("id",), "created_at", "name")
_EVENT = Weak("event_id", ("requester_id",), "at", "requester_id")
_TOPICS = ("delivery", "returns", "payment", "product", "account")
_MOODS = ("neutral", "neutral", "negative", "negative", "positive")
_CHAT = (
    ("customer", "Hello, I have a question about my {}."),
    ("agent", "Of course, may I have your order number?"),
    ("customer", "I do not have it here, sorry. It was about {}."),
    ("agent", "I found it: the matter of your {} is settled."),
)


def write_support(folder: Path, people: People, seed: int, as_of: int, part: int) -> Account:
    """Write requesters, tickets and chats of one chunk of customers into ``folder``."""
    rng = np.random.default_rng([seed, 6, people.start])
    account = Account("support")
    who = choose(rng, every(people.count), REQUESTERS)
    requesters = [f"R{people.start + number:08d}" for number in who.tolist()]
    account.knows(requesters, people.person(who))
    _write(
        folder,
        "requesters",
        _requesters(people, who, requesters, rng, as_of, account),
        _REQUESTER,
        rng,
        part,
        account,
    )
    matters = rng.integers(0, len(who), round(1.2 * len(who)))
    by_chat = rng.random(len(matters)) < 0.35
    tickets = _tickets(requesters, matters[~by_chat], rng, as_of, part, account)
    _write(folder, "tickets", tickets, _EVENT, rng, part, account)
    chats = _chats(requesters, matters[by_chat], rng, as_of, part, account)
    _write(folder, "chats", chats, _EVENT, rng, part, account)
    return account


def _requesters(
    people: People, who: Indexes, ids: list[str], rng: np.random.Generator, as_of: int, account: Account
) -> list[Row]:
    seen = see(people, who, rng)
    account.counted(seen.spoilt, "requesters")
    created = clock.before_history(rng, len(who), as_of)
    return [
        {
            "id": one,
            "name": name,
            "email": email,
            "phone": phone,
            "user_id": user_id,
            "town": town,
            "postcode": postcode,
            "created_at": since,
            "updated_at": since,
        }
        for one, name, email, phone, user_id, town, postcode, since in zip(
            ids,
            seen.full_names(),
            seen.email.tolist(),
            spell_phones(seen.phone, rng),
            only(people.user_id[who], rng.random(len(who)) < 0.5),
            seen.address.city.tolist(),
            only(seen.address.postcode, rng.random(len(who)) < 0.7),
            clock.iso_with_offset(created),
            strict=True,
        )
    ]


def _tickets(
    requesters: list[str], matters: Indexes, rng: np.random.Generator, as_of: int, part: int, account: Account
) -> list[Row]:
    """Each ticket is opened, often answered, mostly solved."""
    topics = rng.integers(0, len(_TOPICS), len(matters)).tolist()
    opened = clock.within_history(rng, len(matters), as_of)
    steps = rng.choice(3, len(matters), p=[0.15, 0.15, 0.7]) + 1
    ticket = np.repeat(np.arange(len(matters)), steps)
    place = np.arange(len(ticket)) - np.repeat(np.cumsum(steps) - steps, steps)
    occurred = np.minimum(opened[ticket] + place * rng.integers(2, 30, len(ticket)) * clock.HOUR, as_of)
    kinds = (("ticket_opened", "open"), ("ticket_answered", "pending"), ("ticket_solved", "solved"))
    arrivals = deliver(occurred, rng, as_of)
    account.counted(arrivals.spoilt, "tickets")
    happened, received = clock.iso_with_offset(occurred), clock.iso_with_offset(arrivals.received)
    rows: list[Row] = []
    for number, event in zip(received, arrivals.event.tolist(), strict=True):
        one = int(ticket[event])
        kind, status = kinds[place[event]]
        rows.append(
            {
                "event_id": f"ticket-{part}-{event}",
                "ticket_id": f"T{part}-{one:06d}",
                "requester_id": requesters[matters[one]],
                "event": kind,
                "status": status,
                "channel": "email" if one % 3 else "phone",
                "topic": _TOPICS[topics[one]],
                "sentiment": _MOODS[topics[one]],
                "at": happened[event],
                "logged_at": number,
            }
        )
    return rows


def _chats(
    requesters: list[str], matters: Indexes, rng: np.random.Generator, as_of: int, part: int, account: Account
) -> list[Row]:
    """Four messages a chat, the customer's and the agent's in turn."""
    topics = rng.integers(0, len(_TOPICS), len(matters)).tolist()
    began = clock.within_history(rng, len(matters), as_of)
    chat = np.repeat(np.arange(len(matters)), len(_CHAT))
    place = np.tile(np.arange(len(_CHAT)), len(matters))
    occurred = np.minimum(began[chat] + place * 50 * clock.SECOND, as_of)
    arrivals = deliver(occurred, rng, as_of)
    account.counted(arrivals.spoilt, "chats")
    happened, received = clock.iso_with_offset(occurred), clock.iso_with_offset(arrivals.received)
    rows: list[Row] = []
    for number, event in zip(received, arrivals.event.tolist(), strict=True):
        one, turn = int(chat[event]), int(place[event])
        author, text = _CHAT[turn]
        topic = _TOPICS[topics[one]]
        rows.append(
            {
                "event_id": f"chat-{part}-{event}",
                "chat_id": f"H{part}-{one:06d}",
                "requester_id": requesters[matters[one]],
                "author": author,
                "text": text.format(topic),
                "status": "solved" if turn == len(_CHAT) - 1 else "open",
                "topic": topic,
                "sentiment": _MOODS[topics[one]],
                "at": happened[event],
                "logged_at": number,
            }
        )
    return rows


def _write(
    folder: Path,
    feed: str,
    rows: Sequence[Row],
    weak: Weak,
    rng: np.random.Generator,
    part: int,
    account: Account,
) -> None:
    lines = list(json_lines(rows, Spoiler(weak, len(rows), rng), f"{feed}-{part}"))
    if part == 0 and feed == "chats":
        lines.append((too_large_line(rows[0], weak), "too_large"))
    write_lines(folder / f"{feed}-{part:04d}.jsonl", lines, account, feed, folder)
