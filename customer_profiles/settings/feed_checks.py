"""Rules for one feed: it fits its connector, and its fields fit its contract and the rest of the settings."""

from collections.abc import Iterable, Iterator
from typing import Any

from customer_profiles.contracts import CONTRACTS, Choice, Field, FieldType
from customer_profiles.settings.collector import CollectorConnector
from customer_profiles.settings.errors import Key
from customer_profiles.settings.finding import Finding
from customer_profiles.settings.mapping import Column, Constant, FieldMapping, Nested, Several, columns_of
from customer_profiles.settings.model import Settings
from customer_profiles.settings.nearest import nearest
from customer_profiles.settings.sources import DatabaseConnector, Feed

_MAY_BE_UNMAPPED = ("event_id", "statement_id", "received_at")
"""Fields that, unmapped, the reader fills: from the row's content, and with the time of reading."""
_COLUMN_KEYS = tuple(Column.model_fields)


def check_feed(settings: Settings, source_key: Key, name: str, feed: Feed) -> Iterator[Finding]:
    """Everything about a feed that does not fit."""
    key = (*source_key, "feeds", name)
    yield from _fits_connector(settings, str(source_key[-1]), key, feed)
    yield from _fits_contract(key, feed)
    yield from _says_what_is_unsaid(settings, str(source_key[-1]), key, feed)
    for field_name, mapping in feed.fields.items():
        field = CONTRACTS[feed.contract].find(field_name)
        if field is not None:
            yield from _fits_field(settings, (*key, "fields", field_name), field, mapping)
    for attribute, mapping in feed.extra.items():
        yield from _no_misspelt_column((*key, "extra", attribute), mapping)
        yield from _formats((*key, "extra", attribute), mapping)


def _fits_connector(settings: Settings, source: str, key: Key, feed: Feed) -> Iterator[Finding]:
    database = {"table": bool(feed.table), "key": bool(feed.key), "cursor": bool(feed.cursor)}
    files = {"files": bool(feed.files), "format": bool(feed.format)}
    connector = settings.sources[source].connector
    needed: str | None
    if isinstance(connector, CollectorConnector):
        kind, needed, own, foreign = "collector", None, {}, database | files
    elif isinstance(connector, DatabaseConnector):
        kind, needed, own, foreign = "database", "table", database, files
    else:
        kind, needed, own, foreign = "files", "files", files, database
    about = ((*key[:2], "connector"),)
    if needed is not None and not own[needed]:
        yield Finding((*key, needed), f"is missing: a feed of a {kind} source needs it", about=about)
    for part, given in foreign.items():
        if given:
            yield Finding((*key, part), f"means nothing in a {kind} source: remove it", about=about)
    if kind == "files" and feed.files and feed.file_format is None:
        yield Finding((*key, "format"), "is missing: the ending of the files does not tell it", about=about)


def _fits_contract(key: Key, feed: Feed) -> Iterator[Finding]:
    contract = CONTRACTS[feed.contract]
    mappable = [name for name in contract.names if name not in ("source", "extra")]
    meant = set()
    for name in feed.fields:
        at = (*key, "fields", name)
        if name == "source":
            yield Finding(at, "is filled by the reader: remove it")
        elif name == "extra":
            yield Finding(at, "does not belong here: write `extra` beside `fields`")
        elif name not in mappable:
            close = nearest(name, mappable)
            meant.add(close)
            yield Finding(at, f"is not a field of the contract {contract.name}", close)
    for name in mappable:
        needed = contract.field(name).required and name not in _MAY_BE_UNMAPPED
        if needed and name not in feed.fields and name not in meant:
            yield Finding((*key, "fields", name), f"is missing: the contract {contract.name} needs it")
    if "record_key" in mappable and not {"record_key", "identifiers"} & (feed.fields.keys() | meant):
        yield Finding((*key, "fields"), "name nobody: give record_key or identifiers")
    if feed.extra and contract.name != "record":
        yield Finding((*key, "extra"), "is for records only: map properties instead")
    for attribute in feed.extra:
        if attribute in contract.names:
            yield Finding((*key, "extra", attribute), "has the name of a field: map it under `fields`")


def _says_what_is_unsaid(settings: Settings, source: str, key: Key, feed: Feed) -> Iterator[Finding]:
    locale, fields = settings.locale(source), feed.fields
    about: tuple[Key, ...] = (
        ("defaults",),
        ("sources", source, "phone_region"),
        ("sources", source, "currency"),
    )
    identifiers = fields.get("identifiers")
    phones = "phones" in fields or (isinstance(identifiers, Nested) and "phone" in identifiers.parts)
    if phones and locale.phone_region is None:
        what = "has phone numbers, but neither it nor `defaults` has a phone_region"
        yield Finding(("sources", source), what, about=about[:2])
    if "value" in fields and "currency" not in fields and locale.currency is None:
        what = (
            "is money, but nothing says its currency: map currency, or give one to the source or `defaults`"
        )
        yield Finding((*key, "fields", "value"), what, about=(about[0], about[2]))


