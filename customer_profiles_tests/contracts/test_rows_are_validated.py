"""A contract accepts what is right and says everything that is wrong, without ever repeating a value."""

from dataclasses import fields as dataclass_fields
from typing import Any

import pandas as pd
import pytest

from customer_profiles.contracts import (
    CONTRACTS,
    CONVERSATION,
    INTERACTION,
    PURCHASE,
    RECORD,
    Failure,
    failures,
)
from customer_profiles.contracts.classes import Retention
from customer_profiles.contracts.validation import ContractError
from customer_profiles_tests.contracts.rows import BY_NAME, RIGHT, frame, reasons


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_right_row_is_accepted(contract: str) -> None:
    assert reasons(contract) == []


def test_a_record_may_lack_everything_but_its_source_and_source_key() -> None:
    assert failures(RECORD, frame(RECORD, {"source": "crm", "source_key": "c-1"})) == ()
    assert reasons("record", source=None, source_key="") == ["source is missing", "source_key is missing"]


@pytest.mark.parametrize("empty", [None, float("nan"), pd.NA, pd.NaT])
def test_every_kind_of_empty_cell_is_empty(empty: object) -> None:
    optional = {field.name: empty for field in RECORD.fields if not field.required}
    assert reasons("record", **optional) == []


@pytest.mark.parametrize(
    ("contract", "change", "told"),
    [
        ("record", {"given_name": 7}, "given_name is not text"),
        ("record", {"given_name": "x" * 201}, "given_name is longer than 200 characters"),
        ("record", {"city": "Malm\ufffd"}, "city holds characters lost in a wrong encoding"),
        ("record", {"city": "Malm\x00"}, "city holds characters lost in a wrong encoding"),
        ("record", {"emails": "zoe@lindqvist.se"}, "emails is not a list"),
        ("record", {"emails": ["zoe at lindqvist"]}, "emails does not have the form it must have"),
        ("record", {"phones": ["0701234567"]}, "phones does not have the form it must have"),
        ("record", {"birth_date": "29/02/1984"}, "birth_date is not a date in the form YYYY-MM-DD"),
        ("record", {"birth_date": "1983-02-29"}, "birth_date is not a date in the form YYYY-MM-DD"),
        ("record", {"birth_date": "2999-01-01"}, "birth_date lies in the future"),
        ("record", {"country": "Sweden"}, "country is longer than 2 characters"),
        (
            "record",
            {"external_ids": {"user_id": "u-1"}},
            "external_ids is not a mapping of kinds to lists of values",
        ),
        ("record", {"preferences": ["newsletter"]}, "preferences is not a mapping of names to values"),
        ("record", {"extra": {"note": "x" * 20_001}}, "extra is longer than 20,000 characters"),
        ("record", {"extra": {"note": {"deep": ["x" * 20_001]}}}, "extra is longer than 20,000 characters"),
        (
            "record",
            {"updated_at": "2024-01-01"},
            "updated_at is not a whole number of microseconds since 1970",
        ),
        ("record", {"updated_at": True}, "updated_at is not a whole number of microseconds since 1970"),
        ("record", {"updated_at": 10**19}, "updated_at is out of range for microseconds since 1970"),
        ("record", {"consent": [{"purpose": "marketing"}]}, "consent has no choice"),
        (
            "record",
            {"consent": [{"purpose": "marketing", "choice": "perhaps"}]},
            "consent has a choice that is none of granted, refused, withdrawn",
        ),
        (
            "record",
            {"consent": [{"purpose": "marketing", "choice": "granted", "why": "x"}]},
            "consent has a part other than choice, purpose, stated_at",
        ),
        ("interaction", {"record_key": None}, "names nobody: neither a record key nor an identifier"),
        ("interaction", {"value": 49.98}, "value is not a whole number of minor units"),
        ("interaction", {"currency": None}, "has a value without a currency"),
        (
            "interaction",
            {"occurred_at": 1_700_000_302_000_000},
            "occurred more than 5 minutes after it was received",
        ),
        ("interaction", {"value": None}, "is a purchase without an order_id and a value"),
        ("interaction", {"properties": {}}, "is a purchase without an order_id and a value"),
        ("interaction", {"properties": None}, "is a purchase without an order_id and a value"),
        (
            "interaction",
            {"properties": {"order_id": "o-1", "lines": "two lamps"}},
            "properties has a lines that is not a list",
        ),
        (
            "interaction",
            {"properties": {"order_id": "o-1", "sentiment": "furious"}},
            "properties has a sentiment that is none of positive, neutral, negative",
        ),
        ("consent", {"identifiers": {"email": []}}, "names nobody: neither a record key nor an identifier"),
        ("consent", {"choice": "unsubscribed"}, "choice is none of granted, refused, withdrawn"),
        ("consent", {"stated_at": None}, "stated_at is missing"),
    ],
)
def test_what_is_wrong_is_told(contract: str, change: dict[str, Any], told: str) -> None:
    assert reasons(contract, **change) == [told]


