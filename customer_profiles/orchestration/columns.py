"""Dagster's table schemas, from the one place where each column is declared: contract or table."""

from __future__ import annotations

import dagster as dg
import sqlalchemy as sa

from customer_profiles.contracts import Contract


def contract_schema(contract: Contract) -> dg.TableSchema:
    """The columns of a cleaned table, with description and personal-data class."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=field.description,
                constraints=dg.TableColumnConstraints(nullable=not field.required),
                tags={"data_class": field.data_class.value},
            )
            for field in contract.fields
        ]
    )


def table_schema(table: sa.Table) -> dg.TableSchema:
    """The columns of a stored table, with the owner and the personal-data class that each declares."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(
                    nullable=bool(column.nullable), unique=bool(column.unique)
                ),
                tags={
                    "data_class": str(column.info["data_class"]),
                    "owner": str(column.info["owner"]),
                },
            )
            for column in table.columns
        ]
    )
