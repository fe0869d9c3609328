"""Which parts of a profile a purpose may see, by what each part's source fields declare. Pure."""

from collections.abc import Iterable, Mapping

from customer_profiles.contracts.contract import Field
from customer_profiles.contracts.interaction import CATEGORY, INTERACTION, MATTER_ID, SENTIMENT, STATUS, TOPIC
from customer_profiles.marts.facts import Measure
from customer_profiles.marts.rules import Rule
from customer_profiles.marts.survivorship import TraitSpec

_TYPE, _CHANNEL, _AT = (INTERACTION.field(name) for name in ("type", "channel", "occurred_at"))
_VALUE, _CURRENCY = (INTERACTION.field(name) for name in ("value", "currency"))

_SECTIONS: Mapping[str, tuple[Field, ...]] = {
    "windows": (_TYPE, _CHANNEL, _AT),
    "windows.values": (_VALUE, _CURRENCY),
    "purchases": (_TYPE, _AT, _VALUE, _CURRENCY),
    "purchases.favourite_categories": (CATEGORY,),
    "channels": (_CHANNEL, _AT),
    "open_matters": (STATUS, _AT),
    "open_matters.matter_id": (MATTER_ID,),
    "open_matters.topic": (TOPIC,),
    "open_matters.sentiment": (SENTIMENT,),
    "open_matters.channel": (_CHANNEL,),
}
"""The parts of a profile that interactions make, and the fields they are made of; a dot: inside another."""


def window_part(of: str) -> str:
    """The part of a profile that a counted property is: of its name, or of `name=value`."""
    return f"windows.{of.partition('=')[0]}"


def _property(name: str) -> Field:
    """What the contract says of a property; of one that it does not name, what it says of properties at all."""
    properties = INTERACTION.field("properties")
    return next((field for field in properties.properties if field.name == name), properties)


def purposes_of(
    traits: Mapping[str, TraitSpec],
    rules: Iterable[Rule],
    properties: Iterable[str],
    purposes: Iterable[str],
) -> dict[str, frozenset[str]]:
    """The purposes each part of a profile may serve.

    A part that is made of others may serve what all of them may: a segment over the birth date tells of the
    birth date.

    Args:
        traits: The traits there are.
        rules: The segments' rules.
        properties: The properties of interactions that are counted by themselves.
        purposes: The declared purposes.

    Returns:
        By name: traits, sections of the profile, counted properties as `windows.<property>`, and segments as
        `segments.<name>`.
    """
    parts = {name: frozenset(spec.purposes) for name, spec in traits.items()}
    for name, fields in _SECTIONS.items():
        parts[name] = frozenset.intersection(*(frozenset(field.purposes) for field in fields))
        if "." in name:
            parts[name] &= parts[name.split(".")[0]]
    for name in properties:
        parts[window_part(name)] = parts["windows"] & frozenset(_property(name).purposes)
    every = frozenset(purposes)
    for rule in rules:
        used = [frozenset(spec.purposes) for spec in rule.traits]
        for fact in rule.facts:
            used.append(parts["windows"])
            if fact.measure == Measure.VALUE:
                used.append(parts["windows.values"])
            if fact.of_property:
                used.append(parts[window_part(fact.of_property)])
        parts[f"segments.{rule.segment}"] = frozenset.intersection(every, *used)
    return parts
