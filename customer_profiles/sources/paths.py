"""Dotted paths into nested rows, and the conditions of a feed's `where`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from customer_profiles.settings import Feed, Scalar, columns_of
from customer_profiles.settings.mapping import as_key

_ABSENT = object()

Row = Mapping[str, Any]


def mapped_columns(feed: Feed) -> tuple[str, ...]:
    """The columns and paths whose values a feed's fields are made of."""
    mappings = (*feed.fields.values(), *feed.extra.values())
    return tuple(sorted({column.column for mapping in mappings for column in columns_of(mapping)}))


def projection(paths: Iterable[str]) -> Callable[[Row], dict[str, Any]]:
    """A function that keeps of a row just the given paths, each under its full name; what is absent stays absent."""
    plain = [path for path in paths if "." not in path]
    nested = [(path, tuple(path.split("."))) for path in paths if "." in path]

    def project(row: Row) -> dict[str, Any]:
        kept = {path: row[path] for path in plain if path in row}
        for path, names in nested:
            value = walk(row, path, names)
            if value is not _ABSENT:
                kept[path] = value
        return kept

    return project


def walk(row: Row, path: str, names: tuple[str, ...]) -> Any:
    """The value at a path, or a mark that says absent. A name with dots in it goes before a path."""
    if path in row:
        return row[path]
    value: Any = row
    for name in names:
        if type(value) is not dict or name not in value:
            return _ABSENT
        value = value[name]
    return value


def value_reader(path: str) -> Callable[[Row], Any]:
    """A function that gives the value at a path of a projected row; JSON text is opened where the path leads into it."""
    if "." not in path:
        return lambda row: row.get(path)
    base, *inside = path.split(".")

    def read(row: Row) -> Any:
        if path in row:
            return row[path]
        value = row.get(base)
        for name in inside:
            if type(value) is str and value[:1] == "{":
                value = orjson.loads(value)
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return read


def condition(where: Mapping[str, Scalar | tuple[Scalar, ...]]) -> Callable[[Row], bool] | None:
    """A function that says whether a row is wanted, or None when every row is. Values are compared as text."""
    wanted = [
        (
            path,
            tuple(path.split(".")),
            frozenset(as_key(one) for one in (value if isinstance(value, tuple) else (value,))),
        )
        for path, value in where.items()
    ]
    if not wanted:
        return None

    def holds(row: Row) -> bool:
        for path, names, values in wanted:
            value = walk(row, path, names)
            if value is _ABSENT:
                value = None
            if (value if type(value) is str else as_key(value)) not in values:
                return False
        return True

    return holds
