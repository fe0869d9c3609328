"""How two records are compared: Splink comparisons over the contract fields and every extra attribute.

Levels stand from the greatest agreement to the least. Their SQL reads the columns of the table `feature`.
The model is plain Splink JSON: Splink's own `predict` runs it on any DuckDB that has the macros of
`workbench.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

SPELT_FROM = 100
"""Attributes with more different values than this are taken for free text, which may be misspelt."""

NAME_BITS = "name_bits(name_tokens_l, name_tokens_r)"
FIRST_NAMES_DIFFER = "first_names_differ(first_name_l, first_name_r, name_tokens_l, name_tokens_r)"
DATE_SLIPS = "date_slips(birth_date_l, birth_date_r)"
_COVER = f"{NAME_BITS} >= 0.6 * least(name_total_l, name_total_r)"
_SAME_YEAR = "substr(birth_date_l, 1, 4) = substr(birth_date_r, 1, 4)"
OTHER_FIRST_NAME = 0.03
"""The share of one person's records that carry plainly different first names.

Assumed, never learnt: relatives who share a home and a family name look to expectation maximisation like one person with
several first names, and there may be more of them than of matches. For the same reason a shared family name counts for
nothing, unless the birth date is the same too: relatives hardly ever share that. There six bits of words in common are
taken for one chance in 256.
"""


@dataclass(frozen=True)
class Level:
    """One degree of agreement.

    Attributes:
        sql: the condition, on columns that end in `_l` and `_r`.
        label: what it means, in words.
        rare: the column whose rare values weigh more on this level (term frequency), or empty.
        shared_home: whether non-matches reach the level by living together: how often is learnt from the
            candidates.
        assumed: the shares of matches and of non-matches on this level, where they are no matter of learning.
    """

    sql: str
    label: str
    rare: str = ""
    shared_home: bool = False
    assumed: tuple[float, float | None] | None = None


@dataclass(frozen=True)
class FieldComparison:
    """The levels of one field, from the greatest agreement to the least; *no agreement* is left out, it is
    always there.
    """

    name: str
    field: str
    null_sql: str
    levels: tuple[Level, ...]


def _missing(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


def _exact(column: str) -> Level:
    return Level(f"{column}_l = {column}_r", "the same", rare=column)


def _near(column: str) -> str:
    return (
        f"(jaro_winkler_similarity({column}_l, {column}_r) >= 0.9 "
        f"or contains({column}_l, {column}_r) or contains({column}_r, {column}_l))"
    )


NAME = FieldComparison(
    "name",
    "name",
    _missing("name"),
    (
        _exact("name"),
        Level("name_set_l = name_set_r", "the same words in another order", rare="name_set"),
        Level(
            f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 14 and {_COVER}", "14 bits of words, most of a name"
        ),
        Level(
            f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 9 and {_COVER}", "9 bits of words, most of a name"
        ),
        Level(f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 9", "9 bits of words"),
        Level(
            f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 6 and {_COVER}", "6 bits of words, most of a name"
        ),
        Level(f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 6", "6 bits of words"),
        Level(
            f"{FIRST_NAMES_DIFFER} and {NAME_BITS} >= 6 and {DATE_SLIPS} <= 1",
            "another first name, but the same family name and birth date",
            assumed=(0.02, 1 / 256),
        ),
        Level(
            f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 3 and {_COVER}", "3 bits of words, most of a name"
        ),
        Level(f"not {FIRST_NAMES_DIFFER} and {NAME_BITS} >= 2", "a word or an initial"),
        Level(FIRST_NAMES_DIFFER, "another first name", assumed=(OTHER_FIRST_NAME, None)),
    ),
)

BIRTH_DATE = FieldComparison(
    "birth_date",
    "birth_date",
    _missing("birth_date"),
    (
        _exact("birth_date"),
        Level(f"{DATE_SLIPS} <= 1 and {_SAME_YEAR}", "one slip in month or day"),
        Level(f"{DATE_SLIPS} <= 1", "one slip in the year"),
        Level(_SAME_YEAR, "the same year"),
        Level(f"{DATE_SLIPS} <= 2", "two slips"),
    ),
)

_ONE_SLIP = "damerau_levenshtein(postcode_l, postcode_r) <= 1"
_NEAR_ADDRESS = (
    f"({_near('address_line')} or jaro_winkler_similarity(address_words_l, address_words_r) >= 0.9)"
)
_SAME_TOWN = f"{_near('city')} or {_ONE_SLIP} or outcode_l = outcode_r"

PLACES = ("address_line", "postcode", "city")

LOCATION = FieldComparison(
    "location",
    "location",
    " and ".join(
        f"({column}_l is null or {column}_r is null)" for column in ("address_line", "postcode", "city")
    ),
    (
        Level(
            "address_postcode_l = address_postcode_r", "the same address line and postcode", shared_home=True
        ),
        Level(
            f"postcode_l = postcode_r and {_NEAR_ADDRESS}",
            "nearly the same address line, the same postcode",
            shared_home=True,
        ),
        Level(
            f"address_words_l = address_words_r and ({_SAME_TOWN})",
            "the same address line, much the same town",
            shared_home=True,
        ),
        Level(
            f"{_NEAR_ADDRESS} and ({_SAME_TOWN})",
            "nearly the same address line, much the same town",
            shared_home=True,
        ),
        Level("address_words_l = address_words_r", "the same address line", rare="address_words"),
        Level("postcode_city_l = postcode_city_r", "the same postcode and city", rare="postcode_city"),
        Level("postcode_l = postcode_r", "the same postcode", rare="postcode"),
        Level(f"{_ONE_SLIP} and city_l = city_r", "one slip in the postcode, the same city"),
        Level(_ONE_SLIP, "one slip in the postcode"),
        Level("outcode_l = outcode_r", "the same outward code"),
        Level("city_l = city_r", "the same city", rare="city"),
        Level(_near("city"), "a city of nearly the same name, or one within the other"),
        Level("postcode_area_l = postcode_area_r", "the same postcode area"),
    ),
)
"""Where people live is one comparison: an address implies its postcode, a postcode its city. Weighing them
one by one would count one fact three times, and take a household for one person."""

REGION = FieldComparison(
    "region",
    "region",
    f"{_missing('region')} or postcode_l = postcode_r or city_l = city_r",
    (_exact("region"),),
)
"""A region says nothing new where postcode or city are the same."""

EMAILS = FieldComparison(
    "emails",
    "emails",
    "len(emails_l) = 0 or len(emails_r) = 0",
    (
        Level("list_has_any(emails_l, emails_r)", "an address in common"),
        Level("list_has_any(email_names_l, email_names_r)", "the same name at another provider"),
    ),
)

PHONES = FieldComparison(
    "phones",
    "phones",
    "len(phones_l) = 0 or len(phones_r) = 0",
    (Level("list_has_any(phones_l, phones_r)", "a number in common"),),
)


def attribute(column: str, spelling: bool) -> FieldComparison:
    """An extra attribute: the same or different; free text may be misspelt too."""
    near = Level(f"jaro_winkler_similarity({column}_l, {column}_r) >= 0.92", "nearly the same")
    return FieldComparison(column, column, _missing(column), (_exact(column), *((near,) if spelling else ())))


def shared_values(column: str) -> FieldComparison:
    """Identifiers that are evidence only (a device): one in common, or none."""
    return FieldComparison(
        column,
        column,
        f"len({column}_l) = 0 or len({column}_r) = 0",
        (Level(f"list_has_any({column}_l, {column}_r)", "one in common"),),
    )


def comparisons_for(distinct: dict[str, int], evidence: Collection[str]) -> tuple[FieldComparison, ...]:
    """The comparisons that data with these fields can bear.

    Args:
        distinct: by column of the table `content`, how many different values it has; a column with fewer
            than two tells nobody apart and is left out.
        evidence: columns of identifiers that are evidence only.
    """
    fixed = (NAME, BIRTH_DATE, LOCATION, REGION, EMAILS, PHONES)
    known = dict(distinct)
    known["location"] = max(known.get(column, 0) for column in PLACES)
    chosen: list[FieldComparison] = [c for c in fixed if known.get(c.field, 0) > 1]
    attributes = sorted(name for name in distinct if name.startswith("extra_"))
    chosen += [
        attribute(name, distinct[name] > SPELT_FROM) for name in attributes if distinct.get(name, 0) > 1
    ]
    chosen += [shared_values(column) for column in sorted(evidence) if distinct.get(column, 0) > 1]
    return tuple(chosen)


def splink_comparison(
    comparison: FieldComparison, m: Sequence[float], u: Sequence[float], floors: dict[str, float]
) -> dict[str, Any]:
    """The comparison as Splink's JSON.

    Args:
        comparison: the levels.
        m: for each level from the greatest agreement to none, how often matches are there.
        u: the same for pairs that are not matches.
        floors: by column, the share of a value as rare as values get.
    """
    levels: list[dict[str, Any]] = [
        {"sql_condition": comparison.null_sql, "label_for_charts": "not known", "is_null_level": True}
    ]
    for level, match, other in zip((*comparison.levels, Level("ELSE", "different")), m, u, strict=True):
        entry: dict[str, Any] = {
            "sql_condition": level.sql,
            "label_for_charts": level.label,
            "m_probability": float(match),
            "u_probability": float(other),
        }
        if level.rare:
            entry |= {
                "tf_adjustment_column": level.rare,
                "tf_adjustment_weight": 1.0,
                "tf_minimum_u_value": float(floors.get(level.rare, 0.0)),
            }
        levels.append(entry)
    return {"output_column_name": comparison.name, "comparison_levels": levels}


def splink_model(comparisons: Sequence[dict[str, Any]], match_share: float) -> dict[str, Any]:
    """A Splink model over these comparisons, as JSON.

    Args:
        comparisons: from `splink_comparison`.
        match_share: the probability that two records taken at random are the same person.
    """
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "content_no",
        "probability_two_random_records_match": match_share,
        "comparisons": list(comparisons),
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
    }


def rare_columns(comparisons: Collection[FieldComparison]) -> tuple[str, ...]:
    """The columns whose rare values weigh more, in order of their names."""
    return tuple(
        sorted({level.rare for comparison in comparisons for level in comparison.levels if level.rare})
    )