def _fits_field(settings: Settings, key: Key, field: Field, mapping: FieldMapping) -> Iterator[Finding]:
    by_name = field.type.keyed or field.type is FieldType.STATEMENT
    if isinstance(mapping, Nested) and not by_name:
        yield from _misspelt_or_foreign(key, mapping, f"is no mapping: give {field.name} a column")
        return
    if isinstance(mapping, Constant) and by_name:
        yield Finding(key, "is a mapping: give a column for each name in it")
        return
    yield from _formats(key, mapping)
    if isinstance(mapping, Nested):
        yield from _fits_names(settings, key, field, mapping)
    elif field.name == "purpose":
        yield from _values_among(key, mapping, settings.purposes, "purposes", ("purposes",))
    elif field.name == "choice":
        yield from _values_among(key, mapping, tuple(Choice), "choices")


def _fits_names(settings: Settings, key: Key, field: Field, mapping: Nested) -> Iterator[Finding]:
    for name, part in mapping.parts.items():
        at = (*key, name)
        if field.type is FieldType.IDENTIFIERS:
            kinds = settings.identity.identifiers
            if field.name == "external_ids" and name in ("email", "phone"):
                yield Finding(at, f"is a field of its own: map {name}s")
            elif name not in kinds:
                about = (("identity", "identifiers", name),)
                yield Finding(at, "is not among identity.identifiers", nearest(name, kinds), about)
            if isinstance(part, Nested):
                yield from _misspelt_or_foreign(at, part, "must be a column or a list of columns")
        elif field.type is FieldType.STATEMENT:
            if name not in settings.purposes:
                close = nearest(name, settings.purposes)
                yield Finding(at, "is not among the purposes", close, (("purposes", name),))
            yield from _fits_choice(at, part)
        else:
            yield from _no_misspelt_column(at, part)


def _fits_choice(key: Key, mapping: FieldMapping) -> Iterator[Finding]:
    if not isinstance(mapping, Nested):
        yield from _values_among(key, mapping, tuple(Choice), "choices")
        return
    for name, part in mapping.parts.items():
        if name == "choice":
            yield from _values_among((*key, name), part, tuple(Choice), "choices")
        elif name != "stated_at":
            right = ("choice", "stated_at", *_COLUMN_KEYS, "value")
            yield Finding((*key, name), "is no part of a statement", nearest(name, right))


def _misspelt_or_foreign(key: Key, mapping: Nested, otherwise: str) -> Iterator[Finding]:
    """A mapping where none may be: a misspelt `column` most likely, or a mapping that does not belong."""
    unknown = [name for name in mapping.parts if name not in _COLUMN_KEYS]
    misspelt = [name for name in unknown if nearest(name, (*_COLUMN_KEYS, "value"))]
    for name in misspelt:
        yield Finding((*key, name), "is an unknown key", nearest(name, (*_COLUMN_KEYS, "value")))
    if not misspelt and mapping.parts:
        yield Finding(key, otherwise)


def _no_misspelt_column(key: Key, mapping: FieldMapping) -> Iterator[Finding]:
    """Where a mapping may be nested, one with `format`, `map` or `scale` is a misspelt column."""
    if isinstance(mapping, Nested):
        if mapping.parts.keys() & {"format", "map", "scale"}:
            yield from _misspelt_or_foreign(key, mapping, "has no column")
        else:
            for name, part in mapping.parts.items():
                yield from _no_misspelt_column((*key, name), part)


def _formats(key: Key, mapping: FieldMapping) -> Iterator[Finding]:
    for column in columns_of(mapping):
        if column.format is not None and "%" not in column.format:
            yield Finding(key, "has a format without a strptime directive, such as %d/%m/%Y")


def _values_among(
    key: Key, mapping: FieldMapping, right: Iterable[str], what: str, defined: Key = ()
) -> Iterator[Finding]:
    names = tuple(right)
    for value in _values(mapping):
        if value is not None and str(value) not in names:
            about = ((*defined, str(value)),) if defined else ()
            yield Finding(
                key, f"gives a value that is not among the {what}", nearest(str(value), names), about
            )


def _values(mapping: FieldMapping) -> Iterator[Any]:
    if isinstance(mapping, Constant):
        yield mapping.value
    elif isinstance(mapping, Column):
        yield from (mapping.map or {}).values()
    elif isinstance(mapping, Several):
        for part in mapping.parts:
            yield from _values(part)
