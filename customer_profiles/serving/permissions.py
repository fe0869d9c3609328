"""Which parts of a profile a purpose may see, by what each part's source fields declare. Pure."""

from collections.abc import Iterable, Mapping

from customer_profiles.contracts.contract import Field
from customer_profiles.contracts.interaction import CATEGORY, INTERACTION, MATTER_ID, SENTIMENT, STATUS, TOPIC
from customer_profiles.marts.rules import Rule
from customer_profiles.marts.survivorship import TraitSpec
from customer_profiles.marts.windows import Measure

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


def purposes_of(
    traits: Mapping[str, TraitSpec], rules: Iterable[Rule], purposes: Iterable[str]
) -> dict[str, frozenset[str]]:
    """The purposes each part of a profile may serve.

    A part that is made of others may serve what all of them may: a segment over the birth date tells of the
    birth date.

    Args:
        traits: The traits there are.
        rules: The segments' rules.
        purposes: The declared purposes.

    Returns:
        By name: traits, sections of the profile, and segments as `segments.<name>`.
    """
    parts = {name: frozenset(spec.purposes) for name, spec in traits.items()}
    for name, fields in _SECTIONS.items():
        parts[name] = frozenset.intersection(*(frozenset(field.purposes) for field in fields))
        if "." in name:
            parts[name] &= parts[name.split(".")[0]]
    every = frozenset(purposes)
    for rule in rules:
        used = [frozenset(spec.purposes) for spec in rule.traits]
        for fact in rule.facts:
            used.append(parts["windows"])
            if fact.measure == Measure.VALUE:
                used.append(parts["windows.values"])
        parts[f"segments.{rule.segment}"] = frozenset.intersection(every, *used)
    return parts
