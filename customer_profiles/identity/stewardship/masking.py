"""Values of a person made unreadable but still comparable by eye: `a•••@e•••.com`, `+44 •••• 01`. Pure.

Whoever looks at two records must see whether they say the same, seldom what they say. Where that is needed, it is
asked for with a reason: `Sight.clear(reason)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from customer_profiles.contracts import RECORD
from customer_profiles.contracts.classes import DataClass
from customer_profiles.errors import CustomerProfilesError

DOTS = "•••"
COMPARED_FIELDS = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "emails",
    "phones",
    "address_line",
    "city",
    "region",
    "postcode",
    "country",
    "external_ids",
    "extra",
)
"""The fields of a record that tell one person from another, in the order in which they are shown."""

_OPEN = {"country", "region", "source"}
_SHORT = 3


class MaskingError(CustomerProfilesError):
    """Values were asked for without saying why."""


@dataclass(frozen=True)
class Sight:
    """How values are shown: masked, or clear and for a reason.

    Attributes:
        reason: Why values are shown in clear; None when they are masked.
    """

    reason: str | None = None

    @classmethod
    def asked(cls, unmask: bool, reason: str | None) -> Sight:
        """What somebody asked for.

        Raises:
            MaskingError: Clear values without a reason.
        """
        if not unmask:
            return cls()
        if not (reason or "").strip():
            raise MaskingError(
                "Values of persons are shown in clear for a reason only: say why, for example "
                '--reason "ticket 4711".'
            )
        return cls(reason)

    @property
    def clear(self) -> bool:
        """Whether values are shown as they are."""
        return self.reason is not None

    def of(self, field: str, value: Any) -> str:
        """The value of a field of a record as it may be shown; nothing stays nothing.

        Args:
            field: The field's name; a kind of identifier or an extra attribute does as well.
            value: Text, a list, or values by name.
        """
        return ", ".join(self._each(field, value))

    def _each(self, field: str, value: Any) -> Iterable[str]:
        if value is None or value == "":
            return
        if isinstance(value, Mapping):
            for name, one in sorted(value.items()):
                for shown in self._each(name, one):
                    yield f"{name}={shown}"
        elif isinstance(value, list | tuple | set | frozenset):
            for one in value:
                yield from self._each(field, one)
        else:
            yield str(value) if self.clear else mask(field, str(value))


def mask(field: str, value: str) -> str:
    """One value made unreadable: what is left of it tells it from most others, and nobody from it.

    Args:
        field: The field's name, a kind of identifier, or an extra attribute; it says what kind of value this is.
        value: The value.
    """
    if field in _OPEN or _class_of(field) is DataClass.NONE:
        return value
    if "@" in value.strip("@"):
        name, _, domain = value.rpartition("@")
        host, dot, top = domain.rpartition(".")
        return f"{_head(name)}@{_head(host)}{dot}{top}" if dot else f"{_head(name)}@{_head(domain)}"
    if field == "birth_date":
        year, dash, rest = value[:4], value[4:5], value[5:]
        return f"{year}-••-••" if year.isdigit() and len(year) == 4 and dash == "-" and rest else DOTS
    if field in ("phones", "phone") or (value.startswith("+") and value[1:].isdigit()):
        return f"{value[:_SHORT]}{DOTS}{value[-2:]}" if len(value) > 2 * _SHORT else DOTS
    if field == "postcode":
        return f"{value[: min(_SHORT, len(value) // 2)].strip()}{DOTS}"
    return " ".join(_head(word) for word in value.split())


def _head(word: str) -> str:
    return f"{word[:1]}{DOTS}" if len(word) >= _SHORT else DOTS


def _class_of(field: str) -> DataClass | None:
    return _CLASSES.get(field)


_CLASSES = {field.name: field.data_class for field in RECORD.fields}
