"""Names, places and streets that the demo's people are made of, read once from the package's CSV files."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from customer_profiles.demo.columns import Flags, Texts, texts

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GivenNames:
    """Given names of one sex, with how often they occur and the nicknames that people use for them."""

    names: Texts
    chance: Weights
    nicknames: tuple[tuple[str, ...], ...]
    has_nickname: Flags


@dataclass(frozen=True)
class Places:
    """Towns with their postcode area, dialling code and share of the people; a row per postcode area."""

    city: Texts
    region: Texts
    area: Texts
    dialling_code: Texts
    chance: Weights


@dataclass(frozen=True)
class Lexicon:
    """All lists together."""

    female: GivenNames
    male: GivenNames
    surnames: Texts
    surname_chance: Weights
    places: Places
    streets: Texts


@cache
def lexicon() -> Lexicon:
    """Read the lists."""
    given = _rows("given_names.csv")
    surnames = _rows("surnames.csv")
    return Lexicon(
        female=_given_names([row for row in given if row["sex"] == "F"]),
        male=_given_names([row for row in given if row["sex"] == "M"]),
        surnames=texts([row["name"] for row in surnames]),
        surname_chance=_chance(surnames),
        places=_places(_rows("places.csv")),
        streets=texts([row["name"] for row in _rows("streets.csv")]),
    )


def _given_names(rows: list[dict[str, str]]) -> GivenNames:
    nicknames = tuple(tuple(filter(None, row["nicknames"].split("|"))) for row in rows)
    return GivenNames(
        names=texts([row["name"] for row in rows]),
        chance=_chance(rows),
        nicknames=nicknames,
        has_nickname=np.array([bool(names) for names in nicknames]),
    )


def _places(rows: list[dict[str, str]]) -> Places:
    return Places(
        city=texts([row["city"] for row in rows]),
        region=texts([row["region"] for row in rows]),
        area=texts([row["postcode_area"] for row in rows]),
        dialling_code=texts([row["dialling_code"] for row in rows]),
        chance=_chance(rows),
    )


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("customer_profiles.demo").joinpath("names", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _chance(rows: list[dict[str, str]]) -> Weights:
    weights = np.array([float(row["weight"]) for row in rows])
    return np.asarray(weights / weights.sum())
