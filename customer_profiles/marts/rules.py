"""The language of segment rules: a condition in SQL over traits and window facts, and nothing else. Pure.

What a rule may hold: comparisons, AND / OR / NOT, arithmetic, IN a list, BETWEEN, LIKE, IS NULL, and the
functions coalesce, lower, upper and length. A trait that has several values means its first. A fact of one value of a
property is written `purchase_count_30d[category = 'shoes']`.
"""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.marts.facts import EVERYTHING, Fact, Grammar, Measure, read_fact
from customer_profiles.marts.survivorship import TraitSpec

_COMPARISONS = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
    exp.In,
    exp.Like,
    exp.ILike,
    exp.Is,
)
_CONDITIONS = (*_COMPARISONS, exp.And, exp.Or, exp.Not, exp.Paren, exp.Boolean)
_VALUES = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Null,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Mod,
    exp.Neg,
)
_FUNCTIONS = (exp.Coalesce, exp.Lower, exp.Upper, exp.Length)
_ALLOWED = frozenset((*_CONDITIONS, *_VALUES, *_FUNCTIONS))


class SegmentError(CustomerProfilesError):
    """A segment's rule is not one; the message names the settings key."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A segment's rule, checked.

    Attributes:
        segment: Name of the segment.
        condition: The condition as DuckDB reads it, its names quoted.
        traits: The traits it uses.
        facts: The window facts it uses.
        days: Of each days-since-last fact by name, the only numbers of days at which the rule can change; a
            fact that is missing here is used in a way where every day can matter.
    """

    segment: str
    condition: str
    traits: tuple[TraitSpec, ...]
    facts: tuple[Fact, ...]
    days: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Every trait and fact the rule looks at."""
        return (*(one.name for one in self.traits), *(one.name for one in self.facts))


def read_rule(
    segment: str,
    when: str,
    traits: Mapping[str, TraitSpec],
    grammar: Grammar,
    subjects: Collection[str] | None = None,
) -> Rule:
    """Read and check a segment's condition.

    Args:
        segment: Name of the segment, for the settings key in messages.
        when: The condition.
        traits: The traits there are, by name.
        grammar: What names of facts may say.
        subjects: The interaction types and channels there are; None when they are not known beforehand.

    Raises:
        SegmentError: it cannot be read, holds something a rule may not hold, or names what is no trait or
        window.
    """
    key = f"segments.{segment}.when"
    try:
        parsed = [one for one in sqlglot.parse(when, read="duckdb") if one is not None]
    except SqlglotError as error:
        raise SegmentError(
            f"{key} is not a condition that can be read: write it as in an SQL WHERE."
        ) from error
    if len(parsed) != 1:
        raise SegmentError(f"{key} must hold one condition, it holds {len(parsed)}.")
    tree = _with_named_properties(parsed[0])
    for node in tree.walk():
        if type(node) not in _ALLOWED:
            raise SegmentError(
                f"{key} may not use {_spelling(node)}: a rule holds comparisons, AND, OR, NOT, arithmetic, "
                "IN, BETWEEN, LIKE, IS NULL, coalesce, lower, upper and length over traits and windows."
            )
    if not isinstance(tree, _CONDITIONS):
        raise SegmentError(f"{key} is a value, not a condition: compare it with something.")
    used_traits: dict[str, TraitSpec] = {}
    used_facts: dict[str, Fact] = {}
    for column in tree.find_all(exp.Column):
        head, bracket, rest = column.name.partition("[")
        name = head.lower() + bracket + rest
        fact = read_fact(name, grammar)
        if len(column.parts) == 1 and name in traits:
            used_traits[name] = traits[name]
        elif (
            len(column.parts) == 1 and fact and (subjects is None or fact.subject in {*subjects, EVERYTHING})
        ):
            used_facts[name] = fact
        else:
            raise SegmentError(_no_such_name(key, column, name, traits, grammar, subjects))
        column.set(
            "this", exp.to_identifier(fact.column if name in used_facts and fact else name, quoted=True)
        )
    for node in tree.find_all(*_COMPARISONS):
        _refuse_text_against_number(key, node, used_traits)
    days = {
        name: wanted
        for name, fact in used_facts.items()
        if fact.measure == Measure.DAYS_SINCE_LAST
        and (wanted := _days_that_matter(tree, fact.column)) is not None
    }
    condition = tree.sql(dialect="duckdb", comments=False)
    by_name = sorted(used_traits), sorted(used_facts)
    return Rule(
        segment,
        condition,
        tuple(used_traits[name] for name in by_name[0]),
        tuple(used_facts[name] for name in by_name[1]),
        days,
    )


def _with_named_properties(tree: exp.Expression) -> exp.Expression:
    """`fact[property = 'value']` becomes one name; any other bracket stays, and is refused."""

    def named(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Bracket) or len(node.expressions) != 1:
            return node
        fact, of = node.this, node.expressions[0]
        if not (
            isinstance(fact, exp.Column)
            and len(fact.parts) == 1
            and isinstance(of, exp.EQ)
            and isinstance(of.this, exp.Column)
            and len(of.this.parts) == 1
            and isinstance(of.expression, exp.Literal)
            and of.expression.is_string
        ):
            return node
        name = f"{fact.name}[{of.this.name.lower()}={of.expression.this}]"
        return exp.Column(this=exp.to_identifier(name, quoted=True))

    return tree.transform(named)


def _refuse_text_against_number(key: str, node: exp.Expression, traits: Mapping[str, TraitSpec]) -> None:
    sides = list(node.iter_expressions())
    texts = [one.name for one in sides if isinstance(one, exp.Column) and one.name in traits]
    texts = [name for name in texts if not traits[name].number]
    if texts and any(isinstance(one, exp.Literal) and not one.is_string for one in sides):
        raise SegmentError(
            f'{key} compares the text "{texts[0]}" with a number: quote it, or declare the trait a number.'
        )


def _days_that_matter(tree: exp.Expression, name: str) -> tuple[int, ...] | None:
    """The days at which comparisons with plain numbers can turn; None when it is used in another way."""
    days: set[int] = set()
    for column in tree.find_all(exp.Column):
        if column.name != name:
            continue
        parent = column.parent
        if isinstance(parent, exp.Is):
            continue
        if not isinstance(parent, _COMPARISONS) or isinstance(parent, exp.Like | exp.ILike):
            return None
        for other in parent.iter_expressions():
            if other is column:
                continue
            if not isinstance(other, exp.Literal) or other.is_string:
                return None
            number = float(other.this)
            days |= {math.ceil(number), math.floor(number) + 1}
    return tuple(sorted(days))


def _spelling(node: exp.Expression) -> str:
    if isinstance(node, exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        return f"the function {name.lower()}"
    return {"Select": "a subquery", "Subquery": "a subquery", "Star": "*"}.get(
        type(node).__name__, type(node).__name__.upper()
    )


def _no_such_name(
    key: str,
    column: exp.Column,
    name: str,
    traits: Mapping[str, TraitSpec],
    grammar: Grammar,
    subjects: Collection[str] | None,
) -> str:
    head, bracket, of = name.partition("[")
    property_name = of.partition("=")[0]
    if bracket and property_name not in grammar.properties:
        counted = ", ".join(grammar.properties) or "none"
        return (
            f"{key} asks for the property {property_name}, which is not counted: name it in windows.properties "
            f"(there: {counted})."
        )
    known = [EVERYTHING, "purchase", *(subjects or ("page",))]
    facts = [
        f"{one}_{kind}_{window}"
        for one in known
        for kind in ("count", "value", "days")
        for window in grammar.windows
    ]
    facts += [f"days_since_last_{one}" for one in known]
    nearest = difflib.get_close_matches(head, [*traits, *facts], n=1, cutoff=0.5)
    hint = f' The nearest name is "{nearest[0]}".' if nearest else ""
    windows = ", ".join(grammar.windows)
    written = head if bracket else column.sql(dialect="duckdb")
    return f'{key} names "{written}", which is no trait and no window.{hint} Windows (windows.lengths): {windows}.'
