"""The people of the demo world as they truly are: homes, families, ways to be reached; no mistakes yet."""

from dataclasses import dataclass

import numpy as np

from customer_profiles.demo.columns import Flags, Indexes, Texts, every, flags, texts
from customer_profiles.demo.lexicon import Lexicon, lexicon
from customer_profiles.demo.rates import NAMESAKE, SOCIAL_ACCOUNT, WEB_ACCOUNT, choose

_HOUSEHOLD_SIZES = (0.55, 0.27, 0.10, 0.08)
_HOUSEHOLDS_A_STREET = 3
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
_STREET_KINDS = (
    "Road",
    "Street",
    "Avenue",
    "Lane",
    "Close",
    "Drive",
    "Way",
    "Gardens",
    "Crescent",
    "Terrace",
)
_MAIL_DOMAINS = ("bluemail", "mailbox", "postbox", "quickmail", "inbox", "btmail", "homemail", "skymail")
_WORK_DOMAINS = (
    "northgate",
    "harbour",
    "ashworth",
    "kestrel",
    "meridian",
    "oakwell",
    "pennine",
    "solent",
    "wharfside",
)
_LOCAL_START = {
    "020": "7", "023": "80", "024": "76", "028": "90", "029": "20",
    "0113": "2", "0114": "2", "0115": "9", "0116": "2", "0117": "9", "0118": "9",
}  # fmt: skip
"""How local numbers begin where not every beginning is in use."""
_MILLION = 1_000_000


@dataclass(frozen=True)
class Address:
    """Where each of the people lives; one entry a person."""

    line: Texts
    city: Texts
    region: Texts
    postcode: Texts


@dataclass(frozen=True)
class People:
    """One chunk of customers; every array has an entry a person.

    Attributes:
        start: number of the first of them in the whole company.
        sex: 0 female, 1 male: which list of given names.
        given_number: which of that list.
        birth: days since 1970-01-01.
        home: where they live. ``before``: where they lived until they moved.
        relative: another person of the household, or -1.
        landline: national digits, or "" (only people who live alone have one).
        user_id: their web account, or "". ``handle``: their social account, or "".
    """

    start: int
    given: Texts
    family: Texts
    sex: Indexes
    given_number: Indexes
    has_nickname: Flags
    birth: Indexes
    home: Address
    before: Address
    relative: Indexes
    email: Texts
    work_email: Texts
    mobile: Texts
    landline: Texts
    user_id: Texts
    handle: Texts

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.given)

    def person(self, who: Indexes) -> list[str]:
        """The names under which the truth knows these people."""
        return [f"customer-{self.start + int(number):07d}" for number in who]


def make_people(seed: int, start: int, count: int) -> People:
    """Make the customers numbered ``start`` to ``start + count``; the same arguments give the same people."""
    rng = np.random.default_rng([seed, 0, start])
    words = lexicon()
    household, place_in_household, size = _households(rng, count)
    sex = rng.integers(0, 2, count)
    given_number = np.where(
        sex == 0,
        rng.choice(len(words.female.names), count, p=words.female.chance),
        rng.choice(len(words.male.names), count, p=words.male.chance),
    )
    surname = rng.choice(len(words.surnames), count, p=words.surname_chance)
    head = np.arange(count) - place_in_household
    surname = np.where(rng.random(count) < 0.88, surname[head], surname)
    birth = _births(rng, place_in_household, head)
    alone = size == 1
    alike = _name_neighbours_alike(rng, household, alone, (sex, given_number, surname), birth)

    given = np.where(
        sex == 0,
        words.female.names[np.where(sex == 0, given_number, 0)],
        words.male.names[np.where(sex == 1, given_number, 0)],
    )
    family = words.surnames[surname]
    double = np.flatnonzero((rng.random(count) < 0.03) & alone & ~alike)
    family[double] = family[double] + "-" + words.surnames[rng.choice(len(words.surnames), len(double))]
    home, place = _addresses(rng, words, household)
    numbers = np.arange(start, start + count)
    return People(
        start=start,
        given=given,
        family=family,
        sex=sex,
        given_number=given_number,
        has_nickname=np.where(
            sex == 0,
            words.female.has_nickname[np.where(sex == 0, given_number, 0)],
            words.male.has_nickname[np.where(sex == 1, given_number, 0)],
        ),
        birth=birth,
        home=home,
        before=_addresses(rng, words, np.arange(count))[0],
        relative=np.where(alone, -1, np.where(place_in_household == 0, np.arange(count) + 1, head)),
        email=_emails(rng, given, family, numbers, birth, _MAIL_DOMAINS),
        work_email=_emails(rng, given, family, numbers, birth, _WORK_DOMAINS),
        mobile=_mobiles(numbers),
        landline=_landlines(rng, words, place, alone & (rng.random(count) < 0.5)),
        user_id=_accounts(rng, numbers, WEB_ACCOUNT, "usr-{:08x}"),
        handle=_handles(rng, given, family, numbers),
    )


def _households(rng: np.random.Generator, count: int) -> tuple[Indexes, Indexes, Indexes]:
    """Household of each person, their place in it from 0, and its size; none straddles two chunks."""
    sizes = rng.choice(np.arange(1, 5), count, p=_HOUSEHOLD_SIZES)
    ends = np.cumsum(sizes)
    homes = int(np.searchsorted(ends, count)) + 1
    sizes = sizes[:homes]
    sizes[-1] -= ends[homes - 1] - count
    household = np.repeat(np.arange(homes), sizes)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return household, np.arange(count) - first, np.repeat(sizes, sizes)


