"""The sources, and the feeds that are read from them into contracts."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from customer_profiles.contracts.currencies import MINOR_UNIT_DECIMALS
from customer_profiles.settings.base import AnchoredPath, Name, Part, folder_of
from customer_profiles.settings.collector import CollectorConnector
from customer_profiles.settings.mapping import FieldMapping, Scalar, columns_of

ContractName = Literal["record", "interaction", "consent"]
FileFormat = Literal["json_lines", "json", "csv", "parquet"]
_FORMATS: Mapping[str, FileFormat] = {
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}


def _region(text: str) -> str:
    if text not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no region of ISO 3166-1 with phone numbers, such as GB, US or DE")
    return text


@cache
def _time_zones() -> frozenset[str]:
    """Read once: it goes through the files of the system's time zones."""
    return frozenset(available_timezones())


def _time_zone(text: str) -> str:
    if text not in _time_zones():
        raise ValueError("is no IANA time zone, such as Europe/London or UTC")
    return text


def _currency(text: str) -> str:
    if text not in MINOR_UNIT_DECIMALS:
        raise ValueError("is no currency of ISO 4217, such as GBP, USD or EUR")
    return text


PhoneRegion = Annotated[str, AfterValidator(_region)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Currency = Annotated[str, AfterValidator(_currency)]


class Locale(Part):
    """What a source leaves unsaid: whose phone numbers, whose clock, whose money."""

    phone_region: PhoneRegion | None = None
    """Region of phone numbers written without their country code."""
    time_zone: TimeZone = "UTC"
    """Time zone of times written without one."""
    currency: Currency | None = None
    """Currency of values without one."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _database_url(url: str, info: ValidationInfo) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("must be a database URL, as in postgresql://USER@HOST/DATABASE") from None
    folder, place = folder_of(info), parsed.database
    if folder is None or parsed.get_backend_name() != "sqlite" or not place or place == ":memory:":
        return url
    return parsed.set(database=str(folder / place)).render_as_string(hide_password=False)


class DatabaseConnector(Part):
    """Reads tables of any database that SQLAlchemy knows."""

    type: Literal["database"]
    """A database."""
    url: Annotated[str, AfterValidator(_database_url)] = Field(repr=False)
    """SQLAlchemy URL; its password only as `${VARIABLE}`."""
    database_schema: str | None = Field(None, alias="schema")
    """The schema of the tables, where it is not the default one."""


class FilesConnector(Part):
    """Reads files of a folder."""

    type: Literal["files"]
    """Files."""
    folder: AnchoredPath
    """The folder."""


Connector = Annotated[DatabaseConnector | FilesConnector | CollectorConnector, Field(discriminator="type")]


class Feed(Part):
    """One table or file pattern of a source, read into one contract."""

    contract: ContractName
    """What its rows become."""
    table: str | None = None
    """Database: the table or view."""
    key: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    """Database: the columns that name a row, for reading page by page; by default its primary key."""
    cursor: str | None = None
    """Database: a column that grows with each change, to read only what is new; else all is read."""
    files: str | None = None
    """Files: a pattern of names inside the folder, such as `*.jsonl`."""
    format: FileFormat | None = None
    """Files: their format, where the ending does not tell it."""
    where: Mapping[str, Scalar | tuple[Scalar, ...]] = {}
    """Keep only rows whose column equals this, or is one of these."""
    fields: Mapping[str, FieldMapping]
    """How each field of the contract is made; what is not listed is not read."""
    extra: Mapping[Name, FieldMapping] = {}
    """Attributes beyond the contract, for records."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, in order of name, without the paths inside."""
        mappings = (*self.fields.values(), *self.extra.values())
        mapped = {column.column for mapping in mappings for column in columns_of(mapping)}
        return tuple(sorted({*mapped, *self.where, *self.key, *filter(None, [self.cursor])}))

    @property
    def file_format(self) -> FileFormat | None:
        """The format as given, else as the ending tells it."""
        return self.format or _FORMATS.get(Path(self.files or "").suffix.lower())

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides what a row becomes: when it changes, the feed must be read again."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[
            :16
        ]


class Source(Part):
    """A system that holds customer data."""

    description: str = ""
    """What the system is."""
    owner: str | None = None
    """Who answers for it: an email address or `team:NAME`."""
    trust: int = Field(50, ge=0, le=100)
    """Whose word counts when sources disagree: the highest, then the newest."""
    phone_region: PhoneRegion | None = None
    """Instead of the default."""
    time_zone: TimeZone | None = None
    """Instead of the default."""
    currency: Currency | None = None
    """Instead of the default."""
    connector: Connector
    """How it is reached."""
    feeds: Mapping[Name, Feed] = Field(min_length=1)
    """What is read from it."""
