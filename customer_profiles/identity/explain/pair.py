"""Why a pair of records weighs what it does: each comparison with its level and weight, and the keys that the two share.

Nothing is estimated here a second time: the contents come from the index that resolving wrote, and are scored by the same
compiled SQL, only that it keeps Splink's intermediate columns. The parts of a score are whole multiples of 1/1024 bit as
scores are, and add up to it exactly. The cost is that of the pairs asked about.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray
from splink import SettingsCreator
from splink.internals.misc import prob_to_match_weight
from splink.internals.predict import predict_from_comparison_vectors_sqls_using_settings
from splink.internals.settings import Settings

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.edges.features import IDENTIFIERS_A_KIND
from customer_profiles.identity.edges.identifiers import LOG_IN, load_held, load_kind_rules
from customer_profiles.identity.edges.index import Index, KeyCounts
from customer_profiles.identity.edges.index_rows import bring_back_content, features_of, read_entries
from customer_profiles.identity.edges.scoring import UNITS_A_BIT, compile_scoring, load_levels, load_weights
from customer_profiles.identity.edges.workbench import Workbench, workbench
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.tables import resolved_record
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]
Pair = tuple[int, int]
_NULL_LEVEL = -1
_SEPARATOR = "\x1f"


class ExplainError(CustomerProfilesError):
    """What cannot be explained as the state stands."""


class KeyState(StrEnum):
    """What a shared value or key does."""

    LIVE = "live"
    """It brings its holders together."""
    CAP = "too many holders"
    GENERIC = "listed as generic"
    LOGINS = "seen with several log-ins"


@dataclass(frozen=True)
class SharedKey:
    """Identifier values of a kind, or blocking keys of a rule, that two records share; the values themselves are not told.

    Attributes:
        name: The kind of identifier, or the blocking rule.
        identifier: Whether it is an identifier.
        keys: How many values or keys they are: a rule gives one for each word of a name.
        holders: How many different contents hold the rarest of them.
        cap: The most that may.
        state: Whether they bring the two together, or why not.
    """

    name: str
    identifier: bool
    keys: int
    holders: int
    cap: int
    state: KeyState


@dataclass(frozen=True)
class Evidence:
    """What one comparison says of two records.

    Attributes:
        comparison: Its name.
        level: The level that the two reach, in words.
        weight: What the level weighs, in 1/1024 bit.
        rarity: How much more or less it weighs for how rare the value is (term frequency), in 1/1024 bit.
    """

    comparison: str
    level: str
    weight: int
    rarity: int

    @property
    def known(self) -> bool:
        """Whether both records say anything."""
        return self.level != _UNKNOWN


_UNKNOWN = "not known"


@dataclass(frozen=True)
class Score:
    """What the model says of two records; the parts add up to the weight exactly.

    Attributes:
        prior: What any two records weigh before they are compared, in 1/1024 bit.
        evidence: What each comparison adds.
        weight: The sum, in 1/1024 bit.
        names_differ: Whether both first names are known and plainly differ.
    """

    prior: int
    evidence: tuple[Evidence, ...]
    weight: int
    names_differ: bool


@dataclass(frozen=True)
class PairFacts:
    """What is known of two records beside any edge: what they share, and what the model says of them."""

    shared: tuple[SharedKey, ...]
    score: Score


def explain_pairs(
    connection: sa.Connection,
    generation: int,
    bundle: ModelBundle,
    settings: IdentitySettings,
    pairs: Collection[Pair],
) -> dict[Pair, PairFacts]:
    """What pairs of records share, and how the model weighs them.

    Args:
        connection: Reading the state store.
        generation: The generation.
        bundle: The model that resolved it.
        settings: Kinds of identifiers, caps and generic values.
        pairs: Pairs of living records.

    Raises:
        ExplainError: A record is not part of the resolved graph.
    """
    records = {number for pair in pairs for number in pair}
    content_of = _contents_of(connection, generation, records)
    index = Index(generation)
    index.refresh(connection)
    rows = index.contents(connection, np.array(sorted(set(content_of.values())), dtype=np.int64))
    if rows is None or rows.num_rows != len(set(content_of.values())):
        raise ExplainError(_NOT_RESOLVED)
    # Scored with the smaller content on the left, as resolving does.
    of_pair = {pair: tuple(sorted(content_of[number] for number in pair)) for pair in pairs}
    wanted = sorted({(left, right) for left, right in of_pair.values()})
    with workbench() as bench:
        kinds = load_kind_rules(bench, settings)
        with bench.given("feature", features_of(rows, bundle, settings)):
            scores = _scores(bench, bundle, wanted)
        bring_back_content(bench, rows, bundle, settings)
        load_held(bench, IDENTIFIERS_A_KIND)
        shared = _SharedKeys(connection, index, bench, kinds, bundle, settings).of(wanted)
    return {
        pair: PairFacts(shared[left, right], scores[left, right]) for pair, (left, right) in of_pair.items()
    }


def split_exactly(parts: Sequence[float], total: int) -> list[int]:
    """Parts in bits as whole multiples of 1/1024 bit that add up to a total exactly.

    Each is rounded down, and those that lose most by it are rounded up until the sum is right.

    Args:
        parts: In bits; their sum is the total but for rounding.
        total: In 1/1024 bit.
    """
    exact = [part * UNITS_A_BIT for part in parts]
    whole = [math.floor(part) for part in exact]
    missing = total - sum(whole)
    by_loss = sorted(range(len(parts)), key=lambda place: (whole[place] - exact[place], place))
    if not 0 <= missing <= len(parts):
        raise AssertionError(
            "the parts of a score do not add up to it: Splink's columns changed their meaning"
        )
    for place in by_loss[:missing]:
        whole[place] += 1
    return whole


_NOT_RESOLVED = (
    "These records are not part of the resolved graph: they came after the last run, were deleted, or the state is older "
    "than its index. Run `customer-profiles run` first."
)


def _contents_of(connection: sa.Connection, generation: int, records: Iterable[int]) -> dict[int, int]:
    keys = [(generation, number) for number in set(records)]
    rows = rows_by_key(
        connection, resolved_record, ("generation", "record_no"), keys, ("record_no", "content_no")
    )
    if len(rows) != len(keys):
        raise ExplainError(_NOT_RESOLVED)
    return dict(rows)


def _scores(bench: Workbench, bundle: ModelBundle, pairs: Sequence[Pair]) -> dict[Pair, Score]:
    """The score of each pair of contents, taken apart."""
    columns = {
        "left_no": pa.array([left for left, _ in pairs], pa.int64()),
        "right_no": pa.array([right for _, right in pairs], pa.int64()),
        "support": pa.array([0] * len(pairs), pa.int64()),
    }
    with bench.given("pair_source", pa.table(columns)):
        bench.make("candidate", "select * from pair_source")
    scoring = compile_scoring(bundle.model)
    load_levels(bench, scoring)
    load_weights(bench, scoring)
    weights = bench.execute("select left_no, right_no, weight, conflicts & 1 from scored").fetchall()
    model: Settings = SettingsCreator.from_path_or_dict(
        bundle.model | {"retain_intermediate_calculation_columns": True, "retain_matching_columns": False}
    ).get_settings("duckdb")
    taken_apart = _taken_apart(bench, model) if model.comparisons else {}
    prior = float(prob_to_match_weight(bundle.model["probability_two_random_records_match"]))
    scores = {}
    for left, right, weight, names_differ in weights:
        # Without anything to compare nothing weighs anything, not even the prior: see `scoring.py`.
        if not model.comparisons:
            scores[left, right] = Score(0, (), int(weight), bool(names_differ))
            continue
        each = taken_apart[left, right]
        parts = [prior, *(part for _, _, *both in each for part in both)]
        whole = split_exactly(parts, int(weight))
        evidence = tuple(
            Evidence(name, level, whole[1 + 2 * place], whole[2 + 2 * place])
            for place, (name, level, _, _) in enumerate(each)
        )
        scores[left, right] = Score(whole[0], evidence, int(weight), bool(names_differ))
    return scores


def _taken_apart(bench: Workbench, model: Settings) -> dict[Pair, list[tuple[str, str, float, float]]]:
    """By pair of contents each comparison with its level, the level's weight and the correction for rarity, in bits."""
    steps = predict_from_comparison_vectors_sqls_using_settings(model)
    chain = ", ".join(f"{step['output_table_name']} as materialized ({step['sql']})" for step in steps)
    parts = []
    for comparison in model.comparisons:
        parts += [f"v.{comparison._gamma_column_name}", f"p.{comparison._mw_column_name}"]
        parts.append(f"p.{comparison._mw_tf_adj_column_name}" if comparison._has_tf_adjustments else "0.0")
    rows = bench.execute(
        f"with {chain} select p.content_no_l, p.content_no_r, {', '.join(parts)} "
        f"from {steps[-1]['output_table_name']} p "
        "join __splink__df_comparison_vectors v using (content_no_l, content_no_r)"
    ).fetchall()
    labels = [
        {level.comparison_vector_value: level.label_for_charts for level in comparison.comparison_levels}
        for comparison in model.comparisons
    ]
    return {
        (left, right): [
            (
                comparison.output_column_name,
                _UNKNOWN if values[3 * place] == _NULL_LEVEL else labels[place][values[3 * place]],
                float(values[3 * place + 1]),
                float(values[3 * place + 2]),
            )
            for place, comparison in enumerate(model.comparisons)
        ]
        for left, right, *values in rows
    }


