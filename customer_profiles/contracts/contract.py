"""What a contract and its fields are, read back from their one pandera definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import pandera.pandas as pa

from customer_profiles.contracts.classes import DataClass, Retention

METADATA_KEY = "customer_profiles"
"""Where a pandera column's metadata keeps its `Field`."""


class FieldType(StrEnum):
    """The type of a field's value in a cleaned row."""

    TEXT = "text"
    DATE = "date"
    """Text, YYYY-MM-DD."""
    MICROS = "micros"
    """int, microseconds since 1970 in UTC."""
    MINOR_UNITS = "minor_units"
    """int, money in the minor unit of its currency."""
    NUMBER = "number"
    IDENTIFIERS = "identifiers"
    """{kind: [values]}."""
    STATEMENT = "statement"
    """{purpose, choice, stated_at}: the declared names and no others."""
    ATTRIBUTES = "attributes"
    """{name: any JSON value}: the declared names, and others beside them."""

    @property
    def keyed(self) -> bool:
        """Whether a value is a mapping, so that a settings file maps it name by name."""
        return self in (FieldType.IDENTIFIERS, FieldType.ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract, or one declared property of an interaction."""

    name: str
    type: FieldType
    description: str
    data_class: DataClass
    purposes: tuple[str, ...]
    """Purposes the field may serve, by their names in the settings; the customer's consent still decides."""
    retention: Retention
    required: bool = False
    many: bool = False
    """Whether a value is a list of such values."""
    pattern: str | None = None
    """A regular expression that the whole text matches."""
    values: tuple[str, ...] = ()
    """The only texts allowed, when there is a list of them."""
    max_length: int = 200
    """Characters: of a text, of each text of a list, of all texts inside a mapping together."""
    properties: tuple["Field", ...] = ()
    """The declared names inside a mapping."""


@dataclass(frozen=True, eq=False)
class Contract:
    """The shape of cleaned rows of one kind: record, interaction or consent."""

    name: str
    version: str
    schema: pa.DataFrameSchema
    conditions: tuple[Mapping[str, Any], ...] = ()
    """JSON Schema terms for what the schema's checks over several fields say."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the order of the columns."""
        return tuple(column.metadata[METADATA_KEY] for column in self.schema.columns.values())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def description(self) -> str:
        """What a row of the contract is."""
        return str(self.schema.description)

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            KeyError: the contract has no such field.
        """
        return self._by_name[name]

    def find(self, name: str) -> Field | None:
        """The field of that name, or None."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}
