"""Dagster's table schemas, from the one place where each column is declared: contract, table or mapping."""

from __future__ import annotations

import dagster as dg
import sqlalchemy as sa

from customer_profiles.catalog.classify import guess, mapped_fields, worst
from customer_profiles.catalog.facts import FeedFacts
from customer_profiles.contracts import CONTRACTS, Contract
from customer_profiles.settings import Feed, Settings


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


def read_columns(settings: Settings, feed: Feed) -> dg.TableSchema:
    """The columns of a source that we read: those that the settings map, and those that find and choose its rows.

    Their types are those of the fields they go into: what the source says of them is known only once it was looked at.
    """
    contract, mapped = CONTRACTS[feed.contract], mapped_fields(settings, feed)
    columns = []
    for name in feed.columns:
        fields = mapped.get(name, [])
        types = dict.fromkeys(str(contract.field(field.split(".")[0]).type) for field, _ in fields)
        into = ", ".join(f"{feed.contract}.{field}" for field, _ in fields)
        columns.append(
            dg.TableColumn(
                name=name,
                type=" or ".join(types) or "any",
                description=f"Read into {into}." if into else "Read to find or choose rows, and not kept.",
                tags={
                    "data_class": (
                        worst([found for _, found in fields]) if fields else guess(name, False)
                    ).value
                },
            )
        )
    return dg.TableSchema(columns=columns)


def found_columns(facts: FeedFacts) -> dg.TableSchema:
    """The columns that a source has, as the audit found them, read by us or not."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=f"Read into {column.mapped_to}." if column.mapped_to else "Not read.",
                constraints=dg.TableColumnConstraints(nullable=column.nulls > 0),
                tags={"data_class": column.data_class.value},
            )
            for column in facts.columns
        ]
    )