class _SharedKeys:
    """The values and keys that pairs of contents share, with their standing among all contents."""

    def __init__(
        self,
        connection: sa.Connection,
        index: Index,
        bench: Workbench,
        kinds: Sequence[str],
        bundle: ModelBundle,
        settings: IdentitySettings,
    ) -> None:
        self.connection, self.index, self.kinds, self.settings = connection, index, kinds, settings
        contents, keys, bits = read_entries(bench, kinds, bundle)
        self.entries: dict[int, set[tuple[int, int]]] = {}
        for content, key, bit in zip(contents.tolist(), keys.tolist(), bits.tolist(), strict=True):
            self.entries.setdefault(content, set()).add((bit, key))
        self.names = (*kinds, *(rule.name for rule in bundle.rules))
        self.caps = [settings.identifiers[kind].cap for kind in kinds]
        self.caps += [rule.cap(settings.blocking_cap) for rule in bundle.rules]
        found = bench.arrays("select distinct key from held where generic")["key"]
        self.generic = set(np.ascontiguousarray(found, dtype=np.uint64).view(np.int64).tolist())

    def of(self, pairs: Iterable[Pair]) -> dict[Pair, tuple[SharedKey, ...]]:
        """What each pair of contents shares, identifiers first, then rules in their order; what is alike on one line."""
        nothing: set[tuple[int, int]] = set()
        both = {
            (left, right): sorted(self.entries.get(left, nothing) & self.entries.get(right, nothing))
            for left, right in pairs
        }
        keys = np.array(sorted({key for shared in both.values() for _, key in shared}), dtype=np.int64)
        counts = self.index.counts(self.connection, keys)
        holders = dict(zip(keys.tolist(), counts.counts.tolist(), strict=True))
        crowded = self._several_log_ins(
            counts, {key for one in both.values() for bit, key in one if self._single(bit)}
        )
        return {
            pair: tuple(
                self._grouped(
                    (bit, self._state(bit, key, holders[key], crowded), holders[key]) for bit, key in shared
                )
            )
            for pair, shared in both.items()
        }

    def _grouped(self, shared: Iterable[tuple[int, KeyState, int]]) -> Iterable[SharedKey]:
        """Keys of one rule in one state together, in order of the rules: bit of support, state, holders of each."""
        held: dict[tuple[int, KeyState], list[int]] = {}
        for bit, state, holders in shared:
            held.setdefault((bit, state), []).append(holders)
        for (bit, state), holders_of in held.items():
            identifier = bit < len(self.kinds)
            yield SharedKey(
                self.names[bit], identifier, len(holders_of), min(holders_of), self.caps[bit], state
            )

    def _state(self, bit: int, key: int, holders: int, crowded: set[int]) -> KeyState:
        identifier = bit < len(self.kinds)
        if identifier and key in self.generic:
            return KeyState.GENERIC
        if holders > self.caps[bit]:
            return KeyState.CAP
        if identifier and self._single(bit) and key in crowded:
            return KeyState.LOGINS
        return KeyState.LIVE

    def _single(self, bit: int) -> bool:
        return bit < len(self.kinds) and self.settings.identifiers[self.kinds[bit]].single_login

    def _several_log_ins(self, counts: KeyCounts, keys: set[int]) -> set[int]:
        """Of these keys those whose holders have more than one log-in between them."""
        if not keys:
            return set()
        wanted = np.isin(counts.keys, np.array(sorted(keys), dtype=np.int64))
        places, contents = counts.holders(wanted)
        rows = self.index.contents(self.connection, np.unique(contents))
        if rows is None:
            return set()
        log_ins = {
            content: {one for one in held or () if one.startswith(LOG_IN + _SEPARATOR)}
            for content, held in zip(
                rows["content_no"].to_pylist(), rows["identifiers"].to_pylist(), strict=True
            )
        }
        seen: dict[int, set[str]] = {}
        for place, content in zip(places.tolist(), contents.tolist(), strict=True):
            seen.setdefault(int(counts.keys[place]), set()).update(log_ins.get(content, ()))
        return {key for key, of_key in seen.items() if len(of_key) > 1}
