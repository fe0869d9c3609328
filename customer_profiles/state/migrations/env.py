"""Run by Alembic: applies or writes revisions on the connection that `state.revisions` hands over."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    version_table=given["version_table"],
    include_name=given["include_name"],
    render_as_batch=True,
    compare_type=True,
    # The connection is in a transaction already, and both engines keep table changes in it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
