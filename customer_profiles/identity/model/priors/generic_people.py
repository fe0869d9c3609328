"""Invented people and their records, as many as wanted: what the shipped priors are trained on, and
benchmarks run on.

Nothing here comes from real data or from any evaluation set. Names, places and addresses are made of parts,
with few common and many rare ones (Zipf); the rates of errors are round guesses about business records,
written down in `RATES`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer_profiles.identity.model.aliases import nicknames

Texts = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

RATES: Final[dict[str, float]] = {
    "name typo": 0.08,
    "nickname": 0.06,
    "names swapped": 0.01,
    "initial only": 0.03,
    "family name changed": 0.02,
    "birth date missing": 0.25,
    "birth date slip": 0.03,
    "birth date wrong": 0.02,
    "lives with another": 0.15,
    "moved": 0.12,
    "address missing": 0.25,
    "postcode slip": 0.03,
    "address typo": 0.08,
    "email missing": 0.25,
    "second email": 0.25,
    "phone missing": 0.4,
    "second phone": 0.2,
}
"""The share of records with each flaw (of people, where it tells how they live)."""

RECORDS_A_PERSON: Final = (0.35, 0.3, 0.2, 0.1, 0.05)
"""The share of people with one, two, … records."""

_STEMS = [
    "ash",
    "black",
    "brad",
    "bran",
    "bright",
    "brook",
    "bur",
    "cal",
    "carl",
    "chad",
    "chat",
    "clay",
    "clif",
    "cold",
    "craw",
    "dal",
    "dart",
    "den",
    "dun",
    "east",
    "edge",
    "elm",
    "fair",
    "far",
    "fen",
    "field",
    "fox",
    "gal",
    "glad",
    "gold",
    "gran",
    "green",
    "grim",
    "had",
    "hal",
    "ham",
    "har",
    "hart",
    "haw",
    "hay",
    "hazel",
    "heath",
    "high",
    "hol",
    "horn",
    "hud",
    "hurst",
    "kel",
    "ken",
    "king",
    "kirk",
    "lang",
    "lay",
    "lin",
    "long",
    "mar",
    "mel",
    "mid",
    "mil",
    "mor",
    "new",
    "nor",
    "oak",
    "old",
    "or",
    "park",
    "pen",
    "pres",
    "rad",
    "rich",
    "rock",
    "rose",
    "row",
    "rush",
    "sal",
    "sand",
    "shel",
    "sher",
    "sil",
    "south",
    "stan",
    "stone",
    "sut",
    "swan",
    "thorn",
    "tun",
    "wad",
    "wal",
    "war",
    "wat",
    "wes",
    "whit",
    "win",
    "wood",
    "wor",
    "wy",
]
_ENDINGS = [
    "bourne",
    "bridge",
    "bury",
    "by",
    "cliffe",
    "combe",
    "cott",
    "croft",
    "dale",
    "den",
    "don",
    "field",
    "ford",
    "gate",
    "ham",
    "head",
    "hill",
    "holme",
    "hurst",
    "kin",
    "land",
    "ley",
    "low",
    "man",
    "mere",
    "more",
    "ney",
    "ridge",
    "sett",
    "shaw",
    "smith",
    "son",
    "stead",
    "stock",
    "stone",
    "ter",
    "thorpe",
    "ton",
    "wall",
    "water",
    "way",
    "well",
    "wick",
    "wood",
    "worth",
]
_STREETS = [
    "street",
    "road",
    "lane",
    "avenue",
    "close",
    "drive",
    "way",
    "court",
    "gardens",
    "terrace",
    "grove",
    "place",
    "hill",
    "park",
    "crescent",
]
_PROVIDERS = ["mailbox.test", "post.test", "letters.test", "inbox.test", "quickmail.test", "homenet.test"]
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def generic_records(people: int, seed: int = 1) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Identity records of invented people.

    Args:
        people: how many people; there are about 2.2 records a person.
        seed: the same seed gives the same records.

    Returns:
        The records in random order, and for each the person it belongs to.
    """
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), rng.choice(len(RECORDS_A_PERSON), people, p=RECORDS_A_PERSON) + 1)
    rng.shuffle(owner)
    count = len(owner)
    given_names, family_names, towns, streets = _given_names(), _made_names(4), _made_names(1), _made_names(2)

    def flaw(name: str) -> Flags:
        return np.asarray(rng.random(count) < RATES[name])

    given = given_names[_zipf(rng, len(given_names), people)][owner]
    home = np.arange(people)
    shares_home = rng.random(people) < RATES["lives with another"]
    home[shares_home] = np.maximum(home[shares_home] - 1, 0)
    family = family_names[_zipf(rng, len(family_names), people)][home][owner]
    changed = flaw("family name changed")
    family[changed] = family_names[_zipf(rng, len(family_names), int(changed.sum()))]
    plain_given, plain_family = given.copy(), family.copy()
    given = _nicknamed(rng, given, flaw("nickname"))
    given = _typed(rng, given, flaw("name typo") & (rng.random(count) < 0.5))
    family = _typed(rng, family, flaw("name typo"))
    initial = flaw("initial only")
    given[initial] = np.array([name[:1] for name in given[initial]], dtype=object)
    swapped = flaw("names swapped")
    given[swapped], family[swapped] = family[swapped], given[swapped]

    births = np.datetime64("1935-01-01") + rng.integers(0, 26_000, people)
    birth = np.datetime_as_string(births).astype(object)[owner]
    wrong = flaw("birth date wrong")
    birth[wrong] = np.datetime_as_string(
        np.datetime64("1935-01-01") + rng.integers(0, 26_000, int(wrong.sum()))
    )
    birth = _typed(rng, birth, flaw("birth date slip"), digits=True)
    birth[flaw("birth date missing")] = None

    # Whoever lives with the person before shares home and family name; whoever moved has the address of another home.
    homes = people
    home_of = home[owner]
    moved = flaw("moved")
    home_of[moved] = rng.integers(0, homes, int(moved.sum()))
    town_of = _zipf(rng, len(towns), homes)
    area = np.array([town[:1] + town[-1:] for town in towns], dtype=object)[town_of]
    outward = rng.integers(1, 20, homes).astype(str).astype(object)
    inward = rng.integers(1, 9, homes).astype(str).astype(object) + _two_letters(rng, homes)
    lines = (
        rng.integers(1, 150, homes).astype(str).astype(object)
        + " "
        + streets[rng.integers(0, len(streets), homes)]
    )
    lines = lines + " " + np.array(_STREETS, dtype=object)[rng.integers(0, len(_STREETS), homes)]
    postcode = _typed(rng, (area + outward + " " + inward)[home_of], flaw("postcode slip"))
    line = _typed(rng, lines[home_of], flaw("address typo"))
    city = towns[town_of][home_of]
    for column, missing in ((postcode, flaw("address missing")), (line, flaw("address missing"))):
        column[missing] = None
    city[flaw("address missing")] = None

    emails = _emails(rng, plain_given, plain_family, owner, flaw("second email"))
    phones = _phones(rng, owner, flaw("second phone"), people)
    return pa.table(
        {
            "record_no": pa.array(np.arange(1, count + 1)),
            "given_name": pa.array(given, pa.string()),
            "family_name": pa.array(family, pa.string()),
            "birth_date": pa.array(birth, pa.string()),
            "address_line": pa.array(line, pa.string()),
            "city": pa.array(city, pa.string()),
            "postcode": pa.array(postcode, pa.string()),
            "emails": _lists(emails, flaw("email missing")),
            "phones": _lists(phones, flaw("phone missing")),
        }
    ), np.asarray(owner, dtype=np.int64)


