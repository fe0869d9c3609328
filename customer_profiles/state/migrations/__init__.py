"""Alembic's side of the schema: one history of revisions a store, in `inbox/`, `state/` and `trust/`."""
