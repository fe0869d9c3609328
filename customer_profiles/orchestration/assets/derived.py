"""The assets after the cleaned ones."""

STAGE_OF = {
    "identity_graph": "resolve",
    "interaction_buckets": "accumulate",
    "traits": "refresh_traits",
    "segments": "refresh_segments",
}
"""The assets in their order, and the stage that each drains."""
WRITTEN_WITH = {"identity_graph": ("identity_events",), "segments": ("segment_changes",)}
"""Assets that a stage writes in the transaction of another one."""
DERIVED = (*STAGE_OF, *(other for others in WRITTEN_WITH.values() for other in others))
TABLE_OF = {
    "identity_graph": "member",
    "identity_events": "identity_event",
    "interaction_buckets": "bucket",
    "traits": "trait",
    "segments": "segment_membership",
    "segment_changes": "segment_change",
}
"""The main table of each."""
