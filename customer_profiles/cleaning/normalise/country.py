"""Countries to ISO 3166-1 codes of two letters."""

from functools import cache, lru_cache

from phonenumbers.geodata.locale import LOCALE_DATA

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

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
    "USA": "US",
    "UNITED STATES OF AMERICA": "US",
    "AMERICA": "US",
    "HOLLAND": "NL",
    "THE NETHERLANDS": "NL",
    "CZECH REPUBLIC": "CZ",
    "SOUTH KOREA": "KR",
    "RUSSIA": "RU",
    "TURKEY": "TR",
    "UAE": "AE",
}
_THREE_LETTERS = (
    "ARE:AE ARG:AR AUS:AU AUT:AT BEL:BE BGR:BG BRA:BR CAN:CA CHE:CH CHL:CL CHN:CN COL:CO CYP:CY CZE:CZ DEU:DE DNK:DK "
    "EGY:EG ESP:ES EST:EE FIN:FI FRA:FR GBR:GB GRC:GR HKG:HK HRV:HR HUN:HU IDN:ID IND:IN IRL:IE ISL:IS ISR:IL ITA:IT "
    "JPN:JP KEN:KE KOR:KR LKA:LK LTU:LT LUX:LU LVA:LV MAR:MA MEX:MX MLT:MT MYS:MY NGA:NG NLD:NL NOR:NO NZL:NZ PAK:PK "
    "PER:PE PHL:PH POL:PL PRT:PT ROU:RO RUS:RU SAU:SA SGP:SG SRB:RS SVK:SK SVN:SI SWE:SE THA:TH TUR:TR TWN:TW UKR:UA "
    "USA:US VNM:VN ZAF:ZA BGD:BD"
)


def country(value: object) -> str | Reason | None:
    """The country's code of two letters, from that, from one of three letters, or from its name in any large language."""
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    return _code(found)


@lru_cache(maxsize=4096)
def _code(written: str) -> str | Reason:
    folded = " ".join(written.upper().replace(".", "").split())
    if len(folded) == 2 and folded in LOCALE_DATA:
        return folded
    return _ALIASES.get(folded) or _names().get(folded) or Reason.BAD_COUNTRY


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for code, by_language in LOCALE_DATA.items():
        for name in by_language.values():
            if not name.startswith("*"):
                names.setdefault(name.upper(), code)
    names.update((three, two) for three, two in (pair.split(":") for pair in _THREE_LETTERS.split()))
    # English decides where two languages use a name for different countries.
    names.update(
        (by_language["en"].upper(), code) for code, by_language in LOCALE_DATA.items() if "en" in by_language
    )
    return names
