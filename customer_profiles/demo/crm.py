"""The CRM: an SQLite file with a contact for every customer, and a second one for a few."""

import sqlite3

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Flags, Indexes, every, flags, only, texts
from customer_profiles.demo.mess import Habits, see, spell_phones
from customer_profiles.demo.rates import BROKEN, TOO_LARGE, choose, share
from customer_profiles.demo.sqlite_file import insert
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

SCHEMA = """
CREATE TABLE contacts (
    id TEXT PRIMARY KEY, created_at TEXT, updated_at TEXT, title TEXT, first_name TEXT, last_name TEXT,
    email TEXT, email_2 TEXT, mobile TEXT, phone TEXT, date_of_birth TEXT,
    address_1 TEXT, town TEXT, county TEXT, post_code TEXT, country TEXT, language TEXT,
    loyalty_tier TEXT, loyalty_points INTEGER, marketing_opt_in TEXT, opt_in_changed_at TEXT,
    web_user_id TEXT, social_handle TEXT, notes TEXT, deleted_at TEXT
);
"""
INDEXES = "CREATE INDEX contacts_updated_at ON contacts (updated_at, id);"
SECOND_CONTACT = 0.04
WITHOUT_BIRTH_DATE = 0.12
_TIERS = ("bronze", "silver", "gold", "platinum")
_BIRTH, _FIRST_NAME, _ADDRESS = 10, 4, 11

Row = tuple[object, ...]


def contact_id(people: People, who: Indexes) -> list[str]:
    """The ID of the first contact of each of the people, which other systems know too."""
    return [f"C{2 * (people.start + number):08d}" for number in who.tolist()]


def write_crm(database: sqlite3.Connection, people: People, seed: int, as_of: int) -> Account:
    """Add the contacts of one chunk of customers."""
    rng = np.random.default_rng([seed, 1, people.start])
    account = Account("crm")
    twice = choose(rng, every(people.count), SECOND_CONTACT)
    who = np.concatenate([np.arange(people.count), twice])
    ids = contact_id(people, np.arange(people.count)) + [
        f"C{2 * (people.start + n) + 1:08d}" for n in twice.tolist()
    ]
    rows, deleted = _contacts(people, who, ids, rng, as_of, account)
    account.knows(ids, people.person(who), (~deleted).tolist())
    account.counts["contacts.rows"] += len(rows)
    rows += _broken_contacts(rows, people.start, rng, account)
    order = rng.permutation(len(rows))
    insert(database, "contacts", [rows[number] for number in order.tolist()])
    return account


def _contacts(
    people: People, who: Indexes, ids: list[str], rng: np.random.Generator, as_of: int, account: Account
) -> tuple[list[Row], Flags]:
    count = len(who)
    seen = see(people, who, rng, Habits(without_birth_date=WITHOUT_BIRTH_DATE))
    births = [day and f"{day[8:]}/{day[5:7]}/{day[:4]}" for day in seen.birth_dates()]
    created = clock.before_history(rng, count, as_of)
    updated = np.where(rng.random(count) < 0.3, clock.within_history(rng, count, as_of), created)
    deleted = flags(count, choose(rng, np.arange(count) >= people.count, 0.005))
    account.counted(seen.spoilt, "contacts")
    account.counts["contacts.deleted"] += int(deleted.sum())
    updated_texts = [text.replace("T", " ") for text in clock.iso(clock.london(updated))]
    knows_account = rng.random(count) < 0.45
    knows_handle = rng.random(count) < 0.55
    opt_in = rng.choice(np.array(["Y", "N", ""], dtype=object), count, p=[0.45, 0.25, 0.30])
    second_email = (rng.random(count) < 0.2) & (seen.email == people.email[who])
    landline = (people.landline[who] != "") & (rng.random(count) < 0.4) & (seen.phone == people.mobile[who])
    rows: list[Row] = list(
        zip(
            ids,
            [text.replace("T", " ") for text in clock.iso(clock.london(created))],
            updated_texts,
            np.where(people.sex[who] == 0, "Ms", "Mr").tolist(),
            seen.given.tolist(),
            seen.family.tolist(),
            seen.email.tolist(),
            only(people.work_email[who], second_email),
            spell_phones(seen.phone, rng),
            spell_phones(texts(only(people.landline[who], landline)), rng),
            births,
            seen.address.line.tolist(),
            seen.address.city.tolist(),
            seen.address.region.tolist(),
            [
                p.replace(" ", "") if odd else p
                for p, odd in zip(seen.address.postcode, rng.random(count) < 0.2, strict=True)
            ],
            rng.choice(
                np.array(["United Kingdom", "UK", "GB"], dtype=object), count, p=[0.6, 0.25, 0.15]
            ).tolist(),
            rng.choice(
                np.array(["en", "cy", "pl", "pa", "ur"], dtype=object),
                count,
                p=[0.92, 0.02, 0.03, 0.02, 0.01],
            ).tolist(),
            np.array(_TIERS, dtype=object)[rng.choice(4, count, p=[0.55, 0.28, 0.13, 0.04])].tolist(),
            rng.integers(0, 5_000, count).tolist(),
            [choice or None for choice in opt_in],
            [text if choice else None for text, choice in zip(updated_texts, opt_in, strict=True)],
            only(people.user_id[who], knows_account),
            only(people.handle[who], knows_handle),
            rng.choice(
                np.array(["", "Prefers to be called", "Asked for a catalogue"], dtype=object), count
            ).tolist(),
            only(texts(updated_texts), deleted),
            strict=True,
        )
    )
    return rows, deleted


def _broken_contacts(rows: list[Row], start: int, rng: np.random.Generator, account: Account) -> list[Row]:
    count = share(BROKEN / (1 - BROKEN), len(rows))
    result = []
    for number, source in enumerate(rng.integers(0, len(rows), count).tolist()):
        row = [*rows[source]]
        row[0] = f"X{2 * start + number:08d}"
        row[-1] = None
        if start == 0 and number == 0:
            row[_ADDRESS], reason = "x" * TOO_LARGE, "too_large"
        elif number % 2:
            row[_BIRTH], reason = ("31/02/1980", "00/00/0000", "12/13/1975")[number % 3], "bad_date"
        else:
            row[_FIRST_NAME], reason = b"Ren\xe9e \xff", "bad_encoding"
        account.broke("contacts", str(row[0]), reason)
        result.append(tuple(row))
    return result
