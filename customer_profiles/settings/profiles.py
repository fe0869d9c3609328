"""What goes out: traits, segments, purposes, the SLA, and how profiles are served."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from customer_profiles.contracts.classes import DataClass
from customer_profiles.settings.base import Duration, Name, Part


class LawfulBasis(StrEnum):
    """Why personal data may be used for a purpose (GDPR article 6(1))."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Purpose(Part):
    """What profiles are used for."""

    description: str
    """What it is, in words for the customer."""
    lawful_basis: LawfulBasis
    """Why that is lawful."""
    default: Literal["allow", "deny"]
    """What holds for a customer who never said anything: deny where the basis is consent, else allow."""

    @model_validator(mode="before")
    @classmethod
    def _default_follows_the_basis(cls, data: Any) -> Any:
        if isinstance(data, dict) and "default" not in data:
            return {**data, "default": "deny" if data.get("lawful_basis") == LawfulBasis.CONSENT else "allow"}
        return data

    @model_validator(mode="after")
    def _consent_is_given_not_assumed(self) -> "Purpose":
        if self.lawful_basis is LawfulBasis.CONSENT and self.default == "allow":
            raise ValueError("rests on consent, which is never assumed: its default must be deny")
        return self


DEFAULT_PURPOSES: Mapping[str, Purpose] = {
    "support": Purpose(
        description="Answering what you ask us, and delivering what you ordered.",
        lawful_basis=LawfulBasis.CONTRACT,
        default="allow",
    ),
    "personalisation": Purpose(
        description="Showing you what fits you.", lawful_basis=LawfulBasis.CONSENT, default="deny"
    ),
    "analytics": Purpose(
        description="Understanding how our services are used.",
        lawful_basis=LawfulBasis.CONSENT,
        default="deny",
    ),
    "marketing": Purpose(
        description="Telling you of our offers.", lawful_basis=LawfulBasis.CONSENT, default="deny"
    ),
}


class Trait(Part):
    """A trait made from an extra attribute. The fields of the contract are traits by themselves."""

    description: str
    """What it says of a customer."""
    source: str
    """The attribute it comes from: `extra.NAME`."""
    type: Literal["text", "number"] = "text"
    """How segments compare it."""
    data_class: DataClass = Field(alias="class")
    """Its class of personal data."""
    purposes: tuple[str, ...]
    """The purposes it may serve."""
    retention: Duration = "P3Y"
    """How long it is kept: an ISO 8601 duration."""


LIFETIME = "lifetime"
"""The window that has no length."""
LONGEST_DAYS = 3_650
"""The longest window that is not the lifetime, in days."""

_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
_LENGTH = re.compile(r"([1-9][0-9]{0,6})([mhd])")


def window_minutes(name: str) -> int | None:
    """The length of a window by its name: 45m, 36h, 14d; None for `lifetime`.

    Raises:
        ValueError: it names no window, or one that is longer than ten years.
    """
    if name == LIFETIME:
        return None
    found = _LENGTH.fullmatch(name)
    if found is None:
        raise ValueError("must be a number of minutes, hours or days, such as 45m, 36h or 90d, or lifetime")
    minutes = int(found[1]) * _MINUTES[found[2]]
    if minutes > LONGEST_DAYS * 24 * 60:
        raise ValueError(f"must be at most {LONGEST_DAYS}d: what is longer is the lifetime")
    return minutes


def _a_window(name: str) -> str:
    window_minutes(name)
    return name


def _each_length_once(names: tuple[str, ...]) -> tuple[str, ...]:
    by_length: dict[int | None, str] = {}
    for name in names:
        other = by_length.setdefault(window_minutes(name), name)
        if other is not name:
            raise ValueError(f"names one length twice: {other} and {name}")
    return names


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("names a property twice")
    return names


class Windows(Part):
    """What is counted of interactions: over which lengths of time, and by which of their properties."""

    lengths: Annotated[
        tuple[Annotated[str, AfterValidator(_a_window)], ...], AfterValidator(_each_length_once)
    ] = ("5m", "1h", "24h", "7d", "30d", LIFETIME)
    """The windows there are: minutes, hours or days, such as 45m, 36h, 90d, and lifetime."""
    properties: Annotated[tuple[Name, ...], AfterValidator(_each_once)] = ()
    """Properties of interactions, such as category, each of whose values is counted by itself too."""


class Segment(Part):
    """A named rule over traits and windows."""

    description: str = ""
    """Who is in it."""
    when: str = Field(min_length=1)
    """An SQL condition over traits and windows."""


class Sla(Part):
    """How fresh profiles must be."""

    seconds: float = Field(60.0, gt=0)
    """The greatest lag from received to served."""


class Serving(Part):
    """How profiles are read."""

    default_purpose: str = "support"
    """The purpose of a read that names none on the command line."""
