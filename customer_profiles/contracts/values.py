"""What is wrong with one value of a field, as a sentence without the value in it. Pure; knows no frame."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from customer_profiles.contracts.contract import Field, FieldType

EARLIEST_MICROS, LATEST_MICROS = -2_208_988_800_000_000, 7_258_118_400_000_000
"""The years 1900 and 2200: what lies beyond is a number in another unit, not a time."""
MOST_VALUES = 100
_LOST_CHARACTERS = re.compile("[\x00\ufffd\ud800-\udfff]")

Reason = str | None


def is_empty(value: object) -> bool:
    """Whether a cell of a frame holds nothing: None, NaN or pandas' NA."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value) or value is pd.NaT


def reason_finder(field: Field) -> Callable[[Any], Reason]:
    """A function that says what is wrong with a non-empty value of the field, or None."""
    one = _finders[field.type](field)
    return _each(one) if field.many else one


def _each(one: Callable[[Any], Reason]) -> Callable[[Any], Reason]:
    def reason(value: Any) -> Reason:
        if not isinstance(value, (list, tuple)):
            return "is not a list"
        if len(value) > MOST_VALUES:
            return f"has more than {MOST_VALUES} values"
        for item in value:
            if found := one(item):
                return found
        return None

    return reason


def _text(field: Field) -> Callable[[Any], Reason]:
    matches = re.compile(field.pattern).fullmatch if field.pattern else None
    values, longest, lost = frozenset(field.values), field.max_length, _LOST_CHARACTERS.search

    def reason(value: Any) -> Reason:
        if not isinstance(value, str):
            return "is not text"
        if len(value) > longest:
            return f"is longer than {longest:,} characters"
        if "\0" in value or (not value.isascii() and lost(value)):
            return "holds characters lost in a wrong encoding"
        if values and value not in values:
            return f"is none of {', '.join(field.values)}"
        if matches and not matches(value):
            return "does not have the form it must have"
        return None

    return reason


def _date(field: Field) -> Callable[[Any], Reason]:
    # A day's grace: it is tomorrow already somewhere east of us.
    latest = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    def reason(value: Any) -> Reason:
        if not isinstance(value, str) or len(value) != 10:
            return "is not a date in the form YYYY-MM-DD"
        try:
            date.fromisoformat(value)
        except ValueError:
            return "is not a date in the form YYYY-MM-DD"
        return "lies in the future" if value > latest else None

    return reason


def _whole_number(smallest: int | None, largest: int | None, unit: str) -> Callable[[Any], Reason]:
    def reason(value: Any) -> Reason:
        if isinstance(value, bool) or not (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        ):
            return f"is not a whole number of {unit}"
        if (smallest is not None and value < smallest) or (largest is not None and value > largest):
            return f"is out of range for {unit}"
        return None

    return reason


def _number(field: Field) -> Callable[[Any], Reason]:
    def reason(value: Any) -> Reason:
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else "is not a number"

    return reason


def _identifiers(field: Field) -> Callable[[Any], Reason]:
    def reason(value: Any) -> Reason:
        if not isinstance(value, dict):
            return "is not a mapping of kinds to lists of values"
        for kind, found in value.items():
            if not isinstance(kind, str) or not isinstance(found, (list, tuple)):
                return "is not a mapping of kinds to lists of values"
            for text in found:
                if not isinstance(text, str) or not text:
                    return "has a value that is not text"
                if len(text) > field.max_length:
                    return f"has a value longer than {field.max_length:,} characters"
                if _LOST_CHARACTERS.search(text):
                    return "holds characters lost in a wrong encoding"
        return None

    return reason


def _statement(field: Field) -> Callable[[Any], Reason]:
    names = {part.name for part in field.properties}
    attributes = _attributes(field)

    def reason(value: Any) -> Reason:
        if isinstance(value, dict) and value.keys() - names:
            return f"has a part other than {', '.join(sorted(names))}"
        return attributes(value)

    return reason


def _attributes(field: Field) -> Callable[[Any], Reason]:
    finders = {part.name: reason_finder(part) for part in field.properties}
    needed = [part.name for part in field.properties if part.required]

    def reason(value: Any) -> Reason:
        if not isinstance(value, dict):
            return "is not a mapping of names to values"
        for name in needed:
            if is_empty(value.get(name)):
                return f"has no {name}"
        room = field.max_length
        for name, part in value.items():
            if part is None or part is True or part is False:
                continue
            find = finders.get(name)
            if find and (found := find(part)) and not is_empty(part):
                return f"has a {name} that {found}"
            if not find and isinstance(part, str) and _LOST_CHARACTERS.search(part):
                return "holds characters lost in a wrong encoding"
            room -= len(part) if isinstance(part, str) else _size(part)
            if room < 0:
                return f"is longer than {field.max_length:,} characters"
        return None

    return reason


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(str(name)) + _size(part) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return 1


_finders: dict[FieldType, Callable[[Field], Callable[[Any], Reason]]] = {
    FieldType.TEXT: _text,
    FieldType.DATE: _date,
    FieldType.MICROS: lambda field: _whole_number(EARLIEST_MICROS, LATEST_MICROS, "microseconds since 1970"),
    FieldType.MINOR_UNITS: lambda field: _whole_number(-(2**53), 2**53, "minor units"),
    FieldType.NUMBER: _number,
    FieldType.IDENTIFIERS: _identifiers,
    FieldType.STATEMENT: _statement,
    FieldType.ATTRIBUTES: _attributes,
}