def test_every_reason_of_every_row_comes_at_once() -> None:
    right = RIGHT["record"]
    rows = frame(RECORD, right | {"birth_date": "x", "phones": ["1"]}, right, right | {"source_key": None})
    assert failures(RECORD, rows) == (
        Failure(0, "birth_date", "birth_date is not a date in the form YYYY-MM-DD"),
        Failure(0, "phones", "phones does not have the form it must have"),
        Failure(2, "source_key", "source_key is missing"),
    )


def test_rows_are_counted_by_place_whatever_the_index_says() -> None:
    rows = frame(RECORD, RIGHT["record"], RIGHT["record"] | {"birth_date": "x"}).set_index(pd.Index([7, 7]))
    assert [failure.row for failure in failures(RECORD, rows)] == [1]


def test_a_reason_never_repeats_a_value() -> None:
    for contract, row in RIGHT.items():
        for name in row:
            for spoilt in ("Hunter2\x00", 7.25, ["Hunter2\x00"], {"Hunter2": "Hunter2\x00"}, b"Hunter2"):
                assert not any(
                    "unter2" in reason or "7.25" in reason for reason in reasons(contract, **{name: spoilt})
                )


def test_nothing_that_is_validated_is_changed() -> None:
    rows = frame(RECORD, RIGHT["record"])
    before = rows.copy(deep=True)
    failures(RECORD, rows)
    pd.testing.assert_frame_equal(rows, before)


def test_a_frame_with_other_columns_is_our_fault_and_said_so_without_its_values() -> None:
    rows = frame(RECORD, RIGHT["record"]).rename(columns={"city": "town"})
    with pytest.raises(ContractError) as caught:
        failures(RECORD, rows)
    assert str(caught.value) == (
        "a frame of the contract record lacks city and has the unknown town: "
        "build it with exactly the columns of RECORD.names"
    )


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_field_says_what_it_is_what_it_may_serve_and_how_long_it_is_kept(contract: str) -> None:
    for field in BY_NAME[contract].fields:
        for one in (field, *field.properties):
            assert one.description.endswith((".", "…"))
            assert set(one.purposes) <= {"support", "personalisation", "analytics", "marketing"}
            assert one.retention.days > 0
    assert {"data_class", "purposes", "retention"} <= {part.name for part in dataclass_fields(field)}


def test_a_contract_gives_its_fields_by_name() -> None:
    assert RECORD.field("emails").many
    assert RECORD.find("email") is None
    assert RECORD.names[:2] == ("source", "source_key")


def test_purchases_and_conversations_declare_their_properties() -> None:
    declared = {field.name for field in INTERACTION.field("properties").properties}
    assert [field.name for field in PURCHASE.properties] == ["order_id", "lines", "category", "status"]
    assert [field.name for field in CONVERSATION.properties] == ["matter_id", "topic", "sentiment", "status"]
    for kind in (PURCHASE, CONVERSATION):
        assert {field.name for field in kind.properties} <= declared
        assert set(kind.needs) <= declared | set(INTERACTION.names)


@pytest.mark.parametrize("text", ["", "P", "3Y", "PT", "P3", "P1Y2", "P-1Y"])
def test_a_retention_is_an_iso_8601_duration(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        Retention(text)


def test_a_retention_counts_its_days() -> None:
    assert [Retention(text).days for text in ("P3Y", "P18M", "P2W", "P90D", "P1Y2M3DT4H")] == [
        1095,
        540,
        14,
        90,
        428,
    ]
