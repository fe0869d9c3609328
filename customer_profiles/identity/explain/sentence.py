"""Why two records are one customer or not, in one sentence. Pure; names of ours and numbers, never a value of a person."""

from __future__ import annotations

from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.clusters.vetoes import Verdict
from customer_profiles.identity.explain.links import DECISION, Link
from customer_profiles.identity.explain.pair import KeyState, PairFacts
from customer_profiles.identity.explain.refusal import Turn
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings, Joins


def sentence_of(
    together: bool,
    pair: tuple[int, int],
    found: Link | None,
    facts: PairFacts,
    turn: Turn | None,
    path: tuple[Link, ...],
    bundle: ModelBundle,
    settings: IdentitySettings,
) -> str:
    """Why, in one sentence.

    Args:
        together: Whether they are one customer.
        pair: The two records that are compared.
        found: The edge between them, None where there is none.
        facts: What they share, and what the model says of them.
        turn: What became of the edge.
        path: The links that lead from one to the other.
        bundle: The model.
        settings: Kinds of identifiers.
    """
    if together:
        return _why(pair, path)
    if found is not None and turn is not None:
        return f"They are two customers: {_refused(found, turn)}"
    return f"They are two customers: {_no_edge(facts, bundle, settings)}"


def _why(pair: tuple[int, int], path: tuple[Link, ...]) -> str:
    if not path:
        return "They are one customer as it stands; the edges have changed since, and the next run decides again."
    if len(path) == 1 and path[0].kind == DECISION:
        return "They are one customer: a steward put them together."
    if len(path) == 1:
        return f"They are one customer: {_edge_words(path[0])} joins them."
    return (
        f"They are one customer: {len(path)} links lead from one to the other, the weakest of which is "
        + (
            _edge_words(min(path, key=lambda link: float("inf") if link.weight is None else link.weight))
            + "."
        )
    )


def _edge_words(link: Link) -> str:
    if link.kind == DECISION:
        return "a decision"
    what = "the model's score" if link.kind == "probabilistic" else f"a shared {link.kind}"
    return f"{what} of {link.bits:.2f} bits"


def _refused(found: Link, turn: Turn) -> str:
    words = f"{_edge_words(found)} between {found.left_no} and {found.right_no}"
    if turn.verdict is Verdict.LINKAGE and turn.linkage is not None:
        numbers = turn.linkage
        return (
            f"{words} was refused, for the sides of {len(turn.left_side)} and {len(turn.right_side)} records do not hang "
            f"together: strongest {numbers.strongest / UNIT:.2f}, mean {numbers.mean / UNIT:.2f} bits with "
            f"{numbers.missing} of {numbers.missing + numbers.edges} pairs missing, which makes {numbers.mixed / UNIT:.2f}, "
            f"below the threshold of {numbers.threshold / UNIT:.2f}."
        )
    if turn.verdict is Verdict.APART:
        return f"{words} was refused, for a steward ruled that they stay apart."
    if turn.verdict is Verdict.EXCLUSIVE:
        return f"{words} was refused, for each side has another {' and another '.join(turn.exclusive)}."
    if turn.verdict is Verdict.NAMES:
        return f"{words} was refused, for they plainly differ in first name and in birth date."
    return f"{words} counts, but the graph was not brought up to date since: run `customer-profiles run`."


def _no_edge(facts: PairFacts, bundle: ModelBundle, settings: IdentitySettings) -> str:
    score = facts.score.weight / UNIT
    joining = [
        key.name
        for key in facts.shared
        if key.identifier
        and key.state is KeyState.LIVE
        and settings.identifiers[key.name].joins is Joins.UNLESS_NAMES_CONFLICT
    ]
    live = [key for key in facts.shared if key.state is KeyState.LIVE]
    if not facts.shared:
        return (
            "they share no identifier and no blocking key, so they were never compared; "
            f"compared, they would have {score:.2f} bits."
        )
    if not live:
        dead = ", ".join(sorted({f"{key.name} ({key.state.value})" for key in facts.shared}))
        return f"all that they share counts as nothing: {dead}; compared, they would have {score:.2f} bits."
    if score >= bundle.edge_threshold:
        return (
            f"compared they have {score:.2f} bits and no edge: of many copies of one content only the first few "
            "are held against others."
        )
    names = (
        f" The shared {', '.join(joining)} does not join them, for their first names differ."
        if joining
        else ""
    )
    review = ", which waits for review" if score >= bundle.review_floor else ""
    return f"compared they have {score:.2f} bits{review}, below the {bundle.edge_threshold:.2f} that make an edge.{names}"
