"""The parts of a consent statement that the contracts record and consent share."""

from enum import StrEnum

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.contracts.contract import Field, FieldType


class Choice(StrEnum):
    """What a person said about one purpose."""

    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


PROOF_KEPT = Retention("P6Y")
"""That consent was given must be provable (GDPR article 7(1)) as long as it may be disputed."""

PURPOSE = Field(
    "purpose",
    FieldType.TEXT,
    "The purpose the statement is about, by its name in the settings.",
    DataClass.BEHAVIOURAL,
    (),
    PROOF_KEPT,
    required=True,
    max_length=100,
)
CHOICE = Field(
    "choice",
    FieldType.TEXT,
    "What the person chose.",
    DataClass.BEHAVIOURAL,
    (),
    PROOF_KEPT,
    required=True,
    values=tuple(Choice),
    max_length=20,
)
STATED_AT = Field(
    "stated_at",
    FieldType.MICROS,
    "When the person said so, where the source knows it.",
    DataClass.BEHAVIOURAL,
    (),
    PROOF_KEPT,
)
