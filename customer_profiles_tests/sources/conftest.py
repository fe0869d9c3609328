"""A company's database on either engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles_tests.sources.reading import make_people


@dataclass(frozen=True)
class Company:
    """A database with a table of people: its URL as settings have it, and an engine to write with."""

    url: str
    engine: sa.Engine
    people: sa.Table

    def put(self, *rows: dict[str, Any]) -> None:
        """Insert people."""
        with self.engine.begin() as connection:
            for row in rows:
                connection.execute(self.people.insert().values(row))

    def run(self, sql: str, **values: Any) -> None:
        """Run one statement."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(sql), values)


@pytest.fixture(params=["sqlite", "postgresql"])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Company]:
    """A company's database; the test runs once on each engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/shop.db"
        engine = sa.create_engine(url)
    else:
        url = request.getfixturevalue("postgres_url")
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield Company(url, engine, make_people(engine))
    engine.dispose()
