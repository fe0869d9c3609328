"""How one source saw its people: mistyped, nicknamed, moved, unreachable, sharing a phone. See ``rates``."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from customer_profiles.demo.columns import Flags, Indexes, Texts, every, flags
from customer_profiles.demo.lexicon import lexicon
from customer_profiles.demo.rates import (
    GENERIC_EMAIL,
    MOVED_HOUSE,
    NAME_TYPO,
    NICKNAME,
    SHARED_CONTACT,
    WITHOUT_EMAIL,
    WITHOUT_PHONE,
    WRONG_BIRTH_DATE,
    choose,
)
from customer_profiles.demo.world import Address, People

_KEYS_BESIDE = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo",
    "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad",
    "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_GENERIC_NAMES = ("info", "sales", "office", "noreply")
_GENERIC_COMPANIES = ("northgate", "harbour", "kestrel")
_SECOND_EMAIL = 0.10


@dataclass(frozen=True)
class Seen:
    """People as one source knows them, an entry a record; ``None`` where the source does not know.

    Attributes:
        birth: days since 1970-01-01 as the source has them, wrong ones too.
        knows_birth: where the source has one.
        phone: national digits without the leading 0.
        spoilt: how often each kind of mess was made.
    """

    given: Texts
    family: Texts
    address: Address
    email: Texts
    phone: Texts
    birth: Indexes
    knows_birth: Flags
    spoilt: Counter[str]

    def birth_dates(self) -> list[str | None]:
        """Birth dates as ``1980-12-31``."""
        days = np.datetime_as_string(self.birth.astype("datetime64[D]")).tolist()
        return [day if known else None for day, known in zip(days, self.knows_birth.tolist(), strict=True)]

    def full_names(self) -> list[str]:
        """Given and family name in one text."""
        return [f"{given} {family}" for given, family in zip(self.given, self.family, strict=True)]


@dataclass(frozen=True)
class Habits:
    """Which of the rates a source's nature sets aside: an email platform always has an email address."""

    without_email: float = WITHOUT_EMAIL
    without_phone: float = WITHOUT_PHONE
    without_birth_date: float = 1.0
    shares_contacts: bool = True


def see(people: People, who: Indexes, rng: np.random.Generator, habits: Habits | None = None) -> Seen:
    """Describe people as a source would that typed them in.

    Args:
        people: the truth.
        who: which of them, an entry a record; somebody may occur more than once.
        rng: the source's own randomness.
        habits: where the source differs from the usual rates.

    Returns:
        An entry for each of ``who``.
    """
    habits = habits or Habits()
    rows = len(who)
    spoilt: Counter[str] = Counter(name=rows)
    given, family = people.given[who], people.family[who]
    spoilt["nickname"] = _nicknames(people, who, given, rng)
    spoilt["name_typo"] = _typos(given, family, rng)
    moved = choose(rng, every(rows), MOVED_HOUSE)
    spoilt["moved_house"] = len(moved)
    birth = people.birth[who].copy()
    knows_birth = ~flags(rows, choose(rng, every(rows), habits.without_birth_date))
    spoilt["birth_date"] = int(knows_birth.sum())
    spoilt["wrong_birth_date"] = _wrong_births(birth, knows_birth, rng)
    email, phone = _reach(people, who, rng, habits, spoilt)
    return Seen(
        given, family, _address(people, who, flags(rows, moved)), email, phone, birth, knows_birth, spoilt
    )


def spell_phones(phones: Texts, rng: np.random.Generator) -> list[str | None]:
    """Write national digits in the ways that people and systems do."""
    styles = rng.integers(0, 8, len(phones)).tolist()
    return [
        None if phone is None else _spell(phone, style) for phone, style in zip(phones, styles, strict=True)
    ]


def _nicknames(people: People, who: Indexes, given: Texts, rng: np.random.Generator) -> int:
    words = lexicon()
    chosen = choose(rng, people.has_nickname[who], NICKNAME)
    for row, luck in zip(chosen.tolist(), rng.random(len(chosen)).tolist(), strict=True):
        person = who[row]
        names = words.female if people.sex[person] == 0 else words.male
        nicknames = names.nicknames[people.given_number[person]]
        given[row] = nicknames[int(luck * luck * len(nicknames))]
    return len(chosen)


def _typos(given: Texts, family: Texts, rng: np.random.Generator) -> int:
    chosen = choose(rng, every(len(given)), NAME_TYPO)
    luck = rng.random((len(chosen), 3)).tolist()
    for row, (field, where, how) in zip(chosen.tolist(), luck, strict=True):
        names = given if field < 0.5 else family
        names[row] = _mistype(names[row], where, how)
    return len(chosen)


