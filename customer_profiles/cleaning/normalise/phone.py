"""Phone numbers to E.164, by the rules of Google's libphonenumber."""

import re
from functools import cache, lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

from customer_profiles.cleaning.normalise.text import text
from customer_profiles.cleaning.reasons import Reason

_ORNAMENT = str.maketrans("", "", " ()-./\u00a0")
_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


def phone(value: object, region: str) -> str | Reason | None:
    """The number in E.164 form, such as +447700900123.

    Args:
        value: As the source has it, with any punctuation; a number as well as text.
        region: The country (ISO 3166, two letters) whose national numbers it may be.

    Returns:
        The number when libphonenumber holds it for valid, else the reason.
    """
    found = text(value)
    if found is None or isinstance(found, Reason):
        return found
    return _parsed(found, region)


@lru_cache(maxsize=200_000)
def _parsed(written: str, region: str) -> str | Reason:
    digits = written.translate(_ORNAMENT)
    prefix, country_code, pattern = _national(region)
    if pattern is not None and digits.isascii():
        # Most numbers are plain national ones: one regular expression from the same metadata settles them at a
        # twentieth of the cost. Everything else takes the whole way; a test holds the two to the same answers.
        if digits.startswith(country_code):
            national = digits[len(country_code) :]
        elif prefix and digits.startswith(prefix) and written[0] != "+":
            national = digits[len(prefix) :]
        else:
            national = ""
        if pattern.fullmatch(national):
            return country_code + national
    return parsed_by_library(written, region)


def parsed_by_library(written: str, region: str) -> str | Reason:
    """The same answer by libphonenumber alone."""
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return Reason.BAD_PHONE
    if not phonenumbers.is_valid_number(number):
        return Reason.BAD_PHONE
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _national(region: str) -> tuple[str, str, re.Pattern[str] | None]:
    """The region's national prefix, its country code with the plus, and the pattern of its valid national numbers."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.national_prefix_transform_rule or metadata.leading_digits:
        return "", "", None
    if metadata.country_code is None or metadata.general_desc is None:
        return "", "", None
    prefix = metadata.national_prefix or ""
    parsing = metadata.national_prefix_for_parsing or prefix
    alone = PhoneMetadata.metadata_for_region_or_calling_code(metadata.country_code, region) is metadata
    main = phonenumbers.region_code_for_country_code(metadata.country_code) == region
    if parsing.split("|")[0] != prefix or not alone or not main:
        return "", "", None
    kinds = [getattr(metadata, kind) for kind in _KINDS]
    patterns = "|".join(
        f"(?=(?:{kind.national_number_pattern})$)(?:{'|'.join(f'[0-9]{{{n}}}' for n in kind.possible_length)})"
        for kind in kinds
        if kind is not None and kind.national_number_pattern and kind.possible_length
    )
    general = metadata.general_desc.national_number_pattern
    # A national number that itself begins with the prefix could be read in two ways: leave it to the library.
    not_prefix = f"(?!{parsing})" if parsing else ""
    return prefix, f"+{metadata.country_code}", re.compile(f"{not_prefix}(?=(?:{general})$)(?:{patterns})")
