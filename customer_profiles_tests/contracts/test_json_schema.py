"""The JSON Schemas say what the contracts say, are fresh, and never break what a release promised."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.contracts import CONTRACTS, INTERACTION, RECORD
from customer_profiles.contracts.compatibility import breaking_changes
from customer_profiles.contracts.json_schema import findings, json_schema, main, release, write
from customer_profiles_tests.contracts.rows import RIGHT

Schema = dict[str, Any]


def test_the_schemas_of_the_repository_are_fresh_and_compatible() -> None:
    assert findings() == []


def test_each_field_carries_its_class_purposes_and_retention() -> None:
    for contract in CONTRACTS.values():
        schema = json_schema(contract)
        assert list(schema["properties"]) == list(contract.names)
        for field in contract.fields:
            written = schema["properties"][field.name]
            assert written["description"] == field.description
            assert written["x-data-class"] == field.data_class
            assert written["x-purposes"] == list(field.purposes)
            assert written["x-retention"] == field.retention


def test_only_what_must_be_there_is_required_and_all_else_may_be_null() -> None:
    schema = json_schema(RECORD)
    assert schema["required"] == ["source", "source_key"]
    for name, written in schema["properties"].items():
        assert ("null" in written["type"]) == (name not in schema["required"])


_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "null": type(None),
}


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value fits the types, forms and names of a schema: the terms that the contracts use most."""
    types = schema.get("type", list(_PYTHON_TYPES))
    if not any(
        isinstance(value, _PYTHON_TYPES[name]) for name in ([types] if isinstance(types, str) else types)
    ):
        return False
    if isinstance(value, str):
        return bool(re.search(schema.get("pattern", ""), value)) and value in schema.get("enum", [value])
    if isinstance(value, list):
        return all(_fits(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        return value.keys() >= set(schema.get("required", [])) and all(_allowed(value, schema))
    return True


def _allowed(value: dict[str, Any], schema: Schema) -> Iterator[bool]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, part in value.items():
        yield others is not False if name not in properties else _fits(part, properties[name])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_row_that_the_contract_accepts_fits_its_json_schema(contract: str) -> None:
    schema = json_schema(CONTRACTS[contract])
    assert _fits(RIGHT[contract], schema)
    for name in RIGHT[contract]:
        assert not _fits(RIGHT[contract] | {name: 7.5}, schema), name
        assert _fits(RIGHT[contract] | {name: None}, schema) is not CONTRACTS[contract].field(name).required


def test_declared_properties_of_interactions_stand_in_the_schema() -> None:
    properties = json_schema(INTERACTION)["properties"]["properties"]["properties"]
    assert {"order_id", "lines", "topic", "sentiment", "matter_id", "status", "category"} == set(properties)
    assert properties["lines"]["items"]["properties"]["price"]["x-unit"] == "minor units of the currency"


def test_written_schemas_are_found_fresh_and_changed_ones_stale(tmp_path: Path) -> None:
    write(tmp_path)
    assert findings(tmp_path) == []
    file = tmp_path / "record.json"
    file.write_text(file.read_text(encoding="utf-8").replace("Given name", "First name"), encoding="utf-8")
    (tmp_path / "consent.json").unlink()
    assert findings(tmp_path) == [
        f"{file} is stale: run `make schemas`",
        f"{tmp_path / 'consent.json'} is missing: run `make schemas`",
    ]


def test_a_stale_schema_fails_the_check_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "record.json is missing: run `make schemas`" in capsys.readouterr().out
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0


def test_a_release_is_kept_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--release", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "released" / "0.1.0" / "record.json").is_file()
    assert main(["--release", "--folder", str(tmp_path)]) == 1
    assert "was released before: raise the contracts' version first" in capsys.readouterr().out


def test_what_the_last_release_promised_is_checked(tmp_path: Path) -> None:
    write(tmp_path)
    released = release(tmp_path) / "record.json"
    (tmp_path / "released" / "0.9.0").mkdir()
    promised = json.loads(released.read_text(encoding="utf-8"))
    promised["properties"]["nickname"] = {"type": ["string", "null"]}
    newest = tmp_path / "released" / "0.10.0"
    newest.mkdir()
    (newest / "record.json").write_text(json.dumps(promised), encoding="utf-8")
    assert findings(tmp_path) == [
        "the contract record lost the field nickname, which release 0.10.0 promised"
    ]


def _drop_city(schema: Schema) -> None:
    del schema["properties"]["city"]


def _city_never_null(schema: Schema) -> None:
    schema["properties"]["city"]["type"] = "string"


def _value_no_longer_any_number(schema: Schema) -> None:
    schema["properties"]["created_at"]["type"] = ["string", "null"]


def _city_required(schema: Schema) -> None:
    schema["required"].append("city")


def _choice_without_withdrawn(schema: Schema) -> None:
    schema["properties"]["consent"]["items"]["properties"]["choice"]["enum"].remove("withdrawn")


def _city_listed(schema: Schema) -> None:
    schema["properties"]["city"]["enum"] = ["Leeds"]


def _city_shorter(schema: Schema) -> None:
    schema["properties"]["city"]["maxLength"] = 20


def _city_formed(schema: Schema) -> None:
    schema["properties"]["city"]["pattern"] = "^[A-Z]"


def _preferences_closed(schema: Schema) -> None:
    schema["properties"]["preferences"]["additionalProperties"] = False


def _identifiers_shorter(schema: Schema) -> None:
    schema["properties"]["external_ids"]["additionalProperties"]["items"]["maxLength"] = 5


def _condition(schema: Schema) -> None:
    schema["allOf"] = [{"required": ["city"]}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_drop_city, "lost the field city"),
        (_city_never_null, "no longer allows the type null of city"),
        (_value_no_longer_any_number, "no longer allows the type integer of created_at"),
        (_city_required, "now requires city"),
        (_choice_without_withdrawn, "no longer allows the value withdrawn of consent[].choice"),
        (_city_listed, "now allows only listed values of city"),
        (_city_shorter, "has a tighter maxLength of city"),
        (_city_formed, "has a new or changed pattern of city"),
        (_preferences_closed, "no longer allows names beside the declared ones of preferences"),
        (_identifiers_shorter, "has a tighter maxLength of external_ids.*[]"),
        (_condition, "has a new or changed condition"),
    ],
)
def test_a_change_that_breaks_readers_or_writers_is_found(
    change: Callable[[Schema], None], told: str
) -> None:
    now = json_schema(RECORD)
    change(now)
    assert breaking_changes(json_schema(RECORD), now) == [told]


def test_growing_a_contract_breaks_nothing() -> None:
    now = json_schema(RECORD)
    now["properties"]["nickname"] = {"type": ["string", "null"]}
    now["properties"]["city"]["maxLength"] = 500
    now["properties"]["city"]["description"] = "Where they live."
    now["required"].remove("source_key")
    now["properties"]["consent"]["items"]["properties"]["choice"]["enum"].append("paused")
    now["properties"]["preferences"]["properties"] = {"colour": {"type": "string"}}
    del now["properties"]["country"]["pattern"]
    assert breaking_changes(json_schema(RECORD), now) == []


_schemas = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number"])},
    optional={
        "maxLength": st.integers(0, 9),
        "minimum": st.integers(0, 9),
        "enum": st.lists(st.sampled_from("abc"), min_size=1, unique=True),
    },
)


@given(_schemas)
def test_no_change_is_no_break(schema: Schema) -> None:
    assert breaking_changes(schema, schema) == []


@given(_schemas, _schemas, _schemas)
def test_two_harmless_changes_in_a_row_are_one_harmless_change(
    one: Schema, two: Schema, three: Schema
) -> None:
    if not breaking_changes(one, two) and not breaking_changes(two, three):
        assert breaking_changes(one, three) == []