def _zipf(rng: np.random.Generator, choices: int, count: int) -> npt.NDArray[np.int64]:
    weights = 1.0 / (np.arange(choices) + 10.0)
    return np.asarray(rng.choice(choices, count, p=weights / weights.sum()), dtype=np.int64)


def _given_names() -> Texts:
    names = sorted(set(nicknames()["token"].to_pylist()))
    return np.random.default_rng(3).permutation(np.array(names, dtype=object))


def _made_names(kind: int) -> Texts:
    """Names made of a stem and an ending: for kind 4 some with two stems, so that there are many rare
    ones.
    """
    rng = np.random.default_rng(kind)
    names = {stem + ending for stem in _STEMS for ending in _ENDINGS}
    if kind == 4:
        names |= {one + other + end for one in _STEMS[::4] for other in _STEMS[1::4] for end in _ENDINGS[::2]}
    if kind == 1:
        names = set(sorted(names)[::7])
    return np.asarray(rng.permutation(np.array(sorted(names), dtype=object)))


def _nicknamed(rng: np.random.Generator, names: Texts, where: Flags) -> Texts:
    aliases: dict[str, list[str]] = {}
    for row in nicknames().to_pylist():
        aliases.setdefault(row["token"], []).append(row["alias"])
    draw = rng.random(len(names))
    result = names.copy()
    for at in np.flatnonzero(where):
        known = aliases.get(names[at])
        if known:
            result[at] = known[int(draw[at] * len(known))]
    return result