def _mistype(name: str, where: float, how: float) -> str:
    """Leave a letter out, double it, swap two, or hit the key beside; never the same name again."""
    at = 1 + int(where * (len(name) - 1)) if len(name) > 1 else 0
    letter = name[at]
    if how < 0.3 and len(name) > 3:
        return name[:at] + name[at + 1 :]
    if how < 0.5 and at + 1 < len(name) and name[at + 1] != letter:
        return name[:at] + name[at + 1] + letter + name[at + 2 :]
    if how < 0.7:
        return name[:at] + letter + name[at:]
    beside = _KEYS_BESIDE.get(letter.lower(), "e")
    return name[:at] + beside[int(how * 1000) % len(beside)] + name[at + 1 :]


def _wrong_births(birth: Indexes, known: Flags, rng: np.random.Generator) -> int:
    """Day and month swapped where that is a date; else a year or a few days off."""
    known_rows = np.flatnonzero(known)
    chosen = known_rows[choose(rng, every(len(known_rows)), WRONG_BIRTH_DATE)]
    luck = rng.random(len(chosen)).tolist()
    for row, how in zip(chosen.tolist(), luck, strict=True):
        year, month, day = str(np.datetime64(int(birth[row]), "D")).split("-")
        if how < 0.4 and int(day) <= 12 and day != month:
            birth[row] = np.datetime64(f"{year}-{day}-{month}", "D").astype(np.int64)
        elif how < 0.7:
            birth[row] += 365 if how < 0.55 else -365
        else:
            birth[row] += 1 + int(how * 100) % 9
    return len(chosen)


def _reach(
    people: People, who: Indexes, rng: np.random.Generator, habits: Habits, spoilt: Counter[str]
) -> tuple[Texts, Texts]:
    """Email and phone of each record: the person's own, a relative's, a company's, or none."""
    rows = len(who)
    email = np.where(rng.random(rows) < _SECOND_EMAIL, people.work_email[who], people.email[who])
    has_landline = people.landline[who] != ""
    phone = np.where(has_landline & (rng.random(rows) < 0.3), people.landline[who], people.mobile[who])
    kept = np.zeros(rows, dtype=np.bool_)
    if habits.shares_contacts:
        shared = choose(rng, people.relative[who] >= 0, SHARED_CONTACT)
        by_phone = (rng.random(len(shared)) < 0.5) & (habits.without_phone < 1)
        email[shared[~by_phone]] = people.email[people.relative[who[shared[~by_phone]]]]
        phone[shared[by_phone]] = people.mobile[people.relative[who[shared[by_phone]]]]
        kept |= flags(rows, shared)
        generic = choose(rng, ~kept, GENERIC_EMAIL)
        luck = rng.integers(0, len(_GENERIC_NAMES) * len(_GENERIC_COMPANIES), len(generic)).tolist()
        for row, number in zip(generic.tolist(), luck, strict=True):
            company, name = divmod(number, len(_GENERIC_NAMES))
            email[row] = f"{_GENERIC_NAMES[name]}@{_GENERIC_COMPANIES[company]}.example"
        kept |= flags(rows, generic)
        spoilt["shared_contact"], spoilt["generic_email"] = len(shared), len(generic)
    no_email = choose(rng, ~kept, habits.without_email)
    no_phone = choose(rng, ~kept | (habits.without_phone == 1), habits.without_phone)
    email[no_email], phone[no_phone] = None, None
    spoilt["without_email"], spoilt["without_phone"] = len(no_email), len(no_phone)
    return email, phone


def _address(people: People, who: Indexes, moved: Flags) -> Address:
    home, before = people.home, people.before
    return Address(
        line=np.where(moved, before.line[who], home.line[who]),
        city=np.where(moved, before.city[who], home.city[who]),
        region=np.where(moved, before.region[who], home.region[who]),
        postcode=np.where(moved, before.postcode[who], home.postcode[who]),
    )


def _spell(phone: str, style: int) -> str:
    area, local = phone[:4], phone[4:]
    return (
        f"0{phone}",
        f"0{area} {local}",
        f"+44 {area} {local}",
        f"+44{phone}",
        f"0044 {phone}",
        f"(0{area}) {local[:3]}-{local[3:]}",
        f"+44 (0){area} {local}",
        f"0{area}-{local[:3]}-{local[3:]}",
    )[style]
