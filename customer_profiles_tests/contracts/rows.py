"""Rows that are right, one of each contract, to spoil in tests."""

from typing import Any

import pandas as pd

from customer_profiles.contracts import CONSENT, INTERACTION, RECORD, Contract, failures

Row = dict[str, Any]

RIGHT: dict[str, Row] = {
    "record": {
        "source": "crm",
        "source_key": "c-1",
        "given_name": "Zoë",
        "family_name": "Lindqvist",
        "full_name": None,
        "emails": ["zoe@lindqvist.se"],
        "phones": ["+46701234567"],
        "birth_date": "1984-02-29",
        "address_line": "Storgatan 1",
        "city": "Malmö",
        "region": None,
        "postcode": "21122",
        "country": "SE",
        "external_ids": {"user_id": ["u-1"]},
        "preferences": {"newsletter": True},
        "language": "sv-SE",
        "consent": [{"purpose": "marketing", "choice": "granted", "stated_at": 1_700_000_000_000_000}],
        "created_at": 1_600_000_000_000_000,
        "updated_at": 1_700_000_000_000_000,
        "deleted_at": None,
        "extra": {"loyalty_tier": "gold"},
    },
    "interaction": {
        "event_id": "e-1",
        "source": "orders",
        "record_key": "c-1",
        "identifiers": None,
        "type": "purchase",
        "channel": "web",
        "occurred_at": 1_700_000_000_000_000,
        "received_at": 1_700_000_001_000_000,
        "value": 4_998,
        "currency": "SEK",
        "properties": {
            "order_id": "o-1",
            "lines": [{"product": "p-1", "name": "Lamp", "category": "home", "quantity": 2, "price": 2_499}],
        },
    },
    "consent": {
        "statement_id": "s-1",
        "source": "email",
        "record_key": None,
        "identifiers": {"email": ["zoe@lindqvist.se"]},
        "purpose": "marketing",
        "choice": "withdrawn",
        "stated_at": 1_700_000_000_000_000,
        "method": "unsubscribe link",
        "notice": None,
        "received_at": 1_700_000_001_000_000,
    },
}
BY_NAME = {contract.name: contract for contract in (RECORD, INTERACTION, CONSENT)}


def frame(contract: Contract, *rows: Row) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(contract.names), dtype=object)


def reasons(contract: str, **changes: Any) -> list[str]:
    """What is wrong with the right row of a contract after the changes."""
    definition = BY_NAME[contract]
    return [failure.reason for failure in failures(definition, frame(definition, RIGHT[contract] | changes))]
