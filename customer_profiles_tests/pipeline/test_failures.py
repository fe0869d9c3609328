"""What breaks under a run gives one clear error and loses nothing: mended, the next run gives what an undisturbed one gives."""

import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from customer_profiles.encryption.errors import KeyUnavailable
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.ledger import StageResult, ledger_check
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.sources.errors import SourceError
from customer_profiles.state.errors import WrongKeyError
from customer_profiles_tests.cleaning.made import rows_of
from customer_profiles_tests.pipeline.company import (
    KEY_VARIABLE,
    PASSWORD,
    PEOPLE,
    SETTINGS,
    WRITTEN_AT,
    Company,
    email_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("failures")]

Tables = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)


@pytest.fixture(scope="module")
def after_a_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a company that ran once, to be copied."""
    company = Company(tmp_path_factory.mktemp("first_week"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a5" * 32)
        company.first_week()
        company.run()
    return company.folder


@pytest.fixture(scope="module")
def undisturbed(after_a_week: Path, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Every table after a second run in which nothing broke."""
    company = Company(tmp_path_factory.mktemp("undisturbed") / "company")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a5" * 32)
        shutil.copytree(after_a_week, company.folder)
        company.second_week()
        company.run()
        return company.tables()


@pytest.fixture
def company(after_a_week: Path, tmp_path: Path) -> Company:
    """A company that ran once and has new rows in every source."""
    folder = tmp_path / "company"
    shutil.copytree(after_a_week, folder)
    found = Company(folder)
    found.second_week()
    return found


def assert_clear(error: CustomerProfilesError) -> None:
    """One line, and nothing personal or secret in it or in what led to it."""
    assert "\n" not in str(error)
    # The frames show lines of this project's code, never values; the errors' own words are what could leak.
    told = "".join(str(one) for one in _chain(error))
    secrets = [
        PASSWORD,
        "a5a5",
        *(name for who in PEOPLE for name in who.split()),
        "otherby.example",
        "07700",
    ]
    assert not [secret for secret in secrets if secret in told]


def _chain(error: BaseException) -> list[BaseException]:
    shown = traceback.TracebackException.from_exception(error)
    assert shown.__context__ is None or shown.__suppress_context__
    return [error, *(_chain(error.__cause__) if error.__cause__ is not None else [])]


@dataclass(frozen=True)
class Breakage:
    """How to break a company, how to mend it, and what has to be told."""

    name: str
    break_: Callable[[Company], object]
    mend: Callable[[Company], object]
    told: str


def _move(name: str) -> dict[str, Callable[[Company], object]]:
    return {
        "break_": lambda company: (company.folder / name).rename(company.folder / "away"),
        "mend": lambda company: (company.folder / "away").rename(company.folder / name),
    }


def _crm(break_: tuple[str, ...], mend: tuple[str, ...]) -> dict[str, Callable[[Company], object]]:
    return {"break_": lambda company: company.crm(*break_), "mend": lambda company: company.crm(*mend)}


def _rewrite(name: str, before: bytes, after: bytes) -> dict[str, Callable[[Company], object]]:
    def replace(old: bytes, new: bytes) -> Callable[[Company], object]:
        def change(company: Company) -> None:
            path = company.folder / name
            path.write_bytes(path.read_bytes().replace(old, new))
            os.utime(path, (WRITTEN_AT, WRITTEN_AT))

        return change

    return {"break_": replace(before, after), "mend": replace(after, before)}


def _unreachable(company: Company) -> None:
    company.text = SETTINGS.replace("sqlite:///crm.db", "postgresql://reader:${PASSWORD}@127.0.0.1:1/crm")
    company.environment = {"PASSWORD": PASSWORD}


def _reachable(company: Company) -> None:
    company.text, company.environment = SETTINGS, {}


BREAKAGES = [
    Breakage(
        "a missing file",
        **_move("email/subscribers.csv"),
        told="email.subscribers: there is no file subscribers.csv in {folder}/email: correct `files` in the settings, "
        "or bring the file back",
    ),
    Breakage(
        "a missing folder",
        **_move("web"),
        told="web.visits: there is no folder {folder}/web: correct `folder` in the settings, or bring the folder back",
    ),
    Breakage(
        "a missing database file",
        **_move("crm.db"),
        told="crm.contacts: there is no database file {folder}/crm.db: correct `url` in the settings, "
        "or bring the file back",
    ),
    Breakage(
        "an unreachable database",
        _unreachable,
        _reachable,
        "crm.contacts: the database postgresql 127.0.0.1/crm cannot be read (OperationalError): "
        "check that it runs, that the URL is right, and that the account may read the table",
    ),
    Breakage(
        "a table gone",
        **_crm(("ALTER TABLE orders RENAME TO sales",), ("ALTER TABLE sales RENAME TO orders",)),
        told="crm.orders: the database {folder}/crm.db has no table orders: correct `table` in the settings, "
        "or bring the table back",
    ),
    Breakage(
        "a column gone from a table",
        **_crm(
            ("ALTER TABLE contacts RENAME COLUMN mail TO email",),
            ("ALTER TABLE contacts RENAME COLUMN email TO mail",),
        ),
        told="crm.contacts: contacts has no column mail: bring it back, or change the feed's `fields`; "
        "nothing was read, and reading goes on where it was",
    ),
    Breakage(
        "a column gone from a file",
        **_rewrite("email/subscribers.csv", b"first,last", b"first,surname"),
        told="email.subscribers: subscribers.csv has no column last: bring it back, or change the feed's `fields`; "
        "nothing was read, and reading goes on where it was",
    ),
    Breakage(
        "a type changed",
        **_crm(
            (
                "ALTER TABLE orders RENAME TO kept",
                "CREATE TABLE orders (id TEXT PRIMARY KEY, contact TEXT, at TEXT, pence TEXT)",
                "INSERT INTO orders SELECT id, contact, at, pence || ' pence' FROM kept",
            ),
            ("DROP TABLE orders", "ALTER TABLE kept RENAME TO orders"),
        ),
        told="crm.orders: columns changed their type (pence was whole number and is text now): change them back, "
        "or change the feed's settings to suit, which reads the feed again; nothing was read, and reading goes on "
        "where it was",
    ),
]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_what_breaks_gives_one_clear_error_and_the_same_run_goes_on_once_it_is_mended(
    company: Company, undisturbed: Tables, breakage: Breakage
) -> None:
    before = company.tables()
    breakage.break_(company)

    with pytest.raises(SourceError) as error:
        company.run()

    assert str(error.value) == breakage.told.format(folder=company.folder)
    assert_clear(error.value)
    breakage.mend(company)
    broken = company.tables()
    assert all(row in broken["interaction"] for row in before["interaction"])
    assert len(broken["record"]) >= len(before["record"])
    company.run()
    assert company.tables() == undisturbed


