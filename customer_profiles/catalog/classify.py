"""The personal-data class of a column: from the field it is mapped to, else guessed from its name and the form of its values."""

import re
from collections.abc import Iterator

from customer_profiles.contracts import CONTRACTS
from customer_profiles.contracts.classes import DataClass
from customer_profiles.settings import Feed, FieldMapping, Nested, Settings, columns_of

_HARM = tuple(DataClass)
"""From harmless to harmful, as the classes are declared."""
_BY_NAME: tuple[tuple[str, DataClass], ...] = (
    (r"^(message|event|order|ticket|chat|group|session|product|transaction|statement|campaign)_?(id|no|number)$",
     DataClass.PSEUDONYM),
    (r"passw|secret|token|ssn|national_?id|passport|health|religio|ethnic|diagnos|note|comment|remark|message|text|body",
     DataClass.SENSITIVE),
    (r"iban|card|account_?number|amount|total|price|salary|income|balance|revenue|payment|invoice|order",
     DataClass.FINANCIAL),
    (r"e?-?mail|phone|mobile|telephone|fax|address|street|post_?code|postal|zip", DataClass.CONTACT),
    (r"(first|last|given|family|full|middle|maiden|user|display|nick)_?name|^name$|surname|handle|log_?in|user_?id"
     r"|customer_?id|contact_?id|member_?id|device|anonymous|cookie|ip_?addr|^ip$|imei|external_?id", DataClass.IDENTIFIER),
    (r"birth|dob|^age$|gender|^sex$|marital|language|locale|country|city|town|county|region|state|nationality|location|title",
     DataClass.DEMOGRAPHIC),
    (r"opt_?in|consent|prefer|visit|click|page|event|session|campaign|category|topic|sentiment|last_?seen|status|tier|points",
     DataClass.BEHAVIOURAL),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), data_class) for pattern, data_class in _BY_NAME)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def mapped_fields(settings: Settings, feed: Feed) -> dict[str, list[tuple[str, DataClass]]]:
    """For each column that a feed reads: the fields it goes into, with their classes."""
    found: dict[str, list[tuple[str, DataClass]]] = {}
    for name, data_class, mapping in _fields(settings, feed):
        for column in columns_of(mapping):
            if (name, data_class) not in found.setdefault(column.column, []):
                found[column.column].append((name, data_class))
    return found


def worst(classes: list[DataClass]) -> DataClass:
    """The most harmful of some classes."""
    return max(classes, key=_HARM.index, default=DataClass.NONE)


def guess(name: str, looks_like_contact: bool) -> DataClass:
    """The class that a column's name and the form of its values suggest.

    Args:
        name: The column, or path.
        looks_like_contact: Whether most of its values have the form of an email address.
    """
    if looks_like_contact:
        return DataClass.CONTACT
    last = _CAMEL.sub("_", name.rsplit(".", 1)[-1]).lower().replace(" ", "_").replace("-", "_")
    for pattern, data_class in _PATTERNS:
        if pattern.search(last):
            return data_class
    return DataClass.NONE


def _fields(settings: Settings, feed: Feed) -> Iterator[tuple[str, DataClass, FieldMapping]]:
    contract = CONTRACTS[feed.contract]
    for name, mapping in feed.fields.items():
        field = contract.field(name)
        declared = {part.name: part.data_class for part in field.properties}
        if isinstance(mapping, Nested):
            for inside, part in mapping.parts.items():
                yield f"{name}.{inside}", declared.get(inside, field.data_class), part
        else:
            yield name, field.data_class, mapping
    by_source = {trait.source: trait.data_class for trait in settings.traits.values()}
    for name, mapping in feed.extra.items():
        yield f"extra.{name}", by_source.get(f"extra.{name}", contract.field("extra").data_class), mapping
