"""How records are linked to customers. What the numbers mean is told by the identity rules."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from customer_profiles.settings.base import AnchoredPath, Name, Part


class Joins(StrEnum):
    """What a shared value of an identifier does."""

    ALWAYS = "always"
    UNLESS_NAMES_CONFLICT = "unless_names_conflict"
    EVIDENCE = "evidence"


class IdentifierSettings(Part):
    """One kind of identifier."""

    joins: Joins = Joins.EVIDENCE
    """Whether a shared value makes one customer: always, unless_names_conflict, or as evidence only."""
    cap: int = Field(5, ge=1)
    """A value that more live records hold than this is a hub, and counts as empty."""
    weight: float = Field(10.0, gt=0)
    """Weight of the edge between two holders, in bits."""
    exclusive: bool = False
    """Whether a customer can have only one value, so that two different ones keep records apart."""
    single_login: bool = False
    """Whether a value seen with two different user IDs is a hub."""


DEFAULT_IDENTIFIERS: Mapping[str, IdentifierSettings] = {
    "user_id": IdentifierSettings(joins=Joins.ALWAYS, cap=20, weight=20),
    "email": IdentifierSettings(joins=Joins.UNLESS_NAMES_CONFLICT, cap=5, weight=12),
    "phone": IdentifierSettings(joins=Joins.UNLESS_NAMES_CONFLICT, cap=5, weight=9),
    "anonymous_id": IdentifierSettings(joins=Joins.ALWAYS, cap=20, weight=14, single_login=True),
    "social_handle": IdentifierSettings(joins=Joins.UNLESS_NAMES_CONFLICT, cap=5, weight=12),
    "device_id": IdentifierSettings(joins=Joins.EVIDENCE, cap=5),
}

_GENERIC_MAILBOXES = (
    "abuse admin billing contact customerservice donotreply enquiries hello help hr info invoices jobs "
    "mail marketing no-reply nobody none noreply null office orders postmaster root sales support team "
    "test webmaster"
)
DEFAULT_GENERIC_VALUES: Mapping[str, tuple[str, ...]] = {
    "email": tuple(f"{mailbox}@*" for mailbox in _GENERIC_MAILBOXES.split()),
    "phone": ("+*0000000", "+*1111111", "+*9999999", "+*1234567"),
    "user_id": ("0", "null", "none", "undefined", "unknown", "anonymous", "guest", "test"),
    "anonymous_id": ("0", "null", "none", "undefined", "00000000-0000-0000-0000-000000000000"),
    "device_id": ("0", "null", "none", "undefined", "00000000-0000-0000-0000-000000000000"),
}


def _over_defaults(given: Mapping[str, IdentifierSettings]) -> Mapping[str, IdentifierSettings]:
    merged = dict(DEFAULT_IDENTIFIERS)
    for kind, settings in given.items():
        default = DEFAULT_IDENTIFIERS.get(kind, IdentifierSettings())
        changed: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
        merged[kind] = default.model_copy(update=changed)
    return merged


def _generic_over_defaults(given: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return {**DEFAULT_GENERIC_VALUES, **given}


class Comparison(StrEnum):
    """What two records are compared by."""

    NAME = "name"
    BIRTH_DATE = "birth_date"
    POSTCODE = "postcode"
    CITY = "city"
    ADDRESS_LINE = "address_line"
    EMAILS = "emails"
    PHONES = "phones"
    DEVICES = "devices"
    """What records were seen with: identifiers that are evidence only, each kind by itself."""
    EXTRA = "extra"
    """Every extra attribute by itself."""


class Training(Part):
    """How the model is trained."""

    min_records: int = Field(2000, ge=0)
    """With fewer records the priors that ship with the package serve."""
    seed: int = 1
    """Seed of the random pairs."""


class IdentitySettings(Part):
    """Which records are the same person."""

    identifiers: Annotated[Mapping[Name, IdentifierSettings], AfterValidator(_over_defaults)] = Field(
        {}, validate_default=True
    )
    """Kinds of identifiers; what is given is laid over the defaults."""
    generic_values: Annotated[Mapping[str, tuple[str, ...]], AfterValidator(_generic_over_defaults)] = Field(
        {}, validate_default=True
    )
    """By kind, patterns of values that name nobody (`info@*`); a list replaces the default of its kind."""
    blocking_cap: int = Field(50, ge=2)
    """A blocking key that more live records hold than this is dead."""
    edge_threshold: float = 0.0
    """T1: edges of at least this weight are stored, in bits."""
    cluster_threshold: float = 0.5
    """t: how well two sides must hang together, in bits."""
    missing_edge: float = -8.0
    """Weight of a pair without an edge, in bits."""
    strongest_share: float = Field(0.5, ge=0, le=1)
    """Share of the strongest edge, against the mean of all pairs, in how two sides hang together."""
    review_floor: float = -4.0
    """Pairs from here up to `edge_threshold` go to review, in bits."""
    largest_cluster_alarm: int = Field(65, ge=2)
    """A customer of more records than this raises an alarm."""
    region_alarm: int = Field(50_000, ge=1, exclude=True)
    """A batch that had more records than this clustered again raises an alarm; no part of what the graph depends on."""
    training: Training = Training()
    """How the model is trained."""
    comparisons: tuple[Comparison, ...] = tuple(Comparison)
    """What two records are compared by."""
    truth: AnchoredPath | None = None
    """Where it is known who is whom: a Parquet file of source, source_key, person; for checks alone."""
