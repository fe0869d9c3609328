"""Which traits there are: the contract's fields by themselves, and declared extra attributes. Pure."""

from collections.abc import Mapping

from customer_profiles.contracts.classes import Retention
from customer_profiles.contracts.record import RECORD
from customer_profiles.marts.survivorship import TraitSpec
from customer_profiles.settings import Nested, Settings

_FIELDS = (
    "given_name",
    "family_name",
    "full_name",
    "emails",
    "phones",
    "birth_date",
    "address_line",
    "city",
    "region",
    "postcode",
    "country",
    "language",
)


def trait_specs(settings: Settings) -> Mapping[str, TraitSpec]:
    """The traits by name.

    A preference is the trait `preference_<name>`, an identifier in another system `external_<kind>`, both for
    every name that some feed maps. An extra attribute is a trait only where the settings declare it: nobody
    else could say what it may be used for.
    """
    specs = {
        name: TraitSpec(
            name,
            (name,),
            field.description,
            field.data_class,
            field.purposes,
            field.retention,
            field.many,
        )
        for name in _FIELDS
        for field in (RECORD.field(name),)
    }
    for field_name, prefix, many in (
        ("preferences", "preference", False),
        ("external_ids", "external", True),
    ):
        field = RECORD.field(field_name)
        for inner in _mapped_names(settings, field_name):
            name = f"{prefix}_{inner}"
            specs[name] = TraitSpec(
                name,
                (field_name, inner),
                f"{field.description.split(',')[0].rstrip('.')}: {inner}.",
                field.data_class,
                field.purposes,
                field.retention,
                many,
            )
    for name, declared in settings.traits.items():
        specs[name] = TraitSpec(
            name,
            tuple(declared.source.split(".")),
            declared.description,
            declared.data_class,
            declared.purposes,
            Retention(declared.retention),
            number=declared.type == "number",
        )
    return dict(sorted(specs.items()))


def _mapped_names(settings: Settings, field: str) -> list[str]:
    names: set[str] = set()
    for _, _, feed in settings.feeds("record"):
        mapping = feed.fields.get(field)
        if isinstance(mapping, Nested):
            names |= mapping.parts.keys()
    return sorted(names)
