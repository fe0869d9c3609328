"""Validates a frame of cleaned rows against a contract and says, row by row, all that is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
import pandera.errors

from customer_profiles.contracts.contract import Contract
from customer_profiles.contracts.values import Reason, is_empty, reason_finder
from customer_profiles.errors import CustomerProfilesError


class ContractError(CustomerProfilesError):
    """A frame does not have the columns of its contract."""


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """One thing wrong with one row."""

    row: int
    """The position of the row in the frame, from 0."""
    field: str
    """The field at fault, or the empty text when it is about several."""
    reason: str
    """A sentence that names the field and never holds its value."""


def failures(contract: Contract, frame: pd.DataFrame) -> tuple[Failure, ...]:
    """Everything wrong with the rows of a frame, ordered by row.

    Args:
        contract: what each row must be.
        frame: one row a cleaned record, interaction or statement, with exactly the contract's
            columns; plain Python values.

    Raises:
        ContractError: the frame lacks a column or has one too many.
    """
    _check_columns(contract, frame)
    rows = frame.reset_index(drop=True)
    try:
        contract.schema.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        found = {
            _failure(
                contract,
                rows,
                int(case["index"]),
                str(case["schema_context"]),
                case["column"],
                str(case["check"]),
            )
            for case in cases.to_dict("records")
        }
        return tuple(sorted(found))
    return ()


def _check_columns(contract: Contract, frame: pd.DataFrame) -> None:
    # Not left to pandera: the text of its errors holds the values of the rows.
    missing = [name for name in contract.names if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in contract.names]
    if missing or unknown:
        raise ContractError(
            f"a frame of the contract {contract.name} "
            + " and ".join(
                f"{what} {', '.join(names)}"
                for what, names in (("lacks", missing), ("has the unknown", unknown))
                if names
            )
            + f": build it with exactly the columns of {contract.name.upper()}.names"
        )


def _failure(
    contract: Contract, rows: pd.DataFrame, row: int, context: str, column: str, check: str
) -> Failure:
    if context != "Column":
        return Failure(row, "", check)
    cell = rows[column].iat[row]
    if is_empty(cell) or cell == "":
        return Failure(row, column, f"{column} is missing")
    return Failure(row, column, f"{column} {_finder(contract, column)(cell)}")


@cache
def _finder(contract: Contract, name: str) -> Callable[[Any], Reason]:
    return reason_finder(contract.field(name))
