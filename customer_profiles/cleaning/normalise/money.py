"""Money: decimal amounts to whole minor units, exactly."""

import re
from decimal import Decimal, InvalidOperation

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason
from customer_profiles.contracts.currencies import MINOR_UNIT_DECIMALS

_SIGNS = {"£": "GBP", "€": "EUR", "$": "USD", "¥": "JPY"}
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_LARGEST = 2**53


def currency(value: object) -> str | Reason | None:
    """A currency code of ISO 4217 in capitals; the signs £, € and $ are understood."""
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    code = _SIGNS.get(found, found.upper())
    return code if code in MINOR_UNIT_DECIMALS else Reason.BAD_CURRENCY


def decimals_scale(currency: str) -> int:
    """What makes minor units of an amount in the major unit of a currency: 100 for GBP, 1 for JPY, 1000 for KWD."""
    return int(10 ** MINOR_UNIT_DECIMALS.get(currency, 2))


def minor_units(value: object, scale: int = 1) -> int | Reason | None:
    """An amount in minor units, exactly: never rounded.

    Args:
        value: A number, or text such as 12.50, £12.50 or 1,234.50.
        scale: Minor units in one of what the source counts: 100 where it counts pounds, 1 where it counts pence.

    Returns:
        The amount, or the reason: bad amount for words and for a part of a minor unit, wrong type for what is neither
        number nor text.
    """
    if value is None or value == "":
        return None
    kind = value.__class__
    if kind is int:
        amount = Decimal(int(value))  # type: ignore[call-overload]
    elif isinstance(value, Decimal):
        amount = value
    elif kind is float:
        # repr is the shortest text that means this float: what the source wrote, not its binary neighbour.
        amount = Decimal(repr(value))
    elif isinstance(value, str):
        written = value.strip().lstrip("£€$¥").strip()
        try:
            amount = Decimal(written.replace(",", "") if _GROUPED.fullmatch(written) else written)
        except InvalidOperation:
            return Reason.BAD_AMOUNT
    else:
        return Reason.WRONG_TYPE
    if not amount.is_finite() or (amount and amount.adjusted() > 18):
        return Reason.BAD_AMOUNT
    units = amount * scale
    return int(units) if units == int(units) and abs(units) < _LARGEST else Reason.BAD_AMOUNT