def _typed(rng: np.random.Generator, texts: Texts, where: Flags, digits: bool = False) -> Texts:
    """One slip in each chosen text: a letter replaced, left out, doubled or swapped with the next."""
    result = texts.copy()
    chosen = np.flatnonzero(where)
    kinds, places, letters = (
        rng.integers(0, 4, len(chosen)),
        rng.random(len(chosen)),
        rng.integers(0, 26, len(chosen)),
    )
    for at, kind, place, letter in zip(
        chosen.tolist(), kinds.tolist(), places.tolist(), letters.tolist(), strict=True
    ):
        text = texts[at]
        if text is None or len(text) < 3:
            continue
        spot = 1 + int(place * (len(text) - 1))
        if digits:
            if text[spot : spot + 1].isdigit():
                result[at] = text[:spot] + str(letter % 10) + text[spot + 1 :]
        elif kind == 0:
            result[at] = text[:spot] + str(_LETTERS[letter]) + text[spot + 1 :]
        elif kind == 1:
            result[at] = text[:spot] + text[spot + 1 :]
        elif kind == 2:
            result[at] = text[:spot] + text[spot - 1] + text[spot:]
        else:
            result[at] = text[: spot - 1] + text[spot : spot + 1] + text[spot - 1] + text[spot + 1 :]
    return result


def _two_letters(rng: np.random.Generator, count: int) -> Texts:
    letters = _LETTERS.astype(object)
    return np.asarray(letters[rng.integers(0, 26, count)] + letters[rng.integers(0, 26, count)])


def _emails(
    rng: np.random.Generator, given: Texts, family: Texts, owner: npt.NDArray[np.int64], second: Flags
) -> Texts:
    number = (owner * 2 + second) % 97
    provider = np.array(_PROVIDERS, dtype=object)[(owner + second * 3) % len(_PROVIDERS)]
    return np.asarray(given + "." + family + number.astype(str).astype(object) + "@" + provider)


def _phones(rng: np.random.Generator, owner: npt.NDArray[np.int64], second: Flags, people: int) -> Texts:
    # One number in twenty is a household's, shared by two people.
    shared = (owner % 20 == 0) | (owner % 20 == 1)
    line = np.where(shared, owner - owner % 20, owner) + second * people
    return np.asarray("+447" + np.char.zfill((line * 7919 % 999_999_937).astype(str), 9).astype(object))


def _lists(values: Texts, missing: Flags) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(~missing)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[~missing], pa.string()))
