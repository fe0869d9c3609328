"""What the audit finds out."""

from dataclasses import dataclass

from customer_profiles.contracts.classes import DataClass


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column of a table, or one path in the rows of files.

    Attributes:
        name: The column; names inside nested rows with dots.
        type: As the database declares it, or as the values are.
        nulls: Rows in which it is empty.
        distinct: Different values; an estimate above a few thousand in files.
        data_class: Its class of personal data.
        guessed: Whether the class was guessed from name and form, because no setting maps the column.
        mapped_to: The fields that it goes into, with commas; None when it is not read.
    """

    name: str
    type: str
    nulls: int
    distinct: int
    data_class: DataClass
    guessed: bool
    mapped_to: str | None


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """One feed: a table, or the files of a pattern.

    Attributes:
        source: The source.
        feed: The feed.
        place: The table, or the folder and pattern.
        contract: What its rows become.
        owner: Who answers for the source.
        rows: How many.
        unreadable: Lines that are no rows.
        size_bytes: On disk; None where the database does not tell.
        newest: The highest value of the feed's cursor, or when the newest file was last written; None when empty.
        columns: Its columns, in their order.
    """

    source: str
    feed: str
    place: str
    contract: str
    owner: str
    rows: int
    unreadable: int
    size_bytes: int | None
    newest: str | None
    columns: tuple[ColumnFacts, ...]
