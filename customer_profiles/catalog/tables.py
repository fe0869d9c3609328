"""The catalog's tables: what was found when the sources were last looked at."""

from typing import Any

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import STATE, Micros, Number, Owner, Text, column


def _column(name: str, type_: type[sa.types.TypeEngine[Any]], comment: str, **kw: Any) -> sa.Column[Any]:
    """A column that tells of a source as a whole, and of nobody in it."""
    return column(name, type_, owner=Owner.SOURCE, data_class=DataClass.NONE, comment=comment, **kw)


catalog_feed = sa.Table(
    "catalog_feed",
    STATE,
    _column("source", Text, "The source.", primary_key=True),
    _column("feed", Text, "The feed.", primary_key=True),
    _column("place", Text, "Its table, or its folder and pattern."),
    _column("contract", Text, "What its rows become."),
    _column("owned_by", Text, "Who answers for it."),
    _column("row_count", Number, "How many rows it has."),
    _column("unreadable", Number, "Lines that are no rows."),
    _column("size_bytes", Number, "Its size on disk, where it is known.", nullable=True),
    _column("newest", Text, "Its highest cursor value, or newest file.", nullable=True),
    _column("audited_at", Micros, "When this was found."),
    comment="What each source holds, feed by feed, when last looked at.",
)

catalog_column = sa.Table(
    "catalog_column",
    STATE,
    _column("source", Text, "The source.", primary_key=True),
    _column("feed", Text, "The feed.", primary_key=True),
    _column("name", Text, "The column, or the path inside a row.", primary_key=True),
    _column("place", Number, "Its place among the columns, from 1."),
    _column("type", Text, "Its type."),
    _column("nulls", Number, "Rows in which it is empty."),
    _column("distinct_values", Number, "How many different values it has."),
    _column("class", Text, "Its class of personal data."),
    _column("guessed", Number, "1 when the class was guessed from its name and form."),
    _column("mapped_to", Text, "The fields it goes into; empty: not read.", nullable=True),
    comment="The columns of each feed, with what kind of personal data they hold; never a value.",
)
