"""The state of a benchmark, copied into a Postgres database as it stands."""

import sqlalchemy as sa

from benchmarks.company import Say
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.schema import METADATA

COPIED_AT_ONCE = 50_000


def at(settings: Settings, url: str) -> Settings:
    """The same settings with the state somewhere else."""
    return settings.model_copy(update={"state": settings.state.model_copy(update={"url": url})})


def copied_to(url: str, settings: Settings, say: Say) -> Settings:
    """The settings with the state in a Postgres database, into which everything was copied.

    Args:
        url: Of the database, which is emptied.
        settings: Whose embedded state is copied.
        say: Told what is going on.
    """
    there = at(settings, url)
    say("copying the state to Postgres")
    with open_pipeline(settings) as embedded, open_pipeline(there) as served:
        for store, metadata in METADATA.items():
            for table in reversed(metadata.sorted_tables):
                with served.state.writing(store) as connection:
                    connection.execute(table.delete())
            for table in metadata.sorted_tables:
                columns = [column.name for column in table.columns]
                with embedded.state.reading(store) as reading, served.state.writing(store) as writing:
                    query = sa.select(*(sa.literal_column(f'"{name}"') for name in columns)).select_from(
                        table
                    )
                    found = reading.execution_options(stream_results=True).execute(query)
                    for rows in found.partitions(COPIED_AT_ONCE):
                        insert_rows(writing, table, columns, [tuple(row) for row in rows])
    _settle(url)
    return there


def _settle(url: str) -> None:
    """What the server does by itself in the hours after so much was written: statistics, and rows that all can see."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()
