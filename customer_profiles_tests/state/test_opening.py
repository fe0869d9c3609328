"""Opening a state: who may read its files, and one clear error for everything that can be wrong."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from customer_profiles.state import sqlcipher
from customer_profiles.state.engine import KeyFor, State, Store
from customer_profiles.state.errors import StateError, WrongKeyError
from customer_profiles.state.sequences import reserve


def test_a_new_folder_and_all_its_files_are_for_the_owner_only(tmp_path: Path, key_for: KeyFor) -> None:
    folder = tmp_path / "a place" / "state"
    with State.open(f"sqlite:{folder}", key_for) as state:
        with state.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE a (b TEXT)")
        files = sorted(folder.iterdir())
        assert {"state.db", "state.db-wal", "inbox.db", "trust.db"} <= {file.name for file in files}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_wrong_key_is_refused_and_harms_nothing(tmp_path: Path, key_for: KeyFor) -> None:
    url = f"sqlite:{tmp_path / 'state'}"
    with State.open(url, key_for) as state, state.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE a (b TEXT)")
    before = (tmp_path / "state" / "state.db").read_bytes()
    with pytest.raises(WrongKeyError, match=r"state\.key"):
        State.open(url, lambda name: key_for(name)[::-1])
    assert (tmp_path / "state" / "state.db").read_bytes() == before
    with State.open(url, key_for) as state, state.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM a").scalar_one() == 0


def test_a_file_that_is_no_database_is_refused_like_a_wrong_key(tmp_path: Path, key_for: KeyFor) -> None:
    url = f"sqlite:{tmp_path}"
    State.open(url, key_for).close()
    (tmp_path / "trust.db").write_bytes(b"x" * 8192)
    with pytest.raises(WrongKeyError, match=r"trust\.db.*damaged"):
        State.open(url, key_for)


def test_a_state_with_the_seals_of_earlier_ones_opens_and_keeps_them(
    tmp_path: Path, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:{tmp_path / 'state'}"
    monkeypatch.setattr(sqlcipher, "SEALS", ("HMAC_SHA512",))
    with State.open(url, key_for) as state:
        for store in Store:
            with state.writing(store) as connection:
                connection.exec_driver_sql(f"CREATE TABLE of_{store} (b TEXT)")
    monkeypatch.undo()
    assert sqlcipher.SEALS[0] == "HMAC_SHA256"
    with State.open(url, key_for) as state, state.writing() as connection:
        connection.exec_driver_sql("INSERT INTO of_state VALUES ('x')")
    with State.open(url, key_for, read_only=True) as state, state.everything() as connection:
        joined = "SELECT count(*) FROM of_state LEFT JOIN of_inbox ON true LEFT JOIN of_trust ON true"
        assert connection.exec_driver_sql(joined).scalar_one() == 1


def test_each_page_of_a_new_state_is_sealed_with_sha_256(
    tmp_path: Path, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:{tmp_path / 'state'}"
    with State.open(url, key_for) as state:
        for store in Store:
            with state.writing(store) as connection:
                connection.exec_driver_sql(f"CREATE TABLE of_{store} (b TEXT)")
    monkeypatch.setattr(sqlcipher, "SEALS", ("HMAC_SHA256",))
    State.open(url, key_for).close()
    monkeypatch.setattr(sqlcipher, "SEALS", ("HMAC_SHA512",))
    with pytest.raises(WrongKeyError):
        State.open(url, key_for)


def test_a_key_is_not_told_with_the_file_that_it_opens(tmp_path: Path, key_for: KeyFor) -> None:
    file = sqlcipher._File.of(tmp_path, Store.STATE, key_for, 1.0)
    assert "state.db" in repr(file)
    assert key_for("state/state").hex() not in repr(file)


def test_each_store_has_a_key_of_its_own(tmp_path: Path, key_for: KeyFor) -> None:
    asked = []

    def note(name: str) -> bytes:
        asked.append(name)
        return key_for(name)

    State.open(f"sqlite:{tmp_path / 'state'}", note).close()
    assert set(asked) == {"state/inbox", "state/state", "state/trust"}


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="32"):
        State.open(f"sqlite:{tmp_path / 'state'}", lambda _name: b"short")


def test_reading_only_makes_nothing_and_says_what_is_missing(tmp_path: Path, key_for: KeyFor) -> None:
    with pytest.raises(StateError, match="there is no folder"):
        State.open(f"sqlite:{tmp_path / 'nothing'}", key_for, read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lost", Store)
def test_a_lost_file_is_never_made_anew(tmp_path: Path, key_for: KeyFor, lost: Store) -> None:
    State.open(f"sqlite:{tmp_path}", key_for).close()
    (tmp_path / f"{lost}.db").unlink()
    with pytest.raises(StateError, match=rf"not whole: {lost}\.db missing"):
        State.open(f"sqlite:{tmp_path}", key_for)
    assert not (tmp_path / f"{lost}.db").exists()


def test_a_first_opening_that_was_killed_halfway_is_finished_by_the_next(
    tmp_path: Path, key_for: KeyFor
) -> None:
    (tmp_path / "inbox.db").touch(0o600)
    State.open(f"sqlite:{tmp_path}", key_for).close()
    assert (tmp_path / "trust.db").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, key_for: KeyFor) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"cannot be kept in .*file/state.*state\.url"):
        State.open(f"sqlite:{tmp_path / 'file' / 'state'}", key_for)


@pytest.mark.parametrize("url", ["", "mysql://a/b", "/a/path", "postgresql"])
def test_another_kind_of_url_is_refused(url: str, key_for: KeyFor) -> None:
    with pytest.raises(StateError, match=r"sqlite:FOLDER or postgresql"):
        State.open(url, key_for)


def test_a_database_that_does_not_answer_is_named_without_its_password(key_for: KeyFor) -> None:
    with pytest.raises(StateError, match=r"cannot be reached at .*127\.0\.0\.1:1/.*state\.url") as told:
        State.open("postgresql://somebody:a-secret@127.0.0.1:1/profiles", key_for)
    assert "a-secret" not in str(told.value)


def test_a_database_that_is_not_there_is_named(postgres_url: str, key_for: KeyFor) -> None:
    with pytest.raises(StateError, match='"not_there" does not exist'):
        State.open(postgres_url.rsplit("/", 1)[0] + "/not_there", key_for)


def test_a_server_that_went_away_gives_one_clear_error(
    state_factory: Callable[[str], State], postgres_server: object
) -> None:
    state = state_factory("postgres")
    postgres_server.drop_database(state.url)  # type: ignore[attr-defined]
    with pytest.raises(StateError, match="cannot be reached any more"), state.writing() as connection:
        reserve(connection, "test")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example.com/p?sslmode=disable",
        "postgresql://u@192.0.2.1/p?sslmode=prefer",
        "postgresql://u@/p?host=db.example.com&sslmode=allow",
        "postgresql://u@localhost/p?hostaddr=192.0.2.1&sslmode=disable",
        "postgresql://u@/p?host=localhost,db.example.com&sslmode=disable",
        "postgresql://u@/p?host=localhost&host=db.example.com:5433&sslmode=disable",
        "postgresql://u@/p?service=elsewhere&sslmode=disable",
    ],
)
def test_a_connection_in_the_clear_to_another_machine_is_refused(url: str, key_for: KeyFor) -> None:
    with pytest.raises(StateError, match="verify-full"):
        State.open(url, key_for)


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_the_environment_cannot_lead_to_another_machine_in_the_clear(
    variable: str, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "192.0.2.1")
    with pytest.raises(StateError, match="verify-full"):
        State.open("postgresql:///p?sslmode=disable", key_for)


def test_another_machine_that_speaks_no_tls_is_refused(
    postgres_url: str, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To the driver, a name that is not loopback's is another machine, wherever its address leads.
    url = postgres_url.replace("@127.0.0.1", "@db.example.com") + "?hostaddr=127.0.0.1"
    with pytest.raises(StateError, match="SSL"):
        State.open(url, key_for)


def test_a_database_that_keeps_text_in_another_encoding_is_refused(
    postgres_server: object, key_for: KeyFor
) -> None:
    url = postgres_server.create_database(options="ENCODING 'LATIN1'")  # type: ignore[attr-defined]
    with pytest.raises(StateError, match="LATIN1"):
        State.open(url, key_for)
