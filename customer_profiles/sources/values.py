"""Values of a source's columns as plain JSON, for positions, and for keeping a row as it was received."""

import base64
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson


def to_position(value: Any) -> Any:
    """A cursor or key value as JSON that :func:`from_position` turns back into the same."""
    if value is None or isinstance(value, str | int):
        return value
    for kind, (write, _) in _KINDS.items():
        if type(value).__name__ == kind:
            return {kind: write(value)}
    return {"str": str(value)}


def from_position(values: Iterable[Any]) -> list[Any]:
    """The values that were put into a position."""
    return [_back(value) for value in values]


def _back(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, written),) = value.items()
    return written if kind == "str" else _KINDS[kind][1](written)


_KINDS: Mapping[str, Any] = {
    "datetime": (datetime.isoformat, datetime.fromisoformat),
    "date": (date.isoformat, date.fromisoformat),
    "Decimal": (str, Decimal),
    "float": (float.hex, float.fromhex),
    "UUID": (str, UUID),
    "bytes": (lambda value: base64.b64encode(value).decode(), base64.b64decode),
    "memoryview": (lambda value: base64.b64encode(value).decode(), base64.b64decode),
}


def as_received(payload: Mapping[str, Any]) -> bytes:
    """A payload as JSON. Bytes that are no text keep what can be read of them."""
    return orjson.dumps(payload, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, int):
        return str(value)
    return list(value) if isinstance(value, set | tuple) else str(value)
