"""Whether anything waits is asked of an index, however much there is and however often it is asked."""

from collections.abc import Callable

import sqlalchemy as sa

from customer_profiles.identity.graph.changes import waiting
from customer_profiles.marts.segments import _UNFOLDED
from customer_profiles.sources.inbox import clear
from customer_profiles.state.engine import State
from customer_profiles.state.schema import Store
from customer_profiles_tests.conftest import Engine

MANY = 20_000
OFTEN = 12
"""The driver prepares what it sent some times, and the server then plans for any value, not for the one that is given."""


def test_postgres_looks_through_no_table_for_what_is_not_there(
    state_factory: Callable[[Engine], State],
) -> None:
    state = state_factory("postgres")
    with state.writing() as connection:
        for table, columns, values in (
            ("customer", "generation, customer_no, size, changed_no", "1, n, 1, n"),
            (
                "record",
                "record_no, source, source_key, incarnation, source_version, content_hash, change_no, received_at",
                "n, 'crm', n::text, 0, 0, '\\x00', n, n",
            ),
        ):
            connection.execute(
                sa.text(
                    f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {MANY}) AS n"
                )
            )
        connection.execute(sa.text("ANALYZE"))
    with state.writing(Store.INBOX) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO inbox_message (digest, inbox_no, received_at) "
                f"SELECT decode(md5(n::text), 'hex'), n, {10**15} + n FROM generate_series(1, {MANY}) AS n"
            )
        )
        connection.execute(sa.text("ANALYZE"))

    with state.writing(Store.INBOX) as connection:
        for _ in range(OFTEN):
            assert connection.execute(_UNFOLDED, {"generation": 1, "folded": MANY}).first() is None
            assert waiting(connection, MANY, 2_000) == 0
            assert clear(connection, read_up_to=0, received_at=10**15, limit=1_000) == 0
        looked_through = connection.execute(
            sa.text("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE seq_tup_read >= :many"),
            {"many": MANY},
        ).all()
    assert looked_through == []
