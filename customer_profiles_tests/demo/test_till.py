"""What visitors buy gets into the orders database as if a till had written it."""

from pathlib import Path
from random import Random

import pytest

from customer_profiles import demo
from customer_profiles.demo.till import Till
from customer_profiles.demo.visitors import Crowd, logins
from customer_profiles_tests.demo import reading


def test_orders_of_customers_whom_the_till_knows_are_written_once(tmp_path: Path) -> None:
    demo.generate(tmp_path, customers=1_000)
    accounts = {
        row["account_id"]: row["id"]
        for row in reading.table(tmp_path, "orders", "customers")
        if row["account_id"]
    }
    before = len(reading.table(tmp_path, "orders", "orders"))
    crowd = Crowd(logins(1_000, 1, Random(1)), Random(1), 100, "r")
    crowd.events(5_000, 1_793_450_000)
    orders = crowd.orders()
    till = Till(tmp_path)
    till.take(orders)

    known = {order.number: order for order in orders if order.user_id in accounts}
    written = reading.table(tmp_path, "orders", "orders")[before:]
    assert 0 < till.written == len(written) == len(known) < len(orders)
    for row in written:
        order = known[row["order_number"]]
        assert (row["customer_id"], row["total"]) == (accounts[order.user_id], order.total)
        assert row["updated_at"] == "2026-10-31T12:33:20Z"


def test_without_a_company_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(demo.DemoError, match="demo generate"):
        Till(tmp_path)
