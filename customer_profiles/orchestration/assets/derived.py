"""The assets after the cleaned ones."""

STAGE_OF = {
    "identity_graph": "resolve",
    "interaction_buckets": "accumulate",
    "traits": "refresh_traits",
    "segments": "refresh_segments",
}
"""The assets in their order, and the stage that each drains."""
DERIVED = (*STAGE_OF, "identity_events", "segment_changes")
"""All of them: identity events are written with the graph, changes with the segments."""
