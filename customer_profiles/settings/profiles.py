"""What goes out: traits, segments, purposes, the SLA, and how profiles are served."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from customer_profiles.contracts.classes import DataClass
from customer_profiles.settings.base import Duration, Part


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
