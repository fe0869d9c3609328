"""Keys: made once, kept narrowly, different for every use."""

import stat
from pathlib import Path

import pytest

from customer_profiles.encryption.errors import KeyUnavailable
from customer_profiles.encryption.keys import EnvironmentKey, LocalKeyFile, open_keys
from customer_profiles.settings.state import KeyFile, KeyVariable


def test_the_key_file_is_made_on_first_use_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    keys = LocalKeyFile(path)
    assert not path.exists()
    assert len(keys.key("state/state")) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_the_same_use_has_the_same_key_every_time_and_another_use_another(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first, second = LocalKeyFile(path), LocalKeyFile(path)
    assert first.key("state/state") == second.key("state/state")
    assert first.key("state/state") != first.key("state/trust")
    assert LocalKeyFile(tmp_path / "other.key").key("state/state") != first.key("state/state")


def test_a_derived_key_never_changes_between_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "00" * 32)
    assert (
        EnvironmentKey("A_KEY").key("state/state").hex()
        == "4d544a63995bc46f9f46c1757a22ab0690dc84a3b9335a5ec88a470ba4882f5b"
    )


def test_the_master_key_itself_is_never_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "ab" * 32)
    keys = EnvironmentKey("A_KEY")
    assert keys.key("") != bytes.fromhex("ab" * 32)
    assert "ab" * 4 not in repr(keys)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    LocalKeyFile(path).key("x")
    path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        LocalKeyFile(path).key("x")


@pytest.mark.parametrize("text", ["", "abcd", "zz" * 32, "ab" * 33, "\x00\xff"])
def test_a_file_that_holds_no_key_is_refused_without_telling_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.touch(0o600)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(KeyUnavailable, match="64 hexadecimal digits") as told:
        LocalKeyFile(path).key("x")
    assert not text or text not in str(told.value)


def test_a_key_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnavailable, match=r"state\.key\.path"):
        LocalKeyFile(tmp_path / "file" / "master.key").key("x")


def test_of_two_first_runs_at_once_both_have_the_key_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    early, late = LocalKeyFile(path), LocalKeyFile(path)
    urandom, winners = __import__("os").urandom, []

    def somebody_else_is_quicker(count: int) -> bytes:
        if not winners:
            winners.append(b"")
            winners.append(early.key("x"))
        return urandom(count)  # type: ignore[no-any-return]

    monkeypatch.setattr("customer_profiles.encryption.keys.os.urandom", somebody_else_is_quicker)
    assert late.key("x") == winners[1] == LocalKeyFile(path).key("x")


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET_KEY", raising=False)
    with pytest.raises(KeyUnavailable, match="NOT_SET_KEY"):
        EnvironmentKey("NOT_SET_KEY").key("x")


def test_the_settings_choose_the_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "00" * 32)
    variable = open_keys(KeyVariable(provider="environment", variable="A_KEY"), tmp_path)
    assert variable.key("x") == EnvironmentKey("A_KEY").key("x")
    open_keys(KeyFile(provider="file", path=Path("a.key")), tmp_path).key("x")
    assert (tmp_path / "a.key").exists()
