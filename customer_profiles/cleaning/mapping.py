"""Turns a mapping of the settings into a function that reads a field's value from a row as it was received."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from customer_profiles.cleaning.formats import parser
from customer_profiles.cleaning.normalise.money import minor_units
from customer_profiles.cleaning.reasons import Reason
from customer_profiles.settings import Column, Constant, FieldMapping, Nested, Several
from customer_profiles.settings.mapping import as_key
from customer_profiles.sources.paths import value_reader

Row = Mapping[str, Any]
Reader = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class MajorUnits:
    """An amount in the major unit of its row's currency, whatever that is."""

    amount: Any


def reader(mapping: FieldMapping, many: bool = False) -> Reader:
    """A function from a row to what the mapping makes of it.

    It gives a plain value of the source, a mapping of names to such values, or a list of them where the field takes many;
    a :class:`Reason` in the place of what cannot be read.

    Args:
        mapping: The right-hand side of a feed's field.
        many: Whether the field takes many values: then all of several columns count, else the first that is not empty.
    """
    if isinstance(mapping, Constant):
        value = mapping.value
        return lambda row: value
    if isinstance(mapping, Several):
        parts = [reader(part) for part in mapping.parts]
        return _all(parts) if many else _first(parts)
    if isinstance(mapping, Nested):
        names = {name: reader(part, many) for name, part in mapping.parts.items()}
        return lambda row: {name: read(row) for name, read in names.items()}
    return _column(mapping)


def _all(parts: list[Reader]) -> Reader:
    return lambda row: [value for read in parts if (value := read(row)) is not None and value != ""]


def _first(parts: list[Reader]) -> Reader:
    def read(row: Row) -> Any:
        for part in parts:
            value = part(row)
            if value is not None and value != "":
                return value
        return None

    return read


def _column(column: Column) -> Reader:
    read = value_reader(column.column) if "." not in column.column else _opening(value_reader(column.column))
    if column.map is not None:
        table = column.map
        return lambda row: table.get(as_key(read(row)))
    if column.format is not None:
        parse = _remembering(parser(column.format))
        # Text that does not have the source's own format is left as it is: the usual formats are tried after it.
        return lambda row: parse(value) if type(value := read(row)) is str else value
    if column.scale == "currency":
        return lambda row: None if (value := read(row)) is None or value == "" else MajorUnits(value)
    if column.scale is not None:
        scale = column.scale
        return lambda row: scaled(read(row), scale)
    return read


def _opening(read: Reader) -> Reader:
    def opened(row: Row) -> Any:
        try:
            return read(row)
        except orjson.JSONDecodeError:
            return Reason.UNREADABLE_JSON

    return opened


def _remembering(parse: Callable[[str], datetime]) -> Callable[[str], datetime | str]:
    @lru_cache(maxsize=65_536)
    def parsed(written: str) -> datetime | str:
        try:
            return parse(written.strip())
        except ValueError:
            return written

    return parsed


def scaled(value: Any, scale: int) -> Any:
    """An amount times the scale, exactly; of the lines of an order, each price.

    Returns:
        int, minor units; :class:`Reason` when it is no amount, or a part of a minor unit is left over.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and value[:1] == "[":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return Reason.UNREADABLE_JSON
    if isinstance(value, list):
        return [
            {**line, "price": scaled(line.get("price"), scale)} if isinstance(line, dict) else line
            for line in value
        ]
    return value if isinstance(value, Reason) else minor_units(value, scale)
