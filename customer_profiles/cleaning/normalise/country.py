"""Countries to ISO 3166-1 codes of two letters."""

import gettext
from functools import cache, lru_cache

import pycountry

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "sv", "tr", "ru", "ar", "hi", "ja", "ko", "zh_CN")
_ALIASES = {
    "UK": "GB",
    "ENGLAND": "GB",
    "SCOTLAND": "GB",
    "WALES": "GB",
    "NORTHERN IRELAND": "GB",
    "GREAT BRITAIN": "GB",
    "BRITAIN": "GB",
    "EIRE": "IE",
    "REPUBLIC OF IRELAND": "IE",
    "AMERICA": "US",
    "HOLLAND": "NL",
    "THE NETHERLANDS": "NL",
    "CZECH REPUBLIC": "CZ",
    "SOUTH KOREA": "KR",
    "RUSSIA": "RU",
    "TURKEY": "TR",
    "UAE": "AE",
    "KOSOVO": "XK",
}


def country(value: object) -> str | Reason | None:
    """The country's code of two letters, from that, from one of three letters, or from its name in any large language."""
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    return _code(found)


@lru_cache(maxsize=4096)
def _code(written: str) -> str | Reason:
    folded = " ".join(written.upper().replace(".", "").split())
    return _ALIASES.get(folded) or _english().get(folded) or _translated().get(folded) or Reason.BAD_COUNTRY


@cache
def _english() -> dict[str, str]:
    """Codes and English names, all in capitals, to the code of two letters."""
    codes = {}
    for entry in pycountry.countries:
        known = (entry.alpha_2, entry.alpha_3, entry.name, *_other_names(entry))
        codes.update({name.upper(): entry.alpha_2 for name in known})
    return codes


@cache
def _translated() -> dict[str, str]:
    """Names in the large languages; of two countries that share a name, the first by code."""
    codes: dict[str, str] = {}
    for language in _LANGUAGES:
        translation = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for entry in sorted(pycountry.countries, key=lambda entry: entry.alpha_2):
            for name in (entry.name, *_other_names(entry)):
                codes.setdefault(translation.gettext(name).upper(), entry.alpha_2)
    return codes


def _other_names(entry: object) -> list[str]:
    names = (getattr(entry, attribute, None) for attribute in ("common_name", "official_name"))
    return [name for name in names if name]
