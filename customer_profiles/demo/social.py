"""Social media: profiles, and what they said about the company and to it, as JSON arrays."""

from pathlib import Path

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Flags, Indexes, every, only
from customer_profiles.demo.events import deliver
from customer_profiles.demo.files import Row, Spoiler, Weak, write_array
from customer_profiles.demo.mess import Habits, see
from customer_profiles.demo.rates import choose
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

_PROFILE = Weak("handle", ("handle",), "first_seen", "display_name")
_POST = Weak("id", ("author.handle",), "created_at", "author.handle")
_SAID = (
    ("positive", "praise", "Love my new {}, thank you!"),
    ("neutral", "question", "Does the {} range come back in spring?"),
    ("negative", "delivery", "Still waiting for my {} order, two weeks now"),
    ("negative", "quality", "The {} thing I bought broke on day one"),
    ("neutral", "returns", "How do I send back something from {}?"),
)
_ABOUT = ("garden", "kitchen", "bedroom", "children", "outdoor", "lighting")


def write_social(folder: Path, people: People, seed: int, as_of: int, part: int) -> Account:
    """Write profiles, mentions and messages of one chunk of customers into ``folder``."""
    rng = np.random.default_rng([seed, 5, people.start])
    account = Account("social")
    who = np.flatnonzero(people.handle != "")
    handles = people.handle[who].tolist()
    account.knows(handles, people.person(who))
    write_array(
        folder / f"profiles-{part:04d}.json",
        profiles := _profiles(people, who, rng, as_of, account),
        Spoiler(_PROFILE, len(profiles), rng, in_array=True),
        account,
        "profiles",
        folder,
    )
    for feed, each in (("mentions", 0.9), ("messages", 0.7)):
        author = np.sort(choose(rng, every(len(who)), each))
        author = np.concatenate([author, rng.choice(author, len(author) // 2)])
        posts = _posts(feed, handles, author, rng, as_of, part, account)
        spoiler = Spoiler(_POST, len(posts), rng, in_array=True)
        write_array(folder / f"{feed}-{part:04d}.json", posts, spoiler, account, feed, folder)
    return account


def _profiles(
    people: People, who: Indexes, rng: np.random.Generator, as_of: int, account: Account
) -> list[Row]:
    count = len(who)
    seen = see(people, who, rng, Habits(without_email=0.5, without_phone=0.9, shares_contacts=False))
    account.counted(seen.spoilt, "profiles")
    short: Flags = rng.random(count) < 0.2
    return [
        {
            "handle": handle,
            "display_name": f"{given} {family[0]}." if initial else f"{given} {family}",
            "email": email,
            "phone": phone and f"+44{phone}",
            "location": city,
            "first_seen": since,
        }
        for handle, given, family, initial, email, phone, city, since in zip(
            people.handle[who].tolist(),
            seen.given,
            seen.family,
            short.tolist(),
            seen.email.tolist(),
            seen.phone.tolist(),
            only(people.home.city[who], rng.random(count) < 0.7),
            clock.social_style(clock.before_history(rng, count, as_of)),
            strict=True,
        )
    ]


def _posts(
    feed: str,
    handles: list[str],
    author: Indexes,
    rng: np.random.Generator,
    as_of: int,
    part: int,
    account: Account,
) -> list[Row]:
    occurred = clock.within_history(rng, len(author), as_of) // clock.SECOND * clock.SECOND
    arrivals = deliver(occurred, rng, as_of)
    account.counted(arrivals.spoilt, feed)
    happened, received = clock.social_style(occurred), clock.social_style(arrivals.received)
    said = rng.integers(0, len(_SAID), len(author)).tolist()
    about = rng.integers(0, len(_ABOUT), len(author)).tolist()
    rows: list[Row] = []
    for number, event in zip(received, arrivals.event.tolist(), strict=True):
        sentiment, topic, text = _SAID[said[event]]
        rows.append(
            {
                "id": f"{feed}-{part}-{event}",
                "author": {"handle": handles[author[event]]},
                "created_at": happened[event],
                "collected_at": number,
                "text": text.format(_ABOUT[about[event]]),
                "topic": topic,
                "category": _ABOUT[about[event]],
                "sentiment": sentiment,
            }
        )
    return rows
