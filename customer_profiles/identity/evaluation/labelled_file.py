"""Any labelled CSV or Parquet file as identity records, so that the same engine can be measured on it.

Columns are mapped by flags or guessed from their names; what is neither a contract field nor ignored becomes an extra
attribute. The truth column is split off before anything else sees the records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.graph.records import IDENTITY_FIELDS, identity_schema
from customer_profiles.settings.nearest import nearest

MULTIPLE = ("emails", "phones")
"""Fields that hold several values in one record."""

_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "full_name": ("full_name", "fullname", "name", "customer_name", "display_name"),
    "given_name": ("given_name", "first_name", "firstname", "forename", "fname", "first"),
    "family_name": ("family_name", "last_name", "lastname", "surname", "lname", "last"),
    "birth_date": ("birth_date", "date_of_birth", "dob", "birthdate", "birthday"),
    "address_line": (
        "address_line",
        "address",
        "street_number",
        "street",
        "street_address",
        "address_1",
        "address1",
        "address_line_1",
        "address_2",
        "address2",
        "address_line_2",
    ),
    "city": ("city", "town", "suburb", "locality", "birth_place", "place"),
    "region": ("region", "state", "county", "province"),
    "postcode": ("postcode", "post_code", "postal_code", "zip", "zip_code", "postcode_fake"),
    "country": ("country", "country_code"),
    "emails": ("emails", "email", "email_address", "e_mail", "mail"),
    "phones": ("phones", "phone", "phone_number", "mobile", "telephone", "tel"),
}
_PARTS_OF_FULL_NAME = (
    "first_and_surname",
    "given_name",
    "first_name",
    "forename",
    "family_name",
    "surname",
    "last_name",
)
_SECOND_LINES = ("address_2", "address2", "address_line_2")
"""Part of the address, and an attribute by itself: a house or a farm has a name."""
_EXTRA = "extra_"
_ROW_IDS = ("unique_id", "id", "rec_id", "record_id", "index", "uid")


class LabelledFileError(CustomerProfilesError):
    """The file cannot be read, or a column named for it is not there."""


@dataclass(frozen=True)
class LabelledFile:
    """Records of a file, ready for the identity engine, with the truth kept apart.

    Attributes:
        records: Identity records, one a row of the file, numbered from 1 in an order that content alone decides.
        truth: The label of each record, in the order of `records`; None where the file has none.
        columns: Which columns made each field; extra attributes stand as `extra_NAME`.
        ignored: Columns that nothing uses.
    """

    records: pa.Table
    truth: tuple[str | None, ...]
    columns: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]


def read_labelled_file(
    path: Path,
    truth: str,
    mapping: Mapping[str, Sequence[str]] | None = None,
    ignore: Sequence[str] = (),
) -> LabelledFile:
    """Read a CSV or Parquet file of records whose truth is known.

    Args:
        path: The file, `.csv` or `.parquet`.
        truth: The column that is equal for records of one person.
        mapping: Contract field -> columns, overriding what would be guessed from the names.
        ignore: Columns that nothing may use.

    Raises:
        LabelledFileError: The file cannot be read; a named column or field is not there; or a column is named for two
            things at once, such as the truth for a field.
    """
    frame = _read(path)
    names = [str(name) for name in frame.columns]
    _check_names(path.name, names, truth, mapping or {}, ignore)
    columns, ignored = guess_columns([n for n in names if n != truth and n not in ignore], mapping or {})
    read = dict.fromkeys(name for group in columns.values() for name in group)
    ordered = _in_content_order(frame, tuple(read))
    return LabelledFile(
        records=_identity_records(ordered, columns),
        truth=tuple(_plain_text(label) or None for label in ordered[truth]),
        columns=columns,
        ignored=(*ignore, *ignored),
    )


def guess_columns(
    names: Sequence[str], mapping: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Which columns make which field, and which are left out.

    A name in its parts beside a full name says the same twice and is left out; so are row numbers.
    """
    taken = {name for group in mapping.values() for name in group}
    columns = {field: tuple(group) for field, group in mapping.items()}
    for field, synonyms in _SYNONYMS.items():
        found = tuple(name for name in names if name not in taken and _plain(name) in synonyms)
        if found and field not in columns:
            columns[field] = found
            taken |= {name for name in found if _plain(name) not in _SECOND_LINES}
    if "full_name" in columns:
        for field in ("given_name", "family_name"):
            if field in columns and field not in mapping:
                taken -= set(columns.pop(field))
    ignored: list[str] = []
    for name in names:
        if name in taken:
            continue
        redundant = "full_name" in columns and _plain(name) in _PARTS_OF_FULL_NAME
        if redundant or _plain(name) in _ROW_IDS:
            ignored.append(name)
        else:
            extra = f"{_EXTRA}{_plain(name)}"
            columns[extra] = (*columns.get(extra, ()), name)
    return columns, tuple(ignored)


