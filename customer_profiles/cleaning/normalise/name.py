"""Names of people. Accents stay; folding them for comparison is identity's business."""

import re
import unicodedata
from functools import lru_cache

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_TITLES_WRITTEN = """
mr mrs ms miss mx mister master dr doctor prof professor sir dame rev reverend fr father hon capt captain
lt col maj sgt herr frau monsieur madame mme mlle sr sra srta señor señora signor signora dott
"""
_SUFFIXES_WRITTEN = """
jr jnr junior sr snr senior ii iii iv phd md mbbs bsc msc mba esq obe mbe cbe qc dds
"""
_NOBODY_WRITTEN = """
test tester anonymous guest noname name customer firstname lastname xxx tbc tba no_name
"""
_TITLES, _SUFFIXES, _NOBODY = (
    frozenset(written.split()) for written in (_TITLES_WRITTEN, _SUFFIXES_WRITTEN, _NOBODY_WRITTEN)
)
_AND = frozenset({"&", "and", "und", "et", "y", "e"})
_PART = re.compile(r"[^\W\d_]+")
_APOSTROPHES = str.maketrans({"’": "'", "`": "'", "´": "'", "ʼ": "'", "‘": "'", "′": "'"})
_DASHES = str.maketrans({"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-"})


def name(value: object) -> str | Reason | None:
    """A name in one form: Unicode NFKC, single spaces, no titles or degrees, written in capitals where it was not.

    A name in mixed case is left as its owner writes it (McDonald, van der Berg), but for words shouted in capitals; one all
    in capitals or all in small letters gets a capital at the start of each part. `Family, Given` is turned round.
    """
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    return _cleaned(found)


@lru_cache(maxsize=100_000)
def _cleaned(written: str) -> str | None:
    found = written
    for _ in range(4):
        once = _once(found)
        if once == found or once is None:
            return once
        found = once
    return found


def _once(written: str) -> str | None:
    found = written.translate(_APOSTROPHES).translate(_DASHES)
    if found.count(",") == 1:
        family, given = (part.strip() for part in found.split(","))
        if family and given and given.lower().replace(".", "") not in _SUFFIXES:
            found = f"{given} {family}"
    words = [word for word in re.split(r"[\s,;]+", found) if word]
    titled = False
    while len(words) > 1 and (_bare(words[0]) in _TITLES or (titled and words[0].lower() in _AND)):
        words, titled = words[1:], True
    while len(words) > 1 and _bare(words[-1]) in _SUFFIXES:
        words = words[:-1]
    words = [
        word.strip('"()[]*_-.,;:/') + ("." if len(word) == 2 and word[1] == "." else "") for word in words
    ]
    found = " ".join(word for word in words if word and word != ".")
    if (
        not found
        or found.lower().replace(" ", "_") in _NOBODY
        or not any(letter.isalpha() for letter in found)
    ):
        return None
    if found.isupper() or found.islower():
        found = re.sub(r"'S\b", "'s", _PART.sub(_capital, found))
    else:
        found = _PART.sub(
            lambda part: _capital(part) if len(part[0]) > 2 and part[0].isupper() else part[0], found
        )
    return " ".join(unicodedata.normalize("NFKC", found).split())


def _capital(part: re.Match[str]) -> str:
    return part[0][:1].upper() + part[0][1:].lower()


def _bare(word: str) -> str:
    return word.replace(".", "").strip("()").lower()
