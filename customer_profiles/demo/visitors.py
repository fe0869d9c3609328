"""Visitors of the demo company's site as they come now: what each does, an event at a time, in the Segment spec.

The same mess as in the company's files, at the rates of ``rates.py``: events late, out of order, told twice, broken.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import orjson

from customer_profiles.demo.files import Row
from customer_profiles.demo.mess import see
from customer_profiles.demo.products import PRODUCTS, basket
from customer_profiles.demo.rates import ANONYMOUS_VISIT, BROKEN, CHUNK, DUPLICATE, LATE, OUT_OF_ORDER
from customer_profiles.demo.web import (
    EVENTS_A_VISIT,
    HABITS,
    IN_APP,
    PURPOSES,
    SECOND_DEVICE,
    TRACKS,
    Device,
    context_of,
    devices_of,
    done,
    traits_of,
)
from customer_profiles.demo.world import make_people

BUYS = 0.12
"""Of the visitors who are logged in."""
LOGS_IN_AGAIN = 0.20
"""Of the visitors who are known from the start."""
CHOOSES = 0.15
"""Of the log-ins that are followed by a choice in the cookie banner."""
BREAKS = ("bad_date", "wrong_type", "bad_amount", "missing_key", "not_allowed", "too_large")
"""How an event can be broken; each is the code of its reason in the quarantine."""
_HOUR = 3600.0
_REMEMBERED = 1_000
_TOO_LARGE = 40_000


@dataclass(frozen=True)
class Login:
    """A customer's account on the site, and the devices from which it is visited, the one used most first."""

    user_id: str
    traits: Row
    devices: tuple[Device, Device]


@dataclass(frozen=True)
class Order:
    """What a visitor bought.

    Attributes:
        user_id: Who.
        number: The order's number, the same in every system.
        at: Seconds since 1970.
        total: In pounds. ``department`` and ``lines``: as the tills write them.
    """

    user_id: str
    number: str
    at: float
    total: str
    department: str
    lines: str


