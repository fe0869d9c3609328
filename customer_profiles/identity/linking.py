"""From records to clusters in one go: edges, vetoes, clusters. Pure; the stage and `evaluate` share it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from customer_profiles.identity.clusters.clusters import Clustering, cluster
from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.edges.edges import Edges, find_edges
from customer_profiles.identity.graph.records import facts_of
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.settings.identity import IdentitySettings


@dataclass(frozen=True)
class Linked:
    """Edges among records, and the clusters that they make."""

    edges: Edges
    clustering: Clustering


def link(
    records: pa.Table, bundle: ModelBundle, settings: IdentitySettings, rulings: Rulings | None = None
) -> Linked:
    """Find out which records are one person.

    Args:
        records: Identity records, by record number rising.
        bundle: The model.
        settings: Identifiers, caps, thresholds.
        rulings: Decisions of stewards; none by default.
    """
    edges = find_edges(records, bundle, settings)
    pairs = edges.pairs
    facts = facts_of(records, edges.hubs, settings, bundle.conflict_veto)
    clustering = cluster(
        pairs.left, pairs.right, pairs.weight, facts, rulings or Rulings(), linkage_of(settings)
    )
    return Linked(edges, clustering)


def linkage_of(settings: IdentitySettings) -> Linkage:
    """The linkage rule of the settings."""
    return Linkage.from_bits(settings.cluster_threshold, settings.missing_edge, settings.strongest_share)
