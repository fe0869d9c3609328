"""A profile as it leaves the house: frozen, and holding only what its purpose may see."""

from dataclasses import asdict, dataclass
from typing import Any

from customer_profiles.marts.channels import ChannelUse
from customer_profiles.marts.windows import WindowTotals


@dataclass(frozen=True, slots=True)
class ServedField:
    """A trait with its provenance.

    Attributes:
        name: Name of the trait.
        value: A plain value, or the list of all values, best first.
        source: The source it comes from; of a list, its first value.
        observed_at: When that source's record was observed, micros.
        data_class: Class of personal data.
    """

    name: str
    value: Any
    source: str
    observed_at: int
    data_class: str


@dataclass(frozen=True, slots=True)
class ServedPurchases:
    """What the customer has bought; see :class:`~customer_profiles.marts.purchases.PurchaseHistory`."""

    count: int
    values: tuple[tuple[str, int], ...]
    last_at: int | None
    favourite_categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedMatter:
    """A support matter in which somebody waits; what is unknown or withheld is None."""

    matter_id: str | None
    status: str | None
    topic: str | None
    sentiment: str | None
    channel: str | None
    opened_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class ServedSegment:
    """A segment the customer is in, and since when (micros)."""

    name: str
    since: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """A field that was not given: its name, and why as a code and a sentence.

    Everything that the purpose may not see is listed, whether the customer has it or not: that a value exists
    is itself something to withhold.
    """

    name: str
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ServedProfile:
    """One customer for one purpose.

    Attributes:
        customer_id: The customer's ID (a UUID).
        purpose: The purpose it was asked for.
        allowed: Whether the purpose may use this customer's data at all.
        reason: Why, as a code of :class:`~customer_profiles.consent.decision.Reason`.
        sentence: Why, as a sentence.
        read_at: When it was read, micros; windows end there.
        version: Version of the profile's traits and segments.
        records: How many records it was folded from; None when the purpose is not allowed.
        fields: Traits.
        windows: What the customer did, by window, type and channel, and by each property that is counted.
        purchases: What it bought; None when withheld.
        channels: The channels it uses, the one used most first.
        open_matters: Support matters in which somebody waits.
        segments: Segments it is in.
        withheld: What was not given, and why.
    """

    customer_id: str
    purpose: str
    allowed: bool
    reason: str
    sentence: str
    read_at: int
    version: int
    records: int | None = None
    fields: tuple[ServedField, ...] = ()
    windows: tuple[WindowTotals, ...] = ()
    purchases: ServedPurchases | None = None
    channels: tuple[ChannelUse, ...] = ()
    open_matters: tuple[ServedMatter, ...] = ()
    segments: tuple[ServedSegment, ...] = ()
    withheld: tuple[Withheld, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The profile as plain values for JSON; amounts of money become objects by currency."""
        plain = asdict(self)
        for window in plain["windows"]:
            window["values"] = dict(window["values"])
        if plain["purchases"] is not None:
            plain["purchases"]["values"] = dict(plain["purchases"]["values"])
        return plain

    def field(self, name: str) -> ServedField | None:
        """The trait of that name, when it was given."""
        return next((one for one in self.fields if one.name == name), None)
