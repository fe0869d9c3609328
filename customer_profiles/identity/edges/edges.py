"""Edges: which pairs of records are, or may be, the same person, how sure that is, and what speaks for it.

An edge exists when two records share an identifier value that is no hub and whose kind joins them, or a
live blocking key with a score from the edge threshold up. Its weight is the greater of the two. Weights are
whole numbers of 1/1024 bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer_profiles.identity.edges.blocking import load_candidates
from customer_profiles.identity.edges.copies import Copies
from customer_profiles.identity.edges.frequencies import load_features
from customer_profiles.identity.edges.preparation import compared_lists, prepare, prepare_keys
from customer_profiles.identity.edges.scoring import (
    DATE_CONFLICT,
    NAME_CONFLICT,
    UNITS_A_BIT,
    compile_scoring,
    load_levels,
    load_weights,
)
from customer_profiles.identity.edges.workbench import Column, workbench
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings, Joins

PROBABILISTIC = "probabilistic"
CONTENTS_A_PART = 60_000
_FOUND = "left_no integer, right_no integer, weight bigint, kind bigint, conflict boolean, support bigint"

NOTHING_FOUND: Mapping[str, Column] = {
    name: np.zeros(0, dtype=np.int64)
    for name in ("left_no", "right_no", "weight", "kind", "conflict", "support")
}
"""What `kept_query` gives where there are no pairs."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of records, sorted by left, then right; arrays of the same length.

    Attributes:
        left: record_no, smaller than `right`.
        right: record_no.
        weight: in 1/1024 bit.
        kind: position in `Edges.kinds` of what gives the weight.
        conflict: whether both first names and both birth dates are known and differ.
        support: one bit for each name in `Edges.supports`: the kinds of values and keys that the two share.
    """

    left: Integers
    right: Integers
    weight: Integers
    kind: Integers
    conflict: npt.NDArray[np.bool_]
    support: Integers

    def __len__(self) -> int:
        return len(self.left)

    def of(self, which: npt.NDArray[np.bool_]) -> "Pairs":
        """Some of them."""
        return Pairs(
            self.left[which],
            self.right[which],
            self.weight[which],
            self.kind[which],
            self.conflict[which],
            self.support[which],
        )


@dataclass(frozen=True)
class Hub:
    """An identifier value that counts as null: how many contents hold it, and why (generic, cap, several
    log-ins).
    """

    kind: str
    value: str
    holders: int
    reason: str


@dataclass(frozen=True)
class Edges:
    """What was found among a set of live records.

    Attributes:
        pairs: the edges.
        review: pairs in the review band, below the edge threshold.
        kinds: names for `Pairs.kind`: the kinds of identifiers, then *probabilistic*.
        supports: names for the bits of `Pairs.support`: the kinds of identifiers, then the blocking rules.
        hubs: the values that counted as null.
        candidates: how many pairs of contents were scored.
    """

    pairs: Pairs
    review: Pairs
    kinds: tuple[str, ...]
    supports: tuple[str, ...]
    hubs: tuple[Hub, ...]
    candidates: int

    def support_names(self, support: int) -> tuple[str, ...]:
        """The names of the bits that are set."""
        return tuple(name for bit, name in enumerate(self.supports) if support >> bit & 1)


def find_edges(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> Edges:
    """Find all edges among records, and the pairs to review.

    The result is a function of the set of records, the bundle and the settings: no order matters.

    Args:
        records: identity records, one row a live record.
        bundle: the model in use.
        settings: kinds of identifiers, caps and generic values.
    """
    scoring = compile_scoring(bundle.model)
    with workbench() as bench:
        kinds = prepare(bench, records, bundle.extras, settings)
        load_features(
            bench, bundle.frequencies, bundle.aliases, bundle.rare_columns(), compared_lists(settings)
        )
        prepare_keys(bench, kinds, bundle.rules, settings)
        contents = int(bench.execute("select count(*) from content").fetchall()[0][0])
        parts = max(1, round(contents / CONTENTS_A_PART))
        # What scoring does not read any more would stand beside it in memory.
        bench.drop("content", "contact", "held", "holder", "atom")
        bench.make_empty("found", _FOUND)
        candidates = 0
        for part in range(parts):
            candidates += load_candidates(bench, part, parts)
            load_levels(bench, scoring)
            load_weights(bench, scoring)
            bench.add("found", kept_query(kinds, bundle, settings))
        hubs = bench.execute("select kind, value, holders, reason from hub order by kind, value").fetchall()
        member = bench.arrays("select content_no, record_no from member")
        copies = Copies.of(np.asarray(member["content_no"]), np.asarray(member["record_no"]))
        least = round(bundle.edge_threshold * UNITS_A_BIT)
        strong = f"kind < {len(kinds)} or weight >= {least}"
        return Edges(
            pairs=pairs_of_records(bench.arrays(f"select * from found where {strong}"), copies),
            review=pairs_of_records(bench.arrays(f"select * from found where not ({strong})"), copies),
            kinds=(*kinds, PROBABILISTIC),
            supports=(*kinds, *(rule.name for rule in bundle.rules)),
            hubs=tuple(Hub(*row) for row in hubs),
            candidates=candidates,
        )


def kept_query(kinds: tuple[str, ...], bundle: ModelBundle, settings: IdentitySettings) -> str:
    """The query for the rows of `found`: the pairs in `scored` that an identifier joins or whose weight reaches the review band."""
    weights = []
    for bit, kind in enumerate(kinds):
        rule = settings.identifiers[kind]
        if rule.joins is Joins.EVIDENCE:
            continue
        shared = f"support & {1 << bit} <> 0"
        if rule.joins is Joins.UNLESS_NAMES_CONFLICT:
            shared += f" and conflicts & {NAME_CONFLICT} = 0"
        weights.append((round(rule.weight * UNITS_A_BIT), bit, shared))
    # The heaviest kind first; of two as heavy, the first by name.
    weights.sort(key=lambda entry: (-entry[0], entry[1]))
    cases = " ".join(
        f"when {shared} then {{'weight': {weight}::bigint, 'kind': {bit}::bigint}}"
        for weight, bit, shared in weights
    )
    shared_identifier = f"case {cases} end" if cases else "null::struct(weight bigint, kind bigint)"
    return f"""
        select left_no, right_no,
            greatest(weight::bigint, coalesce(shared.weight, weight)) as weight,
            case when shared.weight >= weight then shared.kind
                 when shared.weight is null or weight >= {round(bundle.edge_threshold * UNITS_A_BIT)} then {len(kinds)}
                 else shared.kind end as kind,
            conflicts = {NAME_CONFLICT + DATE_CONFLICT} as conflict,
            support
        from (select *, {shared_identifier} as shared from scored)
        where shared is not null or weight >= {round(bundle.review_floor * UNITS_A_BIT)}
    """


def pairs_of_records(found: Mapping[str, Column], copies: Copies) -> Pairs:
    """Pairs of contents, with the columns that `kept_query` gives, as pairs of records."""
    at, left, right = copies.pairs(np.asarray(found["left_no"]), np.asarray(found["right_no"]))
    order = np.lexsort((right, left))
    at = at[order]
    return Pairs(
        left=left[order],
        right=right[order],
        weight=np.asarray(found["weight"], dtype=np.int64)[at],
        kind=np.asarray(found["kind"], dtype=np.int64)[at],
        conflict=np.asarray(found["conflict"], dtype=np.bool_)[at],
        support=np.asarray(found["support"], dtype=np.int64)[at],
    )
