"""What another model would do to the customers there are: how many merge, split and stay. Pure but for `with_model`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from customer_profiles.identity.claims.claim_store import read_claims
from customer_profiles.identity.claims.claims import founders
from customer_profiles.identity.decisions.decisions import read_decisions, rulings_at
from customer_profiles.identity.graph.graph_store import Members, read_members
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.linking import link
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings

Numbers = NDArray[np.int64]
_END_OF_LOG = 2**63 - 1


class Fate(StrEnum):
    """What becomes of customers."""

    MERGE = "merge"
    SPLIT = "split"
    REGROUP = "regroup"
    """Records go from one customer to another, so that it is neither the one nor the other."""


@dataclass(frozen=True)
class Change:
    """Customers whose records would be shared out otherwise.

    Attributes:
        fate: What becomes of them.
        before: Customer numbers now, rising.
        after: Customer numbers then, rising.
        records: How many records they have.
    """

    fate: Fate
    before: tuple[int, ...]
    after: tuple[int, ...]
    records: int


@dataclass(frozen=True)
class ModelComparison:
    """The customers of one model beside those of another, over the records that both know.

    Attributes:
        records: How many records that is.
        customers_before: Customers now.
        customers_after: Customers then.
        stay: Customers that keep exactly their records.
        merged: Customers now that would become one with others.
        merged_into: How many customers these would be.
        split: Customers now that would fall apart.
        split_into: How many customers these would be.
        regrouped: Customers now whose records would be exchanged with others.
        regrouped_into: How many customers these would be.
        moved: Records that would belong to another customer number.
        ids_kept: Customers now whose ID would still be that of a customer.
        largest_before: Records of the largest customer now.
        largest_after: Records of the largest customer then.
        changes: What would change, that of most records first.
    """

    records: int
    customers_before: int
    customers_after: int
    stay: int
    merged: int
    merged_into: int
    split: int
    split_into: int
    regrouped: int
    regrouped_into: int
    moved: int
    ids_kept: int
    largest_before: int
    largest_after: int
    changes: tuple[Change, ...]


def compare_members(now: Members, then: Members) -> ModelComparison:
    """Compare who belongs to whom.

    Args:
        now: The customers there are.
        then: The customers that there would be.
    """
    common = np.intersect1d(now.records, then.records)
    old, new = now.of(common), then.of(common)
    olds, old_at, old_sizes = np.unique(old, return_inverse=True, return_counts=True)
    news, new_at, new_sizes = np.unique(new, return_inverse=True, return_counts=True)
    # A customer now and a customer then hang together when they share a record.
    shared = coo_array(
        (np.ones(len(common), dtype=np.int8), (old_at, len(olds) + new_at)),
        shape=(len(olds) + len(news),) * 2,
    )
    parts, part_of = connected_components(shared, directed=False)
    of_old, of_new = part_of[: len(olds)], part_of[len(olds) :]
    before, after = (np.bincount(of, minlength=parts) for of in (of_old, of_new))
    counted = {
        Fate.MERGE: (before > 1) & (after == 1),
        Fate.SPLIT: (before == 1) & (after > 1),
        Fate.REGROUP: (before > 1) & (after > 1),
    }
    totals = {fate: (int(before[which].sum()), int(after[which].sum())) for fate, which in counted.items()}
    return ModelComparison(
        records=len(common),
        customers_before=len(olds),
        customers_after=len(news),
        stay=int(((before == 1) & (after == 1)).sum()),
        merged=totals[Fate.MERGE][0],
        merged_into=totals[Fate.MERGE][1],
        split=totals[Fate.SPLIT][0],
        split_into=totals[Fate.SPLIT][1],
        regrouped=totals[Fate.REGROUP][0],
        regrouped_into=totals[Fate.REGROUP][1],
        moved=int((old != new).sum()),
        ids_kept=int(np.isin(olds, news).sum()),
        largest_before=int(old_sizes.max(initial=0)),
        largest_after=int(new_sizes.max(initial=0)),
        changes=_changes(counted, (olds, of_old, old_sizes), (news, of_new)),
    )


def with_model(
    connection: sa.Connection, generation: int, bundle: ModelBundle, settings: IdentitySettings
) -> Members:
    """The customers that a model would make of the records of a generation, under the IDs that they would have.

    Args:
        connection: Reading the state store.
        generation: Its live records are taken, with what they say now.
        bundle: The model.
        settings: Identifiers, caps, thresholds.
    """
    known = read_members(connection, generation).records
    records = identity_records(connection)
    records = records.filter(pc.is_in(records["record_no"], pa.array(known)))
    rulings = rulings_at(read_decisions(connection), _END_OF_LOG)
    clustering = link(records, bundle, settings, rulings).clustering
    stored = read_claims(connection)
    claims = stored.claims(set(clustering.records.tolist()).__contains__)
    founded = founders(
        claims, stored.numbers, stored.seniority, clustering.records, clustering.labels, rulings
    )
    return Members(clustering.records, founded)


def _changes(
    counted: dict[Fate, NDArray[np.bool_]],
    now: tuple[Numbers, Numbers, Numbers],
    then: tuple[Numbers, Numbers],
) -> tuple[Change, ...]:
    """What would change, that of most records first."""
    (olds, of_old, sizes), (news, of_new) = now, then
    fate_of = {int(part): fate for fate, which in counted.items() for part in np.flatnonzero(which)}
    before: dict[int, list[int]] = {part: [] for part in fate_of}
    after: dict[int, list[int]] = {part: [] for part in fate_of}
    records = dict.fromkeys(fate_of, 0)
    for customer, part, size in zip(olds.tolist(), of_old.tolist(), sizes.tolist(), strict=True):
        if part in fate_of:
            before[part].append(customer)
            records[part] += size
    for customer, part in zip(news.tolist(), of_new.tolist(), strict=True):
        if part in fate_of:
            after[part].append(customer)
    changes = [
        Change(fate, tuple(before[part]), tuple(after[part]), records[part]) for part, fate in fate_of.items()
    ]
    return tuple(sorted(changes, key=lambda change: (-change.records, change.before)))
