"""Keep the parts of the index as they are: they are compressed, and Postgres would try it once more."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _store_bodies("EXTERNAL")


def downgrade() -> None:
    _store_bodies("EXTENDED")


def _store_bodies(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE index_run ALTER COLUMN body SET STORAGE {how}")
