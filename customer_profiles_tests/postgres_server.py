"""A real Postgres for the tests: started on a free loopback port, gone with the test run."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

_ACCOUNT = "postgres"


@dataclass
class PostgresServer:
    """A running server and the databases made on it."""

    port: int
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str | None = None, template: str = "template0", options: str = "") -> str:
        name = name or f"test_{next(self._numbers)}"
        # Copying files beats writing the template through the log as long as fsync is off.
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY {options}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def _run(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]


@contextmanager
def start_postgres(certificate: bytes = b"", key: bytes = b"") -> Iterator[PostgresServer]:
    """Start a server, with TLS when it gets a certificate; without its programs the test is skipped, in CI it fails."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="customer_profiles_postgres_"))
    data = folder / "data"
    account = []  # Postgres refuses to run as root
    if os.getuid() == 0:
        account = [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups"]
        shutil.chown(folder, _ACCOUNT, _ACCOUNT)
    # Were the test run killed, the server would stay behind: it goes with its parent.
    start = ["setpriv", "--pdeathsig", "KILL", *account] if account or shutil.which("setpriv") else []
    try:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*start, str(programs / "initdb"), "-D", str(data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        port = _free_port()
        settings = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off",
            "full_page_writes": "off", "shared_buffers": "64MB", "max_connections": 60, "autovacuum": "off",
        }  # fmt: skip
        if certificate:
            settings |= {"ssl": "on"}
            for name, content in (("server.crt", certificate), ("server.key", key)):
                (data / name).write_bytes(content)
                (data / name).chmod(0o600)
                if account:
                    shutil.chown(data / name, _ACCOUNT, _ACCOUNT)
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [*start, str(programs / "postgres"), "-D", str(data), *flags],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        try:
            _wait_until_ready(server)
            yield PostgresServer(port, folder)
        finally:
            server.send_signal(signal.SIGINT)  # do not wait for connections that a failed test left
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: subprocess.Popen[str]) -> None:
    assert server.stderr is not None
    told = []
    for line in server.stderr:
        told.append(line)
        if "ready to accept connections" in line:
            threading.Thread(
                target=server.stderr.read, daemon=True
            ).start()  # or the pipe fills and the server halts
            return
    raise RuntimeError("Postgres did not start:\n" + "".join(told))


def _programs() -> Path:
    on_path = shutil.which("initdb")
    found = [on_path] if on_path else sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if found:
        return Path(found[-1]).resolve().parent
    missing = "Postgres is not installed: apt-get install postgresql"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
