"""The unified schema: cleaned records, interactions and consent statements, and what each field may serve.

One pandera definition a contract; JSON Schema and Dagster's table schemas are generated from it.
Knows no source and no store.
"""

from collections.abc import Mapping

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.contracts.consent import CONSENT
from customer_profiles.contracts.contract import Contract, Field, FieldType
from customer_profiles.contracts.interaction import CONVERSATION, INTERACTION, PURCHASE, InteractionKind
from customer_profiles.contracts.record import RECORD
from customer_profiles.contracts.statement import Choice
from customer_profiles.contracts.validation import Failure, failures

CONTRACTS: Mapping[str, Contract] = {contract.name: contract for contract in (RECORD, INTERACTION, CONSENT)}
"""Every contract by its name."""

__all__ = [
    "CONSENT",
    "CONTRACTS",
    "CONVERSATION",
    "INTERACTION",
    "PURCHASE",
    "RECORD",
    "Choice",
    "Contract",
    "DataClass",
    "Failure",
    "Field",
    "FieldType",
    "InteractionKind",
    "Retention",
    "failures",
]
