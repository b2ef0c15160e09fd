"""What is read and served, and errors that say which file and why."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.config.tables.tls import TlsTable
from hub.tls.certificates import CertificateError, Certificates, Manner, load_certificates
from tests.tls.chains import made


def make(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=mx.example.test"
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(certificate), *options],
        check=True,
        capture_output=True,
    )
    return certificate, key


def load(table: TlsTable, folder: Path) -> Certificates:
    """What the table names and nothing else."""
    return load_certificates(table, folder / "data", Certificates())


def test_without_a_certificate_there_is_nothing_to_serve(tmp_path: Path) -> None:
    assert load(TlsTable(), tmp_path).pairs == ()


def test_missing_file_is_named(tmp_path: Path) -> None:
    certificate, key = make(tmp_path, "a", "-nodes")
    with pytest.raises(
        CertificateError, match=r"tls\.certificate: .*gone\.pem: No such file.* hub config explain"
    ):
        load(TlsTable(certificate=tmp_path / "gone.pem", key=key), tmp_path)
    with pytest.raises(CertificateError, match=r"tls\.key: .*gone\.key: No such file"):
        load(TlsTable(certificate=certificate, key=tmp_path / "gone.key"), tmp_path)


def test_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    _certificate, key = make(tmp_path, "a", "-nodes")
    with pytest.raises(CertificateError, match=r"tls\.certificate: .*a\.key: it holds no PEM block"):
        load(TlsTable(certificate=key, key=key), tmp_path)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    with pytest.raises(CertificateError, match=r"broken\.pem"):
        load(TlsTable(certificate=broken, key=key), tmp_path)


def test_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    certificate, _ = make(tmp_path, "a", "-nodes")
    _, key = make(tmp_path, "b", "-nodes")
    with pytest.raises(CertificateError, match=r"tls\.key: .*b\.key: it is not the key .*a\.pem"):
        load(TlsTable(certificate=certificate, key=key), tmp_path)


def test_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    certificate, key = make(tmp_path, "a", "-passout", "pass:secret")
    with pytest.raises(CertificateError, match=r"it is encrypted; write it plain: openssl pkey"):
        load(TlsTable(certificate=certificate, key=key), tmp_path)


def test_expired_certificate_serves_with_a_warning(tmp_path: Path) -> None:
    root, now = made("Root", authority=True), datetime.now(UTC)
    fresh = made("mx", root, names=["mx.example.test"], begins=now - timedelta(days=1)).write(tmp_path)
    before = now - timedelta(days=99)
    old = made("mx", root, names=["mx.example.test"], begins=before).write(tmp_path, name="old")
    with capture_logs() as logs:
        load(TlsTable(certificate=fresh[0], key=fresh[1]), tmp_path).tell()
    assert logs == []
    with capture_logs() as logs:
        load(TlsTable(certificate=old[0], key=old[1]), tmp_path).tell()
    (line,) = logs
    assert "expired" in line["reason"]
    assert line["file"] == str(old[0])


@pytest.mark.parametrize(
    ("minimum", "maximum", "agreed"),
    [
        ("1.2", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ("1.2", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        ("1.3", ssl.TLSVersion.TLSv1_2, None),
    ],
)
def test_versions_are_those_of_the_config(
    tmp_path: Path, certificate: TlsTable, minimum: str, maximum: ssl.TLSVersion, agreed: str | None
) -> None:
    table = certificate.model_copy(update={"minimum": minimum})
    certificates = load(table, tmp_path)
    context = certificates.context(certificates.pairs[0], Manner())
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(there, server_side=True) as served:
                served.recv(1)
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    trusting.maximum_version = maximum
    try:
        with trusting.wrap_socket(here, server_hostname="mx.example.test") as client:
            assert client.version() == agreed
            client.send(b"x")
            cipher = client.cipher()
            assert cipher is not None
            assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]
    except ssl.SSLError:
        assert agreed is None
        here.close()
    thread.join()
