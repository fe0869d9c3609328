"""JSON Schema of the contracts (draft 2020-12), generated into `schemas/`; the last release stays beside it.

`python -m customer_profiles.contracts.json_schema` writes the files; `--check` says whether they are fresh
and what was valid under the last release still is; `--release` keeps a copy of the present ones as released.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from customer_profiles.contracts import CONTRACTS
from customer_profiles.contracts.compatibility import breaking_changes
from customer_profiles.contracts.contract import Contract, Field, FieldType
from customer_profiles.contracts.values import EARLIEST_MICROS, LATEST_MICROS, MOST_VALUES

FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def json_schema(contract: Contract) -> dict[str, Any]:
    """The JSON Schema of one row of a contract."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:customer_profiles:{contract.name}:{contract.version}",
        "title": contract.name,
        "description": contract.description,
        "type": "object",
        "properties": {field.name: _described(field) for field in contract.fields},
        "required": [field.name for field in contract.fields if field.required],
        "additionalProperties": False,
    }
    if contract.conditions:
        schema["allOf"] = list(contract.conditions)
    return schema


def _described(field: Field) -> dict[str, Any]:
    terms = _terms(field)
    if not field.required:
        terms = _or_null(terms)
    return {
        "description": field.description,
        **terms,
        "x-data-class": str(field.data_class),
        "x-purposes": list(field.purposes),
        "x-retention": str(field.retention),
    }


def _or_null(terms: dict[str, Any]) -> dict[str, Any]:
    nullable = {**terms, "type": [terms["type"], "null"]}
    if "enum" in terms:
        nullable["enum"] = [*terms["enum"], None]
    return nullable


def _terms(field: Field) -> dict[str, Any]:
    one = _BY_TYPE[field.type](field)
    return {"type": "array", "items": one, "maxItems": MOST_VALUES} if field.many else one


def _text(field: Field) -> dict[str, Any]:
    terms: dict[str, Any] = {"type": "string", "maxLength": field.max_length}
    if field.required:
        terms["minLength"] = 1
    if field.pattern:
        terms["pattern"] = f"^(?:{field.pattern})$"
    if field.values:
        terms["enum"] = list(field.values)
    return terms


def _attributes(field: Field) -> dict[str, Any]:
    terms: dict[str, Any] = {"type": "object"}
    if field.properties:
        terms["properties"] = {part.name: _described(part) for part in field.properties}
        terms["required"] = [part.name for part in field.properties if part.required]
    return terms


_BY_TYPE: Mapping[FieldType, Callable[[Field], dict[str, Any]]] = {
    FieldType.TEXT: _text,
    FieldType.DATE: lambda field: {"type": "string", "format": "date"},
    FieldType.MICROS: lambda field: {
        "type": "integer",
        "minimum": EARLIEST_MICROS,
        "maximum": LATEST_MICROS,
        "x-unit": "microseconds since 1970, UTC",
    },
    FieldType.MINOR_UNITS: lambda field: {"type": "integer", "x-unit": "minor units of the currency"},
    FieldType.NUMBER: lambda field: {"type": "number"},
    FieldType.IDENTIFIERS: lambda field: {
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": field.max_length},
        },
    },
    FieldType.STATEMENT: lambda field: {**_attributes(field), "additionalProperties": False},
    FieldType.ATTRIBUTES: _attributes,
}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the JSON Schema of every contract; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for contract in CONTRACTS.values():
        file = folder / f"{contract.name}.json"
        file.write_text(_text_of(contract), encoding="utf-8")
        files.append(file)
    return files


def findings(folder: Path = FOLDER) -> list[str]:
    """What is wrong with the files of a folder: stale, or incompatible with the last release."""
    found = []
    for contract in CONTRACTS.values():
        file = folder / f"{contract.name}.json"
        if not file.is_file():
            found.append(f"{file} is missing: run `make schemas`")
        elif file.read_text(encoding="utf-8") != _text_of(contract):
            found.append(f"{file} is stale: run `make schemas`")
    released = last_release(folder)
    if released is None:
        return found
    for file in sorted(released.glob("*.json")):
        before, now = json.loads(file.read_text(encoding="utf-8")), CONTRACTS.get(file.stem)
        changes = ["is gone"] if now is None else breaking_changes(before, json_schema(now))
        found += [
            f"the contract {file.stem} {change}, which release {released.name} promised" for change in changes
        ]
    return found


def last_release(folder: Path = FOLDER) -> Path | None:
    """The folder of the newest released schemas, or None before the first release."""
    releases = [path for path in (folder / "released").glob("*.*.*") if path.is_dir()]
    return max(releases, key=lambda path: _parts(path.name), default=None)


def release(folder: Path = FOLDER) -> Path:
    """Keep the present schemas as released under their version.

    Raises:
        FileExistsError: that version was released before.
    """
    target = folder / "released" / max((contract.version for contract in CONTRACTS.values()), key=_parts)
    if target.exists():
        raise FileExistsError(f"{target} was released before: raise the contracts' version first")
    write(target)
    return target


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _text_of(contract: Contract) -> str:
    return json.dumps(json_schema(contract), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; 0 when all is well, 1 when there is a finding."""
    parser = argparse.ArgumentParser(
        prog="python -m customer_profiles.contracts.json_schema", description=__doc__
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when stale or incompatible"
    )
    action.add_argument("--release", action="store_true", help="keep the present schemas as released")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the schemas are (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.check:
        found = findings(chosen.folder)
        print("\n".join(found) or "schemas: up to date, and compatible with the last release")
        return 1 if found else 0
    for file in write(chosen.folder):
        print(file)
    if chosen.release:
        try:
            print(release(chosen.folder))
        except FileExistsError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
