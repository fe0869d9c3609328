"""A database on another machine is spoken to over TLS, and its certificate is checked when the URL asks for it."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from customer_profiles.state.engine import KeyFor, State
from customer_profiles.state.errors import StateError
from customer_profiles.state.migrate import check
from customer_profiles_tests.postgres_server import start_postgres

HOST = "db.example.com"


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    """A certificate of `db.example.com` that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="module")
def tls_url(certificate: tuple[bytes, bytes]) -> Iterator[str]:
    """A server that speaks TLS. `hostaddr` says where the other machine of that name is: here."""
    with start_postgres(*certificate) as server:
        url = server.create_database().replace("127.0.0.1", HOST)
        yield f"{url}?hostaddr=127.0.0.1"


@pytest.fixture
def authority(certificate: tuple[bytes, bytes], tmp_path: Path) -> Path:
    """The file that names whom to trust."""
    (tmp_path / "authority.crt").write_bytes(certificate[0])
    return tmp_path / "authority.crt"


def test_another_machine_is_spoken_to_over_tls_without_asking_for_it(tls_url: str, key_for: KeyFor) -> None:
    with State.open(tls_url, key_for) as state:
        assert check(state).tls is True
        with state.reading() as connection:
            used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert connection.exec_driver_sql(used).scalar_one() is True


def test_the_right_certificate_is_accepted(tls_url: str, key_for: KeyFor, authority: Path) -> None:
    with State.open(f"{tls_url}&sslmode=verify-full&sslrootcert={authority}", key_for) as state:
        assert check(state).tls is True


def test_a_certificate_of_another_name_is_refused(tls_url: str, key_for: KeyFor, authority: Path) -> None:
    url = tls_url.replace(HOST, "other.example.com")
    with pytest.raises(StateError, match="does not match host name"):
        State.open(f"{url}&sslmode=verify-full&sslrootcert={authority}", key_for)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls_url: str, key_for: KeyFor, tmp_path: Path
) -> None:
    (tmp_path / "nobody.crt").touch()
    with pytest.raises(StateError, match="cannot be reached"):
        State.open(f"{tls_url}&sslmode=verify-full&sslrootcert={tmp_path / 'nobody.crt'}", key_for)
