"""Who gets in, and over which connections."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import ssl
import subprocess
from pathlib import Path

import pytest
from scramp import ScramClient

from hub.config.tables.listeners import Listener
from hub.config.tables.tls import TlsTable
from hub.imap.connection import Connection
from hub.imap.server import factory
from hub.tls.engine import Engine
from tests.conftest import engine
from tests.imap.conftest import ImapHub, OpenHub


@pytest.fixture
def tls(tmp_path: Path) -> Engine:
    """With a certificate that nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return engine(TlsTable(certificate=certificate, key=key))


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_starttls_protects_what_follows(open_hub: OpenHub, tls: Engine) -> None:
    hub = await open_hub(tls=tls)

    def talk() -> None:
        with imaplib.IMAP4("127.0.0.1", hub.port) as client:
            assert "STARTTLS" in client.capabilities
            assert client.starttls(trusting())[0] == "OK"
            assert "STARTTLS" not in client.capabilities
            assert client.login("alice@example.test", "demo")[0] == "OK"
            message = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100_000
            assert client.append("INBOX", "", "", message)[0] == "OK"
            client.select()
            found = client.fetch("1", "(BODY.PEEK[])")[1]
            assert isinstance(found[0], tuple)
            assert found[0][1] == message

    await hub.blocking(talk)


async def test_a_command_smuggled_behind_starttls_is_never_run(open_hub: OpenHub, tls: Engine) -> None:
    hub = await open_hub(tls=tls)
    async with await hub.client() as client:
        client.write(b"a1 STARTTLS\r\na2 LOGIN alice@example.test demo\r\n")
        assert await client.line() == b"a1 BAD Nothing may follow STARTTLS before the TLS handshake"
        assert await client.line() == b""


async def test_a_failed_handshake_ends_the_connection(open_hub: OpenHub, tls: Engine) -> None:
    hub = await open_hub(tls=tls)
    async with await hub.client() as client:
        client.write(b"a1 STARTTLS\r\n")
        assert (await client.line()).startswith(b"a1 OK")
        client.write(b"this is no handshake at all\r\n" * 10)
        await client.reader.read()
        await hub.ended.wait()
    async with await hub.client() as client:
        assert (await client.command("NOOP"))[-1].startswith(b"OK")


async def test_scram_proves_the_password_without_sending_it(imap: ImapHub) -> None:
    async with await imap.client() as client:
        scram = ScramClient(["SCRAM-SHA-256"], "alice@example.test", "demo")
        first = base64.b64encode(scram.get_client_first().encode())
        client.write(b"a1 AUTHENTICATE SCRAM-SHA-256 " + first + b"\r\n")
        challenge = await client.line()
        assert challenge.startswith(b"+ ")
        scram.set_server_first(base64.b64decode(challenge[2:]).decode())
        client.write(base64.b64encode(scram.get_client_final().encode()) + b"\r\n")
        final = await client.line()
        scram.set_server_final(base64.b64decode(final[2:]).decode())
        client.write(b"\r\n")
        assert (await client.line()).startswith(b"a1 OK [CAPABILITY ")
        await client.ok("SELECT INBOX")


class _Wire(asyncio.Transport):
    """A connection from far away, kept in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 143)})
        self.written = bytearray()
        self.closed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is none."""

    def pause_reading(self) -> None:
        """Nothing comes unasked."""

    def is_reading(self) -> bool:
        return True

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed.set()


async def test_a_password_is_not_taken_from_far_away_without_tls(imap: ImapHub) -> None:
    make = factory(imap.kernel, "imap", Listener(protocol="imap", bind=("127.0.0.1:0",), tls="none"))
    connection, wire = make(), _Wire()
    connection.connection_made(wire)
    assert b" LOGINDISABLED " in wire.written
    assert b"AUTH=" not in wire.written
    connection.data_received(
        b"a1 LOGIN alice@example.test demo\r\na2 AUTHENTICATE PLAIN AGEAYg==\r\na3 LOGOUT\r\n"
    )
    await wire.closed.wait()
    connection.connection_lost(None)
    refused = b"NO [PRIVACYREQUIRED] Use STARTTLS first: a password is not taken over a plain connection\r\n"
    assert b"\r\na1 " + refused + b"a2 " + refused + b"* BYE " in wire.written


async def test_a_guesser_is_sent_away(imap: ImapHub) -> None:
    async with await imap.client() as client:
        client.write(b"nonsense\r\n" * 50)
        lines = []
        while line := await client.line():
            lines.append(line)
        assert lines[-1].startswith(b"* BYE ")
        assert len(lines) < 30


async def test_time_to_log_in_is_not_renewed_by_every_octet(imap: ImapHub) -> None:
    async with await imap.client() as client:
        (connection,) = imap.kernel.connections._open
        assert isinstance(connection, Connection)
        deadline = connection.deadline
        await client.ok("NOOP")
        assert connection.deadline == deadline
        connection.deadline = 0
        imap.kernel.connections.sweep()
        assert (await client.line()).startswith(b"* BYE ")


async def test_a_long_line_behind_a_literal_is_answered_with_the_tag(imap: ImapHub) -> None:
    async with await imap.client() as client:
        client.write(b"a1 LOGIN {3+}\r\nabc " + b"x" * 50_000 + b"\r\na2 NOOP\r\n")
        assert await client.line() == b"a1 BAD The line is longer than 13312 octets"
        assert (await client.line()).startswith(b"a2 OK")


async def test_a_large_literal_before_login_ends_the_connection(imap: ImapHub) -> None:
    async with await imap.client() as client:
        client.write(b"a1 LOGIN {100000+}\r\n")
        assert await client.line() == b"* BYE A literal of that size is not taken before login"
        assert await client.line() == b"a1 BAD A literal of 100000 octets is too large for this command"
        assert await client.line() == b""


async def test_a_long_line_is_refused_and_read_over(imap: ImapHub) -> None:
    async with await imap.client() as client:
        client.write(b"a1 LOGIN " + b"x" * 50_000 + b"\r\na2 NOOP\r\n")
        assert await client.line() == b"a1 BAD The line is longer than 13312 octets"
        assert (await client.line()).startswith(b"a2 OK")
        await client.ok("LOGIN alice@example.test demo")
        client.write(b"a3 FETCH " + b"1," * 200_000 + b"\r\na4 NOOP\r\n")
        assert await client.line() == b"a3 BAD The line is longer than 262144 octets"
        assert (await client.line()).startswith(b"a4 OK")


BROKEN = """
from hub import hookimpl

@hookimpl
async def authenticate(credentials):
    raise RuntimeError("a secret")
"""


async def test_a_failed_plugin_is_not_a_wrong_password(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"broken": BROKEN})
    async with await hub.client() as client:
        answer = await client.command("LOGIN alice@example.test demo")
        assert answer == [b"NO [UNAVAILABLE] That cannot be done now, please try again later"]
