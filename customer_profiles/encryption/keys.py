"""Where keys come from: one master key, and a key of its own for each use, derived from it by name."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from customer_profiles.encryption.errors import KeyUnavailable
from customer_profiles.settings.state import KeyFile, KeyVariable

KEY_BYTES = 32


class KeyProvider(Protocol):
    """Gives the key of a use, the same one every time."""

    def key(self, name: str) -> bytes:
        """The 32 bytes for a use, such as `state/trust` or `quarantine`.

        Raises:
            KeyUnavailable: the master key cannot be had.
        """
        ...


class _Derived:
    """Derives the keys of uses from a master key that is fetched once, when first needed."""

    def __init__(self) -> None:
        self._master: bytes | None = None

    def key(self, name: str) -> bytes:
        """The 32 bytes for a use: HKDF-SHA256, so that one use's key tells nothing of another's."""
        if self._master is None:
            self._master = self._fetch()
        info = b"customer_profiles/" + name.encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._master)

    def _fetch(self) -> bytes:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class LocalKeyFile(_Derived):
    """The master key in a local file of mode 0600, made at random on first use. For single machines."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is not touched before a key is asked for."""
        super().__init__()
        self.path = path

    def _fetch(self) -> bytes:
        try:
            if not self.path.exists():
                self._make()
            mode = stat.S_IMODE(self.path.stat().st_mode)
            if mode & 0o077:
                raise KeyUnavailable(
                    f"The key file {self.path} has mode {mode:04o}: others on this machine may read it. "
                    f"Run: chmod 600 {self.path}"
                )
            text = self.path.read_text("ascii", errors="replace")
        except OSError as error:
            raise KeyUnavailable(
                f"The key file {self.path} cannot be read or made: {error.strerror}. Check `state.key.path`."
            ) from None
        return _from_hex(text, f"The key file {self.path}")

    def _make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A name of its own in each thread, and mode 0600.
        descriptor, made = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        draft = Path(made)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(os.urandom(KEY_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            # A link does not replace: of two first runs at once, the later one takes the other's key.
            with suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            draft.unlink()
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class EnvironmentKey(_Derived):
    """The master key in an environment variable, as 64 hexadecimal digits: secret stores can provide it."""

    def __init__(self, variable: str) -> None:
        """Name the variable."""
        super().__init__()
        self.variable = variable

    def _fetch(self) -> bytes:
        text = os.environ.get(self.variable, "")
        if not text:
            raise KeyUnavailable(
                f"The environment variable {self.variable} with the master key is not set. "
                "Set it to the 64 hexadecimal digits of the key, as `state.key` asks for."
            )
        return _from_hex(text, f"The environment variable {self.variable}")


def open_keys(settings: KeyFile | KeyVariable, folder: Path) -> KeyProvider:
    """The key provider that the settings name; a relative path is counted from `folder`."""
    if isinstance(settings, KeyVariable):
        return EnvironmentKey(settings.variable)
    return LocalKeyFile(folder / settings.path)


def _from_hex(text: str, holder: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyUnavailable(f"{holder} does not hold a key: it must be {2 * KEY_BYTES} hexadecimal digits.")
    return key