def test_a_source_that_goes_in_the_middle_of_its_own_reading_keeps_what_was_read(
    company: Company, undisturbed: Tables
) -> None:
    subscribers = company.folder / "email/subscribers.csv"

    def take_away(result: StageResult) -> None:
        if result.source == "email" and subscribers.exists():
            subscribers.rename(company.folder / "away")

    with open_pipeline(company.settings, progress=take_away, limit=1) as house:
        with pytest.raises(SourceError, match=r"^email\.subscribers: there is no file ") as error:
            house.run()
        read = rows_of(
            house.state, "SELECT max(received) FROM ledger WHERE source = 'email' AND batch_no > 10"
        )

    assert_clear(error.value)
    assert read == [1]
    (company.folder / "away").rename(subscribers)
    company.run()
    after = company.tables()
    for table in ("record", "interaction", "identifier", "member", "trait", "bucket", "purchase"):
        assert len(after[table]) == len(undisturbed[table])


def test_a_source_that_is_down_leaves_the_others_rows_in_place_and_they_are_read_on(company: Company) -> None:
    (company.folder / "crm.db").rename(company.folder / "away")
    down: list[str] = []

    with company.open() as house:
        for stage in house.ingests():  # each apart, as Dagster runs them
            try:
                house.drain(stage)
            except SourceError:
                down.append(f"{stage.name} {stage.source}")
        for stage in house.derived():
            house.drain(stage)
        counts = rows_of(
            house.state,
            "SELECT source, count(*) FROM record WHERE deleted_at IS NULL GROUP BY source ORDER BY source",
        )
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up

    assert down == ["ingest_record crm", "ingest_interaction crm"]
    assert counts == [("crm", 4), ("email", 6), ("web", 3)]


def test_another_key_is_refused_and_the_right_one_finds_everything_in_place(
    company: Company, undisturbed: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path.name: path.read_bytes() for path in (company.folder / "state").iterdir()}
    monkeypatch.setenv(KEY_VARIABLE, "5b" * 32)

    with pytest.raises(
        WrongKeyError, match=r"^The key does not open .*inbox\.db\. Check `state\.key`: "
    ) as error:
        company.run()

    assert_clear(error.value)
    assert "5b5b" not in str(error.value)
    assert {path.name: path.read_bytes() for path in (company.folder / "state").iterdir()} == files
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    company.run()
    assert company.tables() == undisturbed


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "The environment variable TEST_MASTER_KEY with the master key is not set."),
        (
            "a5a5",
            "The environment variable TEST_MASTER_KEY does not hold a key: it must be 64 hexadecimal digits.",
        ),
    ],
)
def test_a_key_that_is_none_says_so_and_touches_nothing(
    company: Company, monkeypatch: pytest.MonkeyPatch, key: str | None, told: str
) -> None:
    if key is None:
        monkeypatch.delenv(KEY_VARIABLE)
    else:
        monkeypatch.setenv(KEY_VARIABLE, key)

    with pytest.raises(KeyUnavailable) as error:
        company.run()

    assert str(error.value).startswith(told)
    assert_clear(error.value)


def test_the_audit_names_what_is_down_and_keeps_what_it_found_before(company: Company) -> None:
    with company.open() as house:
        house.audit()
        (company.folder / "crm.db").unlink()

        with pytest.raises(SourceError, match=r"^crm\.contacts: there is no database file ") as error:
            house.audit()

        kept = rows_of(house.state, "SELECT source, feed, row_count FROM catalog_feed ORDER BY source, feed")

    assert_clear(error.value)
    assert kept == [
        ("crm", "contacts", 6),
        ("crm", "orders", 6),
        ("email", "subscribers", 6),
        ("web", "visits", 14),
    ]


def test_the_company_of_these_tests_is_one_of_people_who_meet_in_several_sources(undisturbed: Tables) -> None:
    assert len(undisturbed["record"]) == 2 * len(PEOPLE) + 3
    assert len(undisturbed["customer"]) == len(PEOPLE) + 3
    assert email_of(0) in repr(undisturbed["trait"])
