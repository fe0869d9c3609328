"""A customer's purchases: orders of its records, and the history folded from them when it is read. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Purchase:
    """An order as one record knows it.

    Attributes:
        record_no: The record that bought.
        order_id: The order's key in its source.
        purchased_at: When it was placed: the earliest that was said of it, micros.
        stated_at: When the latest that was said of it happened, micros.
        value: Minor units.
        currency: ISO 4217.
        categories: Categories of its lines, each once, in alphabetical order.
    """

    record_no: int
    order_id: str
    purchased_at: int
    stated_at: int
    value: int
    currency: str
    categories: tuple[str, ...] = ()

    def joined(self, other: "Purchase") -> "Purchase":
        """Both as one: placed when it was first heard of, worth what was said last. In any order the same."""
        first = min(self.purchased_at, other.purchased_at)
        last = max(
            self,
            other,
            key=lambda one: (one.stated_at, one.value, one.currency, one.categories, one.record_no),
        )
        return Purchase(
            last.record_no, last.order_id, first, last.stated_at, last.value, last.currency, last.categories
        )


@dataclass(frozen=True, slots=True)
class PurchaseHistory:
    """What a customer has bought.

    Attributes:
        count: Orders, each once even when several sources know it.
        values: Minor units by currency.
        last_at: When the newest was placed, micros; None when there is none.
        favourite_categories: Most bought first, at most five; of equals the one bought last.
    """

    count: int
    values: tuple[tuple[str, int], ...]
    last_at: int | None
    favourite_categories: tuple[str, ...]


def categories_of(properties: dict[str, Any]) -> tuple[str, ...]:
    """The categories an order's properties name: its own and those of its lines."""
    named = [properties.get("category")]
    lines = properties.get("lines")
    if isinstance(lines, list):
        named += [line.get("category") for line in lines if isinstance(line, dict)]
    return tuple(sorted({one for one in named if isinstance(one, str) and one}))


def purchase_history(purchases: Iterable[Purchase]) -> PurchaseHistory:
    """Fold the orders of all of a customer's records."""
    orders: dict[str, Purchase] = {}
    for one in purchases:
        held = orders.get(one.order_id)
        orders[one.order_id] = one if held is None else held.joined(one)
    values: Counter[str] = Counter()
    bought: Counter[str] = Counter()
    newest: dict[str, int] = {}
    for order in orders.values():
        values[order.currency] += order.value
        for category in order.categories:
            bought[category] += 1
            newest[category] = max(order.purchased_at, newest.get(category, 0))
    favourites = sorted(bought, key=lambda category: (-bought[category], -newest[category], category))[:5]
    last_at = max((order.purchased_at for order in orders.values()), default=None)
    return PurchaseHistory(len(orders), tuple(sorted(values.items())), last_at, tuple(favourites))
