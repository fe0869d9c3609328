"""Rules over several parts of the settings: what is named in one place must exist in another."""

from collections.abc import Iterable, Iterator

from customer_profiles.contracts import RECORD
from customer_profiles.settings.errors import Key
from customer_profiles.settings.feed_checks import check_feed
from customer_profiles.settings.finding import Finding
from customer_profiles.settings.mapping import Nested
from customer_profiles.settings.model import Settings
from customer_profiles.settings.nearest import nearest

_EXTRA = "extra."


def check(settings: Settings) -> Iterator[Finding]:
    """Everything in the settings that does not fit together."""
    for source, name, feed in settings.feeds():
        yield from check_feed(settings, ("sources", source), name, feed)
    for name in settings.traits:
        yield from _check_trait(settings, name)
    yield from _check_windows(settings)
    yield from _known_purposes(settings, ("serving", "default_purpose"), [settings.serving.default_purpose])
    yield from _check_identity(settings)


def _check_trait(settings: Settings, name: str) -> Iterator[Finding]:
    trait, key = settings.traits[name], ("traits", name)
    if name in RECORD.names:
        yield Finding(
            key, "has the name of a field of records, which is a trait by itself: choose another name"
        )
    attribute = trait.source.removeprefix(_EXTRA)
    if not trait.source.startswith(_EXTRA):
        what = (
            "is a trait by itself: remove it here" if trait.source in RECORD.names else "must be extra.NAME"
        )
        yield Finding((*key, "source"), what)
    elif attribute not in settings.extra_attributes:
        close = nearest(attribute, settings.extra_attributes)
        yield Finding(
            (*key, "source"),
            "names an attribute that no feed has under `extra`",
            _EXTRA + close if close else None,
            about=(("sources",),),
        )
    yield from _known_purposes(settings, (*key, "purposes"), trait.purposes)


def _check_windows(settings: Settings) -> Iterator[Finding]:
    """A property that is counted must be read by some feed, where the settings tell which ones are."""
    mapped = [feed.fields.get("properties") for _, _, feed in settings.feeds("interaction")]
    named = [one for one in mapped if one is not None]
    if not all(isinstance(one, Nested) for one in named):
        return
    known = sorted({name for one in named if isinstance(one, Nested) for name in one.parts})
    for name in settings.windows.properties:
        if name not in known:
            yield Finding(
                ("windows", "properties"),
                f"names {name}, which no feed has under `properties`",
                nearest(name, known),
                about=(("sources",),),
            )


def _known_purposes(settings: Settings, key: Key, names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        if name not in settings.purposes:
            close = nearest(name, settings.purposes)
            yield Finding(
                key, f"names {name}, which is not among the purposes", close, about=(("purposes", name),)
            )


def _check_identity(settings: Settings) -> Iterator[Finding]:
    identity = settings.identity
    for kind in identity.generic_values:
        if kind not in identity.identifiers:
            yield Finding(
                ("identity", "generic_values", kind),
                "is not among identity.identifiers",
                nearest(kind, identity.identifiers),
                about=(("identity", "identifiers", kind),),
            )
    if identity.review_floor > identity.edge_threshold:
        yield Finding(
            ("identity", "review_floor"),
            "must not be above edge_threshold",
            about=(("identity", "edge_threshold"),),
        )
