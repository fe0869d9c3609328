"""The shop's orders: an SQLite file with customers as tills and web shop know them, and what they bought."""

import sqlite3

import numpy as np

from customer_profiles.demo import clock
from customer_profiles.demo.columns import Indexes, every, only, texts
from customer_profiles.demo.crm import contact_id
from customer_profiles.demo.events import deliver
from customer_profiles.demo.mess import see, spell_phones
from customer_profiles.demo.products import PRODUCTS, basket
from customer_profiles.demo.rates import BROKEN, choose, share
from customer_profiles.demo.sqlite_file import insert
from customer_profiles.demo.truth import Account
from customer_profiles.demo.world import People

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, created_at TEXT, updated_at TEXT, name TEXT, email TEXT, telephone TEXT,
    address TEXT, city TEXT, postcode TEXT, country TEXT, account_id TEXT, crm_id TEXT
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, order_number TEXT, customer_id INTEGER, created_at TEXT, updated_at TEXT,
    status TEXT, channel TEXT, currency TEXT, total TEXT, department TEXT, lines TEXT
);
"""
INDEXES = """
CREATE INDEX customers_updated_at ON customers (updated_at, id);
CREATE INDEX orders_updated_at ON orders (updated_at, id);
"""
BUYERS = 0.50
SECOND_CUSTOMER = 0.05
ORDERS_A_CUSTOMER = 2.0
_STATUS = np.array(["completed", "shipped", "refunded", "cancelled"], dtype=object)
_CHANNEL = np.array(["web", "store", "phone"], dtype=object)

Row = tuple[object, ...]


def write_orders(database: sqlite3.Connection, people: People, seed: int, as_of: int) -> Account:
    """Add the customers and orders of one chunk of customers."""
    rng = np.random.default_rng([seed, 2, people.start])
    account = Account("orders")
    buyers = choose(rng, every(people.count), BUYERS)
    who = np.concatenate([buyers, rng.choice(buyers, share(SECOND_CUSTOMER, len(buyers)), replace=False)])
    ids = 10_000_001 + 2 * people.start + np.arange(len(who))
    customers = _customers(people, who, ids, rng, as_of, account)
    account.knows([str(number) for number in ids.tolist()], people.person(who))
    insert(database, "customers", customers + _broken_customers(customers, ids, rng, account))
    orders = _orders(ids, rng, as_of, 10 * people.start, account)
    insert(database, "orders", orders + _broken_orders(orders, rng, account))
    return account


def _customers(
    people: People, who: Indexes, ids: Indexes, rng: np.random.Generator, as_of: int, account: Account
) -> list[Row]:
    count = len(who)
    seen = see(people, who, rng)
    created = clock.before_history(rng, count, as_of)
    updated = np.where(rng.random(count) < 0.2, clock.within_history(rng, count, as_of), created)
    knows_account = rng.random(count) < 0.6
    knows_contact = rng.random(count) < 0.15
    account.counted(seen.spoilt, "customers")
    account.counts["customers.rows"] += count
    contacts = texts(contact_id(people, who))
    return list(
        zip(
            ids.tolist(),
            clock.iso_utc(created),
            clock.iso_utc(updated),
            seen.full_names(),
            seen.email.tolist(),
            spell_phones(seen.phone, rng),
            seen.address.line.tolist(),
            seen.address.city.tolist(),
            [
                p.lower() if odd else p
                for p, odd in zip(seen.address.postcode, rng.random(count) < 0.15, strict=True)
            ],
            ["GB"] * count,
            only(people.user_id[who], knows_account),
            only(contacts, knows_contact),
            strict=True,
        )
    )


def _orders(ids: Indexes, rng: np.random.Generator, as_of: int, first: int, account: Account) -> list[Row]:
    how_many = 1 + rng.poisson(ORDERS_A_CUSTOMER - 1, len(ids))
    customer = np.repeat(ids, how_many)
    count = len(customer)
    occurred = clock.within_history(rng, count, as_of)
    arrivals = deliver(occurred, rng, as_of)
    products = rng.integers(0, len(PRODUCTS), (count, 3)).tolist()
    sizes = rng.integers(1, 4, count).tolist()
    quantities = rng.integers(1, 3, (count, 3)).tolist()
    baskets = [basket(p[:n], q[:n]) for p, q, n in zip(products, quantities, sizes, strict=True)]
    status = _STATUS[rng.choice(4, count, p=[0.72, 0.2, 0.05, 0.03])]
    channel = _CHANNEL[rng.choice(3, count, p=[0.6, 0.33, 0.07])]
    created, updated = clock.iso_utc(occurred), clock.iso_utc(arrivals.received)
    account.counted(arrivals.spoilt, "orders")
    account.counts["orders.rows"] += len(arrivals.event)
    return [
        (
            first + row + 1,
            f"SO-{first + event + 1:08d}",
            int(customer[event]),
            created[event],
            updated[row],
            status[event],
            channel[event],
            "GBP",
            baskets[event].total,
            baskets[event].department,
            baskets[event].lines,
        )
        for row, event in enumerate(arrivals.event.tolist())
    ]


def _broken_customers(rows: list[Row], ids: Indexes, rng: np.random.Generator, account: Account) -> list[Row]:
    result = []
    for number, source in enumerate(_sources(rows, rng)):
        row = [*rows[source]]
        row[0] = int(ids[-1]) + 1 + number
        if number % 2:
            row[1], reason = "2019-02-30T10:00:00Z", "bad_date"
        else:
            row[3], reason = b"Zo\xeb Fran\xe7ois", "bad_encoding"
        account.broke("customers", str(row[0]), reason)
        result.append(tuple(row))
    return result


def _broken_orders(rows: list[Row], rng: np.random.Generator, account: Account) -> list[Row]:
    result = []
    last = max(int(str(row[0])) for row in rows)
    for number, source in enumerate(_sources(rows, rng)):
        row = [*rows[source]]
        row[0] = last + 1 + number
        row[1] = f"SX-{row[0]:08d}"
        match number % 5:
            case 0:
                row[3], reason = "2026-02-30T25:61:00Z", "bad_date"
            case 1:
                row[8], reason = "twelve pounds", "bad_amount"
            case 2:
                row[10], reason = str(row[10])[:-7], "unreadable_json"
            case 3:
                row[2], reason = None, "missing_key"
            case _:
                row[6], reason = b"caf\xe9 till", "bad_encoding"
        account.broke("orders", str(row[0]), reason)
        result.append(tuple(row))
    return result


def _sources(rows: list[Row], rng: np.random.Generator) -> list[int]:
    """Which rows to spoil a copy of."""
    return [int(number) for number in rng.integers(0, len(rows), share(BROKEN / (1 - BROKEN), len(rows)))]
