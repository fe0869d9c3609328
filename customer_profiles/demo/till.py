"""The shop's till at work: puts what visitors buy into the orders database, as its own system would."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from customer_profiles.demo.rates import DemoError
from customer_profiles.demo.visitors import Order


class Till:
    """Writes orders of customers who have an account there. A context manager."""

    def __init__(self, folder: Path) -> None:
        """Open the orders database of the demo company in a folder.

        Raises:
            DemoError: there is none.
        """
        path = folder / "orders.db"
        if not path.is_file():
            raise DemoError(
                f"There is no orders database in {folder}: run `customer-profiles demo generate` first."
            )
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            self._customers: dict[str, int] = dict(
                connection.execute("SELECT account_id, id FROM customers WHERE account_id IS NOT NULL")
            )
        self.written = 0
        """Orders so far."""

    def take(self, orders: Iterable[Order]) -> None:
        """Write the orders of customers whom the till knows."""
        known = [order for order in orders if order.user_id in self._customers]
        if not known:
            return
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            for order in known:
                at = datetime.fromtimestamp(order.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                connection.execute(
                    "INSERT INTO orders (order_number, customer_id, created_at, updated_at, status, channel, currency, "
                    "total, department, lines) VALUES (?, ?, ?, ?, 'completed', 'web', 'GBP', ?, ?, ?)",
                    (
                        order.number,
                        self._customers[order.user_id],
                        at,
                        at,
                        order.total,
                        order.department,
                        order.lines,
                    ),
                )
        self.written += len(known)
