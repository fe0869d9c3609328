"""Survivorship: which of several records' values is a customer's trait, and which lost. Pure.

The record whose source is trusted most speaks first; among equals the one observed last; then the one that
arrived first. Given and family name go together, and so do the lines of an address, so that no customer gets
one record's street in another record's city.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.state.schema import to_json

TOGETHER: tuple[tuple[str, ...], ...] = (("given_name", "family_name"), ("address_line", "city", "postcode"))
"""Traits that are one thing in several fields."""
_GROUPED = frozenset(name for group in TOGETHER for name in group)
_EMPTY = (str, list, dict)
"""Values of these types say nothing when they are empty; 0 and false do."""


@dataclass(frozen=True, slots=True)
class TraitSpec:
    """What a trait is and where records hold it.

    Attributes:
        name: The trait's name.
        path: Field of the record, then the key inside it for fields that are mappings: ("extra", "tier").
        description: For people.
        data_class: Class of personal data.
        purposes: The purposes it may serve.
        retention: How long it may be kept.
        many: Whether it is an ordered list of all values rather than the one that survives.
        number: Whether segments compare it as a number.
    """

    name: str
    path: tuple[str, ...]
    description: str
    data_class: DataClass
    purposes: tuple[str, ...]
    retention: Retention
    many: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class RecordView:
    """A live record: its fields as plain values, and when they were observed (micros)."""

    record_no: int
    source: str
    observed_at: int
    fields: dict[str, Any] = field(hash=False)


_Said = dict[str, Any]
"""What a record says, by name of the trait."""


class Observed(NamedTuple):
    """A value, the record it comes from and when that record was observed."""

    value: Any
    source: str
    record_no: int
    observed_at: int


@dataclass(frozen=True)
class Trait:
    """A fact about a customer with its provenance.

    Attributes:
        name: Name of the trait.
        value: A plain value, or the list of all values of a trait that has many.
        source, record_no, observed_at: Where the value (of a list: its first) comes from.
        losing: The values that lost, best first. Of a list: its values one by one with where each comes from.
    """

    name: str
    value: Any
    source: str
    record_no: int
    observed_at: int
    losing: tuple[Observed, ...] = ()


def fold_traits(
    records: Sequence[RecordView], specs: Sequence[TraitSpec], trust: Mapping[str, int]
) -> tuple[Trait, ...]:
    """Fold a customer's records into its traits.

    Args:
        records: The customer's live records, in any order.
        specs: The traits to look for.
        trust: Trust of each source; an unknown source has none.

    Returns:
        The traits that have a value, by name.
    """
    ranked = sorted(records, key=lambda one: (-trust.get(one.source, 0), -one.observed_at, -one.record_no))
    by_field = _by_field(tuple(specs))
    spoken = [(record, said) for record in ranked if (said := _said(record, by_field))]
    survivors: dict[str, Observed] = {}
    for group in TOGETHER:
        survivors.update(_survivors_together(spoken, group))
    distinct = _distinct(spoken, frozenset(spec.name for spec in specs if spec.many))
    traits = []
    for spec in specs:
        seen = list(distinct.get(spec.name, {}).values())
        if not seen:
            continue
        if spec.many:
            first = seen[0]
            values = [one.value for one in seen]
            traits.append(
                Trait(spec.name, values, first.source, first.record_no, first.observed_at, tuple(seen))
            )
            continue
        won = survivors.get(spec.name) if spec.name in _GROUPED else seen[0]
        if won is not None:
            lost = () if len(seen) == 1 else tuple(one for one in seen if not _same(one.value, won.value))
            traits.append(Trait(spec.name, won.value, won.source, won.record_no, won.observed_at, lost))
    return tuple(sorted(traits, key=lambda one: one.name))


@lru_cache
def _by_field(specs: tuple[TraitSpec, ...]) -> Mapping[str, list[TraitSpec]]:
    """The traits that are found in each field."""
    found: dict[str, list[TraitSpec]] = {}
    for spec in specs:
        found.setdefault(spec.path[0], []).append(spec)
    return found


def _said(record: RecordView, by_field: Mapping[str, Sequence[TraitSpec]]) -> _Said:
    """What a record says, by trait: most records say little, so it is asked once for what it says."""
    said: _Said = {}
    for field_, value in record.fields.items():
        if _is_empty(value):
            continue
        for spec in by_field.get(field_, ()):
            inside = value
            for step in spec.path[1:]:
                inside = inside.get(step) if isinstance(inside, dict) else None
            if not _is_empty(inside):
                said[spec.name] = inside
    return said


def _is_empty(value: Any) -> bool:
    return not value and (value is None or isinstance(value, _EMPTY))


def _distinct(
    spoken: Sequence[tuple[RecordView, _Said]], many: Collection[str]
) -> Mapping[str, Mapping[Any, Observed]]:
    """The distinct values of each trait, best first; a value that several hold stands with the best of them."""
    distinct: dict[str, dict[Any, Observed]] = {}
    for record, said in spoken:
        for name, value in said.items():
            seen = distinct.setdefault(name, {})
            for one in value if name in many and isinstance(value, list) else (value,):
                key = _key(one)
                if key not in seen:
                    seen[key] = Observed(one, record.source, record.record_no, record.observed_at)
    return distinct


def _survivors_together(
    spoken: Sequence[tuple[RecordView, _Said]], group: Sequence[str]
) -> dict[str, Observed]:
    """The best record's values, completed from the next ones that agree with it where both speak."""
    held: dict[str, Observed] = {}
    for record, everything in spoken:
        said = {name: everything[name] for name in group if name in everything}
        shared = said.keys() & held.keys()
        if held and not (shared and all(_same(said[name], held[name].value) for name in shared)):
            continue
        for name, value in said.items():
            held.setdefault(name, Observed(value, record.source, record.record_no, record.observed_at))
    return held


def _same(left: Any, right: Any) -> bool:
    return bool(_key(left) == _key(right))


def _key(value: Any) -> Any:
    """Equal for values that are the same: texts whatever their case, others of one type."""
    if isinstance(value, str):
        return value.casefold()
    return type(value), to_json(value) if isinstance(value, (list, dict)) else value
