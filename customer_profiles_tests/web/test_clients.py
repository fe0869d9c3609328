"""The Python clients of Segment and RudderStack, from PyPI, work unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client

from customer_profiles_tests.cleaning.made import rows_of
from customer_profiles_tests.web.serving import WRITE_KEY, Served

CLIENTS = {"segment": segment.analytics.client.Client, "rudderstack": rudderstack.analytics.client.Client}


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("client_of", CLIENTS.values(), ids=CLIENTS)
def test_what_a_client_sends_comes_into_the_profile(
    collector: Served, client_of: Callable[..., Any], gzip: bool
) -> None:
    failed: list[Exception] = []
    client = client_of(
        WRITE_KEY,
        host=collector.address,
        gzip=gzip,
        on_error=lambda error, _events: failed.append(error),
        upload_interval=0.05,
    )
    client.identify("u1", {"name": "Ada Byron", "email": "ada@example.com"})
    for number in range(250):
        client.track("u1", "Product Viewed", {"product_id": number})
    client.page("u1", "shop", "Cart")
    client.screen("u1", "app", "Home")
    client.group("u1", "g1", {"name": "Mathematicians"})
    client.alias("a1", "u1")
    client.flush()
    client.join()
    collector.run()

    assert not failed
    assert rows_of(collector.state, "SELECT type, count(*) FROM interaction GROUP BY type ORDER BY type") == [
        ("Product Viewed", 250),
        ("alias", 1),
        ("group", 1),
        ("page", 1),
        ("screen", 1),
    ]
    assert rows_of(collector.state, "SELECT full_name FROM record") == ["Ada Byron"]
    assert rows_of(collector.state, "SELECT count(*) FROM quarantine") == [0]
    assert rows_of(collector.state, "SELECT count(DISTINCT customer_no) FROM member") == [1]


@pytest.mark.parametrize("client_of", CLIENTS.values(), ids=CLIENTS)
def test_a_client_with_a_wrong_key_is_told(collector: Served, client_of: Callable[..., Any]) -> None:
    failed: list[Any] = []
    client = client_of(
        "wrong",
        host=collector.address,
        on_error=lambda error, _events: failed.append(error),
        upload_interval=0.05,
    )
    client.track("u1", "Product Viewed")
    client.flush()
    client.join()

    assert [(error.status, error.code) for error in failed] == [(401, "unknown_write_key")]