def _births(rng: np.random.Generator, place_in_household: Indexes, head: Indexes) -> Indexes:
    """Birth days: adults of 19 to 88; a partner of about the same age, children a generation younger."""
    count = len(head)
    own = rng.integers(-20_000, 5_000, count)
    partner = own[head] + rng.integers(-2_000, 2_000, count)
    child = np.maximum(own[head] + rng.integers(8_000, 12_000, count), rng.integers(8_000, 13_800, count))
    birth = np.select([place_in_household == 0, place_in_household == 1], [own, partner], child)
    return np.asarray(np.clip(birth, -22_000, 13_800), dtype=np.int64)


def _name_neighbours_alike(
    rng: np.random.Generator, household: Indexes, alone: Flags, names: tuple[Indexes, ...], birth: Indexes
) -> Flags:
    """Give some who live alone the name and birth year of a neighbour who does; say who is alike."""
    street = household // _HOUSEHOLDS_A_STREET
    with_neighbour = np.append(alone[:-1] & alone[1:] & (street[:-1] == street[1:]), False)
    with_neighbour[1:] &= ~with_neighbour[:-1]
    first = choose(rng, with_neighbour, NAMESAKE / 2)
    for name in names:
        name[first + 1] = name[first]
    year = (
        birth[first].astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    )
    birth[first + 1] = year + (birth[first] - year + rng.integers(20, 340, len(first))) % 365
    return flags(len(birth), np.concatenate([first, first + 1]))


def _addresses(rng: np.random.Generator, words: Lexicon, household: Indexes) -> tuple[Address, Indexes]:
    """An address for every household: neighbours in one street with one postcode; and the place's number."""
    street_of = np.arange(int(household[-1]) + 1) // _HOUSEHOLDS_A_STREET
    streets = int(street_of[-1]) + 1
    place = rng.choice(len(words.places.city), streets, p=words.places.chance)
    names = rng.integers(0, len(words.streets), streets)
    kinds = rng.integers(0, len(_STREET_KINDS), streets)
    district, sector = rng.integers(1, 25, streets), rng.integers(1, 10, streets)
    letters = rng.integers(0, len(_INWARD_LETTERS), (streets, 2))
    lowest = rng.integers(1, 120, streets)
    street = texts([f"{words.streets[n]} {_STREET_KINDS[k]}" for n, k in zip(names, kinds, strict=True)])
    postcode = texts(
        [
            f"{words.places.area[p]}{d} {s}{_INWARD_LETTERS[a]}{_INWARD_LETTERS[b]}"
            for p, d, s, (a, b) in zip(place, district, sector, letters.tolist(), strict=True)
        ]
    )
    number = lowest[street_of] + 2 * (np.arange(len(street_of)) % _HOUSEHOLDS_A_STREET)
    line = texts([f"{n} {street[s]}" for n, s in zip(number.tolist(), street_of.tolist(), strict=True)])
    of_person = street_of[household]
    return (
        Address(
            line=line[household],
            city=words.places.city[place[of_person]],
            region=words.places.region[place[of_person]],
            postcode=postcode[of_person],
        ),
        place[of_person],
    )


def _emails(
    rng: np.random.Generator,
    given: Texts,
    family: Texts,
    numbers: Indexes,
    birth: Indexes,
    domains: tuple[str, ...],
) -> Texts:
    """An address a person, never the same twice: it ends in a number that is theirs alone."""
    pattern, domain = rng.integers(0, 4, len(given)), rng.integers(0, len(domains), len(given))
    years = birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) % 100
    result = []
    for g, f, n, y, p, d in zip(
        given, family, numbers.tolist(), years.tolist(), pattern.tolist(), domain.tolist(), strict=True
    ):
        g, f = g.lower().replace("-", ""), f.lower().replace("'", "").replace("-", "")
        name = (f"{g}.{f}{n}", f"{g[0]}{f}{n}", f"{g}{n}_{y:02d}", f"{f}.{g[0]}.{n}")[p]
        result.append(f"{name}@{domains[d]}.example")
    return texts(result)


def _mobiles(numbers: Indexes) -> Texts:
    """A mobile number a person, as national digits without the 0; never the same twice among ten million."""
    scattered = (numbers * 7_368_787) % (10 * _MILLION)
    return texts([f"78{10 + n // _MILLION:02d}{n % _MILLION:06d}" for n in scattered.tolist()])


def _landlines(rng: np.random.Generator, words: Lexicon, place: Indexes, has_one: Flags) -> Texts:
    digits = rng.integers(2_000_000, 7_999_999, len(place)).tolist()
    codes = words.places.dialling_code[place]
    result = []
    for code, number, wanted in zip(codes, digits, has_one.tolist(), strict=True):
        local = f"{_LOCAL_START.get(code, '')}{number}"[: 11 - len(code)]
        result.append(f"{code[1:]}{local}" if wanted else "")
    return texts(result)


def _accounts(rng: np.random.Generator, numbers: Indexes, rate: float, form: str) -> Texts:
    """An account for a share of the people; its ID tells nothing about them."""
    scattered = (numbers * 2_654_435_761 + 97) % 2**32
    has_one = flags(len(numbers), choose(rng, every(len(numbers)), rate))
    return texts(
        [form.format(n) if has else "" for n, has in zip(scattered.tolist(), has_one.tolist(), strict=True)]
    )


def _handles(rng: np.random.Generator, given: Texts, family: Texts, numbers: Indexes) -> Texts:
    has_one = flags(len(numbers), choose(rng, every(len(numbers)), SOCIAL_ACCOUNT))
    return texts(
        [
            f"{g.lower().replace('-', '')}_{f[:3].lower().strip(chr(39))}{n}" if has else ""
            for g, f, n, has in zip(given, family, numbers.tolist(), has_one.tolist(), strict=True)
        ]
    )
