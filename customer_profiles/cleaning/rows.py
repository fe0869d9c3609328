"""From a row as received to a clean row of its contract, with every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson

from customer_profiles.cleaning.mapping import MajorUnits, Reader, reader
from customer_profiles.cleaning.normalise.country import country
from customer_profiles.cleaning.normalise.date import birth_date
from customer_profiles.cleaning.normalise.email import email
from customer_profiles.cleaning.normalise.language import language
from customer_profiles.cleaning.normalise.moment import moment
from customer_profiles.cleaning.normalise.money import currency, decimals_scale, minor_units
from customer_profiles.cleaning.normalise.name import name
from customer_profiles.cleaning.normalise.phone import phone
from customer_profiles.cleaning.normalise.postcode import postcode
from customer_profiles.cleaning.normalise.text import key, text
from customer_profiles.cleaning.reasons import NOTED, Fault, Reason
from customer_profiles.contracts import CONTRACTS, Contract
from customer_profiles.settings import Feed, Locale

Normaliser = Callable[[Any], Any]
DAY = 86_400_000_000
_KEYS = {"source_key", "record_key", "event_id", "statement_id", "order_id", "matter_id"}


@dataclass(slots=True)
class CleanRow:
    """A row of a contract, or what is wrong with it."""

    values: dict[str, Any]
    """By the contract's fields, all of them."""
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was dropped, as `code:field`."""


class RowCleaner:
    """Cleans the rows of one feed. Pure: what it gives depends on the row, the settings and the day alone."""

    def __init__(self, source: str, feed: Feed, locale: Locale) -> None:
        self.contract: Contract = CONTRACTS[feed.contract]
        self._source = source
        self._locale = locale
        self._today = date(1970, 1, 1)
        self._empty: dict[str, Any] = dict.fromkeys(self.contract.names)
        self._steps: list[tuple[str, Reader, Normaliser]] = []
        for field_name, mapping in feed.fields.items():
            many = self.contract.field(field_name).many or field_name in ("external_ids", "identifiers")
            self._steps.append((field_name, reader(mapping, many), self._normaliser(field_name)))
        self._extra = [(name_, reader(mapping)) for name_, mapping in feed.extra.items()]
        self._money = feed.contract == "interaction"
        self._properties = {
            "order_id": key,
            "matter_id": key,
            "category": text,
            "topic": text,
            "status": text,
            "sentiment": _small,
        }

    def clean(self, payload: Mapping[str, Any], received_at: int) -> CleanRow:
        """Clean one row.

        Args:
            payload: Mapped column to value.
            received_at: When it reached us (micros).
        """
        values = self._empty.copy()
        row = CleanRow(values)
        values["source"] = self._source
        self._now(received_at)
        for field_name, read, normalise in self._steps:
            raw = read(payload)
            if raw is None:
                continue
            value = normalise(raw)
            if value.__class__ is Reason:
                self._fault(row, value, field_name)
            elif value.__class__ is _Several:
                for reason in value.reasons:
                    self._fault(row, reason, field_name)
                values[field_name] = value.values
            else:
                values[field_name] = value
        if self._extra:
            self._add_extra(row, payload)
        if self._money:
            self._settle_money(row)
        if "received_at" in values:
            values["received_at"] = received_at
        if "record_key" in values and values["record_key"] is None:
            values["record_key"] = _key_from(values["identifiers"])
        if "postcode" in values and values["postcode"] is not None:
            # The row's own country decides what a postcode may look like; it may stand after it in the settings.
            values["postcode"] = postcode(values["postcode"], values["country"])
        return row

    @staticmethod
    def _fault(row: CleanRow, reason: Reason, field_name: str) -> None:
        if reason in NOTED:
            row.notes.append(f"{reason.value}:{field_name}")
        else:
            row.faults.append(Fault(reason.value, field_name))

    def _now(self, received_at: int) -> None:
        # It is tomorrow already somewhere east of us.
        self._today = datetime.fromtimestamp((received_at + DAY) / 1_000_000, UTC).date()

    def _normaliser(self, field_name: str) -> Normaliser:
        zone = self._locale.time_zone
        named: dict[str, Normaliser] = {
            "given_name": name,
            "family_name": name,
            "full_name": name,
            "emails": _each(email),
            "phones": _each(self._phone),
            "birth_date": lambda value: birth_date(value, self._today),
            "country": country,
            "language": language,
            "external_ids": self._identifiers,
            "identifiers": self._identifiers,
            "preferences": _attributes,
            "properties": self._properties_of,
            "consent": self._statements,
            "currency": currency,
            "value": lambda value: value,
            "channel": _small,
            "choice": _small,
        }
        if field_name in _KEYS:
            return key
        if field_name.endswith("_at"):
            return lambda value: moment(value, zone)
        return named.get(field_name, text)

    def _phone(self, value: object) -> str | Reason | None:
        # ZZ is libphonenumber's unknown region: only numbers with their country code are understood.
        return phone(value, self._locale.phone_region or "ZZ")

    def _identifiers(self, value: Any) -> Any:
        if value.__class__ is not dict:
            return _opened(value, self._identifiers)
        found: dict[str, list[str]] = {}
        reasons: list[Reason] = []
        for kind, raw in value.items():
            one: Normaliser = {"email": email, "phone": self._phone}.get(kind, key)
            for item in raw if raw.__class__ is list else (raw,):
                clean = one(item)
                if clean.__class__ is Reason:
                    reasons.append(clean)
                elif clean is not None and clean not in found.setdefault(kind, []):
                    found[kind].append(clean)
        found = {kind: sorted(values) for kind, values in found.items() if values}
        return _Several(found or None, reasons) if reasons else found or None

    def _statements(self, value: Any) -> Any:
        if value.__class__ is dict:
            value = [
                {"purpose": purpose, **(said if said.__class__ is dict else {"choice": said})}
                for purpose, said in value.items()
            ]
        if value.__class__ is not list:
            return _opened(value, self._statements)
        statements: list[Any] = []
        reasons: list[Reason] = []
        for said in value:
            if said.__class__ is not dict:
                reasons.append(Reason.WRONG_TYPE)
                continue
            choice, stated_at = (
                _small(said.get("choice")),
                moment(said.get("stated_at"), self._locale.time_zone),
            )
            reasons += [part for part in (choice, stated_at) if isinstance(part, Reason)]
            if choice is not None:
                statement = {"purpose": said.get("purpose"), "choice": choice}
                statements.append(statement if stated_at is None else statement | {"stated_at": stated_at})
        return _Several(None, reasons) if reasons else statements or None

    def _properties_of(self, value: Any) -> Any:
        if value.__class__ is not dict:
            return _opened(value, self._properties_of)
        found: dict[str, Any] = {}
        reasons: list[Reason] = []
        for name_, raw in value.items():
            if raw is None or raw == "":
                continue
            normalise = _json_list if name_ == "lines" else self._properties.get(name_, _plain)
            clean = normalise(raw)
            if clean.__class__ is Reason:
                reasons.append(clean)
            elif clean is not None:
                found[name_] = clean
        return _Several(found or None, reasons) if reasons else found or None

    def _add_extra(self, row: CleanRow, payload: Mapping[str, Any]) -> None:
        extra: dict[str, Any] = {}
        for name_, read in self._extra:
            raw = read(payload)
            value = None if raw is None or raw == "" else _plain(raw)
            if value.__class__ is Reason:
                row.faults.append(Fault(value.value, f"extra.{name_}"))
            elif value is not None:
                extra[name_] = value
        row.values["extra"] = extra or None

    def _settle_money(self, row: CleanRow) -> None:
        values = row.values
        if values["value"] is None and not (values["properties"] and "lines" in values["properties"]):
            return
        code = values["currency"] or self._locale.currency
        if values["value"] is not None:
            values["currency"] = code
            amount = _minor(values["value"], code or "GBP")
            if isinstance(amount, Reason):
                row.faults.append(Fault(amount.value, "value"))
                amount = None
            values["value"] = amount
        if values["properties"] and "lines" in values["properties"]:
            for reason in _settle_lines(values["properties"], code or "GBP"):
                row.faults.append(Fault(reason.value, "properties"))


@dataclass(slots=True)
class _Several:
    """What could be read of a field of many values, and why the rest could not."""

    values: Any
    reasons: list[Reason]


def _each(one: Normaliser) -> Normaliser:
    def normalise(value: Any) -> Any:
        found: list[Any] = []
        reasons: list[Reason] = []
        for item in value if value.__class__ is list else (value,):
            clean = one(item)
            if clean.__class__ is Reason:
                reasons.append(clean)
            elif clean is not None and clean not in found:
                found.append(clean)
        return _Several(found or None, reasons) if reasons else found or None

    return normalise


def _small(value: Any) -> Any:
    found = text(value)
    return found.lower() if found.__class__ is str else found


def _attributes(value: Any) -> Any:
    if value.__class__ is not dict:
        return _opened(value, _attributes)
    found: dict[str, Any] = {}
    for name_, raw in value.items():
        clean = None if raw is None or raw == "" else _plain(raw)
        if clean.__class__ is Reason:
            return clean
        if clean is not None:
            found[name_] = clean
    return found or None


def _opened(value: Any, normalise: Normaliser) -> Any:
    """A nested value that a source keeps as JSON text, or the reason why it is none."""
    if value is None or value == "" or value.__class__ is Reason:
        return value or None
    if isinstance(value, bytes | memoryview):
        return Reason.BAD_ENCODING
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return Reason.WRONG_TYPE
    try:
        opened = orjson.loads(value)
    except orjson.JSONDecodeError:
        return Reason.UNREADABLE_JSON
    return normalise(opened) if isinstance(opened, dict | list) else Reason.WRONG_TYPE


def _json_list(value: Any) -> Any:
    return value if value.__class__ is list else _opened(value, lambda found: found)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: text tidied, dates and exact numbers as text or number."""
    kind = value.__class__
    if kind is str:
        return text(value)
    if kind in (int, bool, dict, list, Reason):
        return value
    if kind is float:
        return value if value - value == 0 else None
    if kind is MajorUnits:
        return _plain(value.amount)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    return text(value)