def _check_names(
    file: str, names: Sequence[str], truth: str, mapping: Mapping[str, Sequence[str]], ignore: Sequence[str]
) -> None:
    """Refuse what cannot be meant, before anything is measured by it."""
    for field in mapping:
        if field not in IDENTITY_FIELDS and not re.fullmatch(f"{_EXTRA}[a-z0-9_]+", field):
            close = nearest(field, IDENTITY_FIELDS)
            raise LabelledFileError(
                f"There is no field {field!r}{f': did you mean {close}?' if close else '.'} "
                f"The fields are: {', '.join(IDENTITY_FIELDS)}; attributes of your own are extra_NAME."
            )
    used_for: dict[str, str] = {}
    uses = [("the truth", truth), *[("ignored", name) for name in dict.fromkeys(ignore)]]
    uses += [(field, name) for field, group in mapping.items() for name in group]
    for use, name in uses:
        if name not in names:
            close = nearest(name, names)
            raise LabelledFileError(
                f"{file} has no column {name!r}{f': did you mean {close}?' if close else '.'} "
                f"Its columns are: {', '.join(names)}."
            )
        if name in used_for:
            raise LabelledFileError(
                f"The column {name!r} is named for two things: {used_for[name]} and {use}. Name it for one."
            )
        used_for[name] = use


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise LabelledFileError(f"There is no file {path}: name a CSV or Parquet file of labelled records.")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise LabelledFileError(f"{path.name} is neither .csv nor .parquet: convert it to one of them.")
    try:
        if kind == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except pd.errors.EmptyDataError:
        raise LabelledFileError(f"{path.name} is empty: its first line must name the columns.") from None
    except UnicodeDecodeError:
        raise LabelledFileError(f"{path.name} is not UTF-8: save it as CSV in UTF-8.") from None
    except (OSError, pd.errors.ParserError, pa.ArrowInvalid):
        # Their messages may quote a row.
        raise LabelledFileError(f"{path.name} cannot be read as {kind[1:]}: is it whole?") from None


def _in_content_order(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Row order must not matter, and must not give the truth away."""
    keys = frame[list(columns)].astype(str)
    return frame.loc[keys.sort_values(list(columns), kind="stable").index].reset_index(drop=True)


def _identity_records(frame: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> pa.Table:
    extras = [field for field in columns if field.startswith("extra_")]
    arrays: dict[str, pa.Array] = {"record_no": pa.array(range(1, len(frame) + 1), pa.int64())}
    for field in (*IDENTITY_FIELDS, *extras):
        clean = _CLEAN.get(field, _text)
        values = [
            [cell for cell in (clean(cell) for cells in row for cell in _each(cells)) if cell]
            for row in zip(*[frame[name] for name in columns.get(field, ())], strict=True)
        ] or [[] for _ in range(len(frame))]
        if field in MULTIPLE:
            arrays[field] = pa.array(values, pa.list_(pa.string()))
        else:
            arrays[field] = pa.array([" ".join(row) or None for row in values], pa.string())
    schema = identity_schema([field.removeprefix("extra_") for field in extras])
    arrays["identifiers"] = pa.array([[] for _ in range(len(frame))], schema.field("identifiers").type)
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _each(cells: object) -> Iterable[object]:
    """A cell of Parquet may hold a list."""
    return cells if isinstance(cells, list | np.ndarray) else (cells,)


def _plain_text(cell: object) -> str:
    return "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]


def _text(cell: object) -> str:
    return " ".join(_plain_text(cell).split()).lower()


def _date(cell: object) -> str:
    """Dates keep their errors: a mistyped month is evidence, so nothing is refused here."""
    value = _text(cell)[:10]
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if re.fullmatch(r"\d{8}", value) else value


def _phone(cell: object) -> str:
    return re.sub(r"[^0-9+]", "", _text(cell))


_CLEAN: Mapping[str, Callable[[object], str]] = {"birth_date": _date, "phones": _phone}