def logins(customers: int, seed: int, dice: random.Random) -> list[Login]:
    """Accounts of a demo company's customers: of up to 25,000 customers who stand beside each other.

    Args:
        customers: how many the company has. ``seed``: its seed.
        dice: chooses which of them.
    """
    start = dice.randrange((customers + CHUNK - 1) // CHUNK) * CHUNK
    people = make_people(seed, start, min(CHUNK, customers - start))
    users = np.flatnonzero(people.user_id != "")
    rng = np.random.default_rng(dice.getrandbits(64))
    traits = traits_of(see(people, users, rng, HABITS), rng)
    return [
        Login(user_id, told, devices_of(user_id, seed))
        for user_id, told in zip(people.user_id[users].tolist(), traits, strict=True)
    ]


class Crowd:
    """The visitors who are there, each in the middle of a visit; whoever leaves is followed by another one."""

    def __init__(self, accounts: Sequence[Login], dice: random.Random, size: int, run: str) -> None:
        """Let the first visitors in.

        Args:
            accounts: Who may log in.
            dice: Decides everything: the same dice give the same visits.
            size: How many are there at once.
            run: Makes message IDs and order numbers unlike those of other runs.
        """
        self._accounts = accounts
        self._dice = dice
        self._run = run
        self._told = 0
        self._now = 0.0
        self._recent: deque[Row] = deque(maxlen=_REMEMBERED)
        self._orders: list[Order] = []
        self._visits = [self._visit() for _ in range(size)]
        self.broken = 0
        """Events that were broken on purpose so far."""

    def events(self, count: int, now: float) -> list[Row]:
        """What happens next.

        Args:
            count: How many events.
            now: Seconds since 1970.
        """
        self._now = now
        return [self._next() for _ in range(count)]

    def orders(self) -> list[Order]:
        """What was bought since this was last asked."""
        bought, self._orders = self._orders, []
        return bought

    def _next(self) -> Row:
        luck = self._dice.random()
        if luck < DUPLICATE and self._recent:
            return self._dice.choice(self._recent)
        place = self._dice.randrange(len(self._visits))
        event = next(self._visits[place], None)
        if event is None:
            self._visits[place] = self._visit()
            event = next(self._visits[place])
        if self._dice.random() < BROKEN:
            self.broken += 1
            return self._spoilt(event)
        self._recent.append(event)
        return event

    def _visit(self) -> Iterator[Row]:
        """One visit, told as it goes."""
        dice = self._dice
        account = dice.choice(self._accounts)
        left = 1 + min(12, int(dice.expovariate(1 / (EVENTS_A_VISIT - 1))))
        stranger = dice.random() < ANONYMOUS_VISIT / 2
        device = self._new_device() if stranger else account.devices[dice.random() < SECOND_DEVICE]
        anonymous_id, app = device.anonymous_id, device.app
        logs_in_at = dice.randint(1, 2) if not stranger and dice.random() < ANONYMOUS_VISIT / 2 else 0
        if logs_in_at == 0 and dice.random() >= LOGS_IN_AGAIN:
            logs_in_at = -1
        left = max(left, logs_in_at + 1)
        known = False
        for step in range(left):
            if not stranger and not known and step >= logs_in_at:
                known = True
                if step == logs_in_at:
                    yield from self._log_in(account, anonymous_id, app)
            yield self._look(account.user_id if known else None, anonymous_id, app)
        if known and dice.random() < BUYS:
            yield self._buy(account.user_id, anonymous_id, app)

    def _new_device(self) -> Device:
        return Device(f"{self._dice.getrandbits(128):032x}", self._dice.random() < IN_APP)

    def _log_in(self, account: Login, anonymous_id: str, app: bool) -> Iterator[Row]:
        event = self._event(account.user_id, anonymous_id, app)
        yield event | {"type": "identify", "traits": account.traits}
        if self._dice.random() < CHOOSES:
            choice = "accepted" if self._dice.random() < 0.6 else "rejected"
            told = {"purpose": self._dice.choice(PURPOSES), "choice": choice, "notice": "2026-01"}
            event = self._event(account.user_id, anonymous_id, app)
            yield event | {"type": "track", "event": "Consent Updated", "properties": told}

    def _look(self, user_id: str | None, anonymous_id: str, app: bool) -> Row:
        dice = self._dice
        kind = dice.choices((0, 1, 2, 3), (0.55, 0.435, 0.01, 0.005))[0] if user_id else dice.randrange(2)
        did = done(kind, app, dice.randrange(len(PRODUCTS)), dice.randrange(len(TRACKS)), anonymous_id)
        return self._event(user_id, anonymous_id, app) | did

    def _buy(self, user_id: str, anonymous_id: str, app: bool) -> Row:
        dice = self._dice
        products = [dice.randrange(len(PRODUCTS)) for _ in range(dice.randint(1, 3))]
        bought = basket(products, [dice.randint(1, 2) for _ in products])
        event = self._event(user_id, anonymous_id, app)
        number = f"live-{self._run}-{self._told}"
        self._orders.append(Order(user_id, number, self._now, bought.total, bought.department, bought.lines))
        properties = {
            "order_id": number,
            "category": bought.department,
            "value": bought.total,
            "currency": "GBP",
        }
        return event | {"type": "track", "event": "Order Completed", "properties": properties}

    def _event(self, user_id: str | None, anonymous_id: str, app: bool) -> Row:
        """Who, and when: most tell of now, some of hours ago, as a telephone does that was without a network."""
        self._told += 1
        luck, back = self._dice.random(), 0.0
        if luck < LATE:
            back = self._dice.uniform(6 * _HOUR, 72 * _HOUR)
        elif luck < LATE + OUT_OF_ORDER:
            back = self._dice.uniform(0.5 * _HOUR, 3 * _HOUR)
        return {
            "messageId": f"live-{self._run}-{self._told}",
            "timestamp": written(self._now - back),
            "userId": user_id,
            "anonymousId": anonymous_id,
            "channel": "app" if app else "web",
            "context": context_of(app, anonymous_id),
        }

    def _spoilt(self, event: Row) -> Row:
        """A copy with a message ID of its own, broken in one of the ways."""
        spoilt: Row = orjson.loads(orjson.dumps(event))
        spoilt["messageId"] = f"{event['messageId']}-broken"
        match self._dice.choice(BREAKS):
            case "bad_date":
                spoilt["timestamp"] = "2026-02-30T25:61:00Z"
            case "wrong_type":
                spoilt |= {"type": "track", "event": {"value": ["?"]}}
            case "bad_amount":
                spoilt |= {"type": "track", "event": "Product Viewed"}
                spoilt["properties"] = {"value": "twelve pounds", "currency": "GBP"}
            case "missing_key":
                spoilt |= {"userId": None, "anonymousId": None, "previousId": None, "context": {}}
            case "not_allowed":
                spoilt["type"] = "trak"
            case "too_large":
                spoilt["properties"] = {"note": "x" * _TOO_LARGE}
        return spoilt


def written(moment: float) -> str:
    """Seconds since 1970 as clients write a time."""
    at = datetime.fromtimestamp(moment, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
