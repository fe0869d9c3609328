"""Turns a `Field` into its pandera column: how every contract's definition is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa

from customer_profiles.contracts.contract import METADATA_KEY, Field
from customer_profiles.contracts.values import Reason, is_empty, reason_finder


def column(field: Field) -> pa.Column:
    """A pandera column that checks the field's values and keeps the field in its metadata.

    Cells are plain Python values (dtype object); None, NaN and NA are empty.
    """
    find = reason_finder(field)

    def right(cells: pd.Series[Any]) -> pd.Series[bool]:
        return pd.Series(_right(cells.tolist(), find), cells.index, dtype=bool)

    def present(cells: pd.Series[Any]) -> pd.Series[bool]:
        return pd.Series(
            [not is_empty(cell) and cell != "" for cell in cells.tolist()], cells.index, dtype=bool
        )

    checks = [pa.Check(right, name="right", error=f"{field.name} is not right", ignore_na=False)]
    if field.required:
        checks.append(pa.Check(present, name="present", error=f"{field.name} is missing", ignore_na=False))
    return pa.Column(
        checks=checks,
        # pandera's own null check would copy every column; `present` says it for the few that must be there.
        nullable=True,
        required=True,
        description=field.description,
        metadata={METADATA_KEY: field},
    )


def _right(cells: list[Any], find: Callable[[Any], Reason]) -> list[bool]:
    try:
        # Names, cities and countries repeat: each different text is looked at once.
        different = set(cells)
    except TypeError:
        return [cell is None or find(cell) is None or is_empty(cell) for cell in cells]
    if any(cell is not None and cell.__class__ is not str for cell in different):
        # Equal numbers of different types (1, 1.0, True) are one to a set, but not to a check.
        return [cell is None or find(cell) is None or is_empty(cell) for cell in cells]
    wrong = {cell for cell in different if cell is not None and find(cell) is not None}
    return [cell not in wrong for cell in cells] if wrong else [True] * len(cells)
