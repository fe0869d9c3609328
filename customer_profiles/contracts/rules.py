"""Rules over several fields of one row, each beside its JSON Schema terms where those can say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa

from customer_profiles.contracts.values import is_empty

FUTURE_TOLERANCE_MICROS = 5 * 60 * 1_000_000
"""Clocks differ by minutes; an event further ahead than this has a wrong time."""


def rule(sentence: str, holds: Callable[..., bool], *names: str) -> pa.Check:
    """A check that `holds`, given the named fields of a row, is true; else `sentence` is the reason."""

    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        cells = zip(*(frame[name].tolist() for name in names), strict=True)
        return pd.Series([holds(*row) for row in cells], frame.index, dtype=bool)

    return pa.Check(check, name=sentence, error=sentence, ignore_na=False)


def _names_a_record(record_key: Any, identifiers: Any) -> bool:
    if not is_empty(record_key) and record_key != "":
        return True
    return isinstance(identifiers, dict) and any(identifiers.values())


def _not_ahead(occurred_at: Any, received_at: Any) -> bool:
    if not isinstance(occurred_at, (int, float)) or not isinstance(received_at, (int, float)):
        return True
    return not occurred_at - received_at > FUTURE_TOLERANCE_MICROS


def _value_has_currency(value: Any, currency: Any) -> bool:
    return is_empty(value) or not is_empty(currency)


def _purchase_is_whole(kind: Any, value: Any, properties: Any) -> bool:
    if kind != "purchase":
        return True
    return not is_empty(value) and isinstance(properties, dict) and not is_empty(properties.get("order_id"))


NAMES_A_RECORD = rule(
    "names nobody: neither a record key nor an identifier", _names_a_record, "record_key", "identifiers"
)
NAMES_A_RECORD_TERMS = {
    "anyOf": [
        {"required": ["record_key"], "properties": {"record_key": {"type": "string", "minLength": 1}}},
        {"required": ["identifiers"], "properties": {"identifiers": {"type": "object", "minProperties": 1}}},
    ]
}
NOT_AHEAD = rule(
    "occurred more than 5 minutes after it was received", _not_ahead, "occurred_at", "received_at"
)
VALUE_HAS_CURRENCY = rule("has a value without a currency", _value_has_currency, "value", "currency")
VALUE_HAS_CURRENCY_TERMS = {
    "if": {"required": ["value"], "properties": {"value": {"type": "integer"}}},
    "then": {"required": ["currency"], "properties": {"currency": {"type": "string"}}},
}
PURCHASE_IS_WHOLE = rule(
    "is a purchase without an order_id and a value", _purchase_is_whole, "type", "value", "properties"
)
PURCHASE_IS_WHOLE_TERMS = {
    "if": {"properties": {"type": {"const": "purchase"}}},
    "then": {
        "required": ["value", "properties"],
        "properties": {
            "value": {"type": "integer"},
            "properties": {"type": "object", "required": ["order_id"]},
        },
    },
}
