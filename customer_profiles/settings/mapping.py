"""How a field of a contract is made from columns of a source: the right-hand side of `fields`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from customer_profiles.settings.base import Part

Scalar = str | int | float | bool | None
TAG_MARK = "·"
"""Tells the tags of a union from keys of the file, where an error says its place."""


class Column(Part):
    """A column, or a dotted path into a nested one, and how to read it."""

    column: str
    """Name of the column; dots lead into nested values: `context.traits.email`."""
    format: str | None = None
    """How a date or time is written, in strptime terms, such as `%d/%m/%Y`."""
    map: Mapping[str, Scalar] | None = None
    """What each value of the column means; a value that is not listed is empty."""
    scale: Annotated[int, Field(ge=1)] | Literal["currency"] | None = None
    """Money in the source times this is money in minor units: 100 when the column has pounds; `currency` for
    the number of the row's currency (100 for GBP, 1 for JPY). Without it the column holds minor units."""

    @property
    def path(self) -> tuple[str, ...]:
        """The column and the names inside it."""
        return tuple(self.column.split("."))

    def meaning(self, value: object) -> Scalar:
        """What `map` makes of a value of the column; None when it is not listed.

        Values are compared as text, so that 1 and "1" are the same; true and false are written so.
        """
        return (self.map or {}).get(as_key(value))

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    @model_validator(mode="before")
    @classmethod
    def _keys_as_text(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("map"), dict):
            return {**data, "map": {as_key(key): value for key, value in data["map"].items()}}
        return data


class Constant(Part):
    """The same value for every row."""

    value: Scalar
    """The value."""


class Several(Part):
    """Several columns: all their values in a field that takes many, else the first that is not empty."""

    parts: tuple[FieldMapping, ...]
    """The columns in order."""

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, data: Any) -> Any:
        return {"parts": data} if isinstance(data, list) else data


class Nested(Part):
    """A field that is itself a mapping, name by name: external IDs, properties, consent by purpose."""

    parts: Mapping[str, FieldMapping]
    """How each name is made."""

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, data: Any) -> Any:
        return (
            {"parts": {as_key(key): value for key, value in data.items()}} if isinstance(data, dict) else data
        )


def _kind(data: Any) -> str | None:
    if isinstance(data, (Column, Constant, Several, Nested)):
        return TAG_MARK + type(data).__name__.lower()
    if isinstance(data, list):
        return TAG_MARK + "several"
    if isinstance(data, dict):
        if "column" in data:
            return TAG_MARK + "column"
        return TAG_MARK + ("constant" if set(data) == {"value"} else "nested")
    return TAG_MARK + "column" if isinstance(data, str) else None


FieldMapping = Annotated[
    Annotated[Column, Tag(TAG_MARK + "column")]
    | Annotated[Constant, Tag(TAG_MARK + "constant")]
    | Annotated[Several, Tag(TAG_MARK + "several")]
    | Annotated[Nested, Tag(TAG_MARK + "nested")],
    Discriminator(
        _kind,
        custom_error_type="mapping",
        custom_error_message=(
            "must be a column, a list of columns, {value: …}, {column: …}, or a mapping of names to these"
        ),
    ),
]

Several.model_rebuild()
Nested.model_rebuild()


def as_key(value: object) -> str:
    """A value of a source as the key of a `map`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def columns_of(mapping: FieldMapping) -> Iterator[Column]:
    """Every column that a mapping reads."""
    if isinstance(mapping, Column):
        yield mapping
    elif isinstance(mapping, Several):
        for part in mapping.parts:
            yield from columns_of(part)
    elif isinstance(mapping, Nested):
        for part in mapping.parts.values():
            yield from columns_of(part)
