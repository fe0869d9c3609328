"""The decision whether a purpose may use a customer's data. Pure: no database, no clock, no settings file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from customer_profiles.consent.statements import Statement
from customer_profiles.contracts.statement import Choice


class Reason(StrEnum):
    """Why it was decided so."""

    UNKNOWN_PURPOSE = "unknown_purpose"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    GRANTED = "granted"
    DEFAULT_ALLOW = "default_allow"
    DEFAULT_DENY = "default_deny"


class Purpose(Protocol):
    """The part of a purpose's settings that a decision needs."""

    @property
    def default(self) -> str:
        """What holds while nothing was said: "allow", or anything else for deny."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a purpose is allowed, with the reason as a code and as a sentence."""

    allowed: bool
    purpose: str
    reason: Reason
    sentence: str
    statement: Statement | None = None


def decide(
    statements: Iterable[Statement], purposes: Mapping[str, Purpose], purpose: str, at: int | None = None
) -> Decision:
    """Decide whether one purpose may use the data of one customer.

    The latest statement of each record about the purpose counts (at the same moment, a refusal wins). Any
    refusal or withdrawal among the customer's records denies. When no record has said anything, the purpose's
    default holds. A purpose that nobody declared is denied.

    Args:
        statements: Every statement of every record of the customer, in any order; about other purposes too.
        purposes: The declared purposes by name.
        purpose: The purpose that asks.
        at: Decide as it stood at this moment (micros); None takes everything that was ever received.

    Returns:
        The decision, with the statement that settled it when there is one.
    """
    declared = purposes.get(purpose)
    if declared is None:
        return Decision(
            False, purpose, Reason.UNKNOWN_PURPOSE, "Nobody declared this purpose, so it gets nothing."
        )
    latest = _latest_of_each_record(
        one for one in statements if one.purpose == purpose and (at is None or one.made_at <= at)
    )
    against = [one for one in latest if not one.grants]
    if against:
        last = max(against, key=_order)
        if last.choice == Choice.WITHDRAWN:
            return Decision(False, purpose, Reason.WITHDRAWN, "The customer withdrew consent.", last)
        return Decision(False, purpose, Reason.REFUSED, "The customer refused.", last)
    if latest:
        return Decision(True, purpose, Reason.GRANTED, "The customer gave consent.", max(latest, key=_order))
    if declared.default == "allow":
        return Decision(
            True,
            purpose,
            Reason.DEFAULT_ALLOW,
            "The customer has said nothing; this purpose does not need consent.",
        )
    return Decision(
        False, purpose, Reason.DEFAULT_DENY, "The customer has said nothing, and this purpose needs consent."
    )


def _latest_of_each_record(statements: Iterable[Statement]) -> list[Statement]:
    latest: dict[int, Statement] = {}
    for one in statements:
        held = latest.get(one.record_no)
        if held is None or _order(one) > _order(held):
            latest[one.record_no] = one
    return list(latest.values())


def _order(one: Statement) -> tuple[int, int, bool, bytes]:
    """Later is greater; of two at the same moment the one that does not grant; the key settles the rest."""
    return one.made_at, one.stated_at, not one.grants, one.key
