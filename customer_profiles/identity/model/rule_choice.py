"""Which blocking rules are worth their candidates: chosen once, in training, from what each of them finds.

On few records every rule is cheap and stays. On many, some rules bring together crowds of strangers for a handful of
matches that no other rule finds; each new record would pay for these for ever.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.edges.blocking import BlockingRule
from customer_profiles.identity.edges.scoring import UNITS_A_BIT
from customer_profiles.identity.edges.workbench import Workbench

ALWAYS_WORTH = 5.0
"""So many pairs a content may be looked at whatever comes of it."""
CANDIDATES_A_MATCH = 300
"""Beyond that a rule stays while it finds, in so many pairs that no better rule looks at, at least one expected match."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def choose_rules(
    bench: Workbench, rules: Sequence[BlockingRule], kinds: int, contents: float
) -> tuple[BlockingRule, ...]:
    """The rules that are worth their candidates, in the order given.

    Args:
        bench: A workbench whose table `scored` has the candidates of all rules, or a sample of them.
        rules: The rules, in the order of their bits.
        kinds: How many bits stand before theirs: kinds of identifiers, which stay in any case.
        contents: How many left contents the candidates come from.
    """
    rows = bench.arrays(
        "select support, count(*)::double as pairs, "
        f"sum(1 / (1 + pow(2.0, -weight / {UNITS_A_BIT}::double))) as matches from scored group by support"
    )
    support = np.asarray(rows["support"], dtype=np.int64)
    pairs, matches = (np.asarray(rows[name], dtype=np.float64) for name in ("pairs", "matches"))
    kept = worthwhile(support, pairs, matches, kinds, len(rules), ALWAYS_WORTH * contents)
    return tuple(rule for place, rule in enumerate(rules) if place in kept)


def worthwhile(
    support: Integers, pairs: Floats, matches: Floats, kinds: int, rules: int, free: float
) -> set[int]:
    """The places of the rules that are worth their candidates: the best first, each for what it adds.

    Args:
        support: Distinct sets of rules that bring pairs together, as bits; kinds of identifiers first.
        pairs: For each how many pairs.
        matches: For each how many of them are expected to be matches.
        kinds: How many bits stand before those of rules.
        rules: How many rules.
        free: So many pairs may be looked at whatever comes of it.
    """
    open_ = (support & ((1 << kinds) - 1)) == 0
    looked_at = float(pairs[~open_].sum())
    kept: set[int] = set()
    left = list(range(rules))
    while left:
        best, worth, added = left[0], -1.0, 0.0
        for rule in left:
            new = open_ & ((support >> (kinds + rule)) & 1 == 1)
            candidates = float(pairs[new].sum())
            of_it = float(matches[new].sum()) / candidates if candidates else 0.0
            if of_it > worth:
                best, worth, added = rule, of_it, candidates
        if worth * CANDIDATES_A_MATCH < 1 and looked_at + added > free:
            break
        kept.add(best)
        left.remove(best)
        looked_at += added
        open_ &= (support >> (kinds + best)) & 1 == 0
    return kept