def _minor(value: Any, code: str) -> int | Reason | None:
    if value.__class__ is MajorUnits:
        return minor_units(value.amount, decimals_scale(code))
    return minor_units(value)


def _settle_lines(properties: dict[str, Any], code: str) -> list[Reason]:
    """Bring the lines of an order to the contract's types, in place."""
    reasons: list[Reason] = []
    lines: list[Any] = []
    for line in properties["lines"]:
        if line.__class__ is not dict:
            reasons.append(Reason.WRONG_TYPE)
            continue
        clean: dict[str, Any] = {}
        for name_, raw in line.items():
            if name_ == "price":
                value: Any = _minor(raw, code)
            else:
                value = text(raw) if name_ in ("product", "name", "category") else raw
            if isinstance(value, Reason):
                reasons.append(value)
            elif value is not None:
                clean[name_] = value
        lines.append(clean)
    properties["lines"] = lines
    return reasons


def _key_from(identifiers: Mapping[str, list[str]] | None) -> str | None:
    """The key of a record that the source gave no key: a visitor is `anonymous:` and the visitor's ID."""
    if not identifiers:
        return None
    for kind in ("user_id", "anonymous_id", *sorted(identifiers)):
        if identifiers.get(kind):
            value = identifiers[kind][0]
            return (
                value if kind == "user_id" else f"{'anonymous' if kind == 'anonymous_id' else kind}:{value}"
            )
    return None
