"""TLS from the first octet and by STARTTLS; who may show a password where."""

from __future__ import annotations

import asyncio
import base64
import ssl

import pytest
from scramp import ScramClient

from hub.config.tables.listeners import Listener
from hub.config.tables.tls import TlsTable
from hub.hooks.markers import hookimpl
from hub.mail.login import Credentials, Identity, Refuse
from hub.smtp.server import SmtpProtocol
from tests.conftest import Client, World, connected, engine

ALICE = "AUTH PLAIN AGFsaWNlAGRlbW8="


@pytest.fixture
def trusting(certificate: TlsTable) -> ssl.SSLContext:
    """A client that trusts the certificate alone."""
    return ssl.create_default_context(cafile=certificate.certificate)


async def test_implicit_tls_offers_login_at_once(
    world: World, certificate: TlsTable, trusting: ssl.SSLContext
) -> None:
    port = await world.listen("submissions", tls="implicit", context=engine(certificate))
    async with connected(port, trusting) as client:
        greeting = await client.ask("EHLO c.example")
        assert "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in greeting
        assert "STARTTLS" not in greeting
        assert (await client.ask(ALICE)).startswith("235")
        reply = await client.submit(b"\r\n", sender="alice@example.test")
        assert reply.startswith("250 2.0.0 delivered")
    assert b" with ESMTPSA id " in world.message


async def test_large_message_comes_through_tls(
    world: World, certificate: TlsTable, trusting: ssl.SSLContext
) -> None:
    port = await world.listen("smtp", tls="starttls", context=engine(certificate))
    body = b"x" * 998 + b"\r\n"
    async with connected(port) as client:
        assert (await client.ask("STARTTLS")).startswith("220")
        await client.writer.start_tls(trusting, server_hostname="mx.example.test")
        await client.ask("EHLO c.example")
        assert (await client.submit(b"\r\n" + body * 2000 + b"end")).startswith("250")
    assert world.message.endswith(body * 2000 + b"end\r\n")
    assert b" with ESMTPS id " in world.message


async def test_failed_handshake_ends_the_session(world: World, certificate: TlsTable) -> None:
    port = await world.listen("smtp", tls="starttls", context=engine(certificate))
    for nonsense in (b"this is no handshake\r\n" * 10, b""):
        async with connected(port) as client:
            assert (await client.ask("STARTTLS")).startswith("220")
            if nonsense:
                await client.send(nonsense)
                await client.reader.read()
    assert await world.kernel.connections.drain(10) == 0
    assert [record[5] for record in world.records if record[3] == "TLS"] == ["failed", "failed"]


@pytest.mark.proves("mail: nothing that was sent before the TLS handshake is obeyed after it")
async def test_octets_behind_starttls_are_never_commands(
    world: World, certificate: TlsTable, trusting: ssl.SSLContext
) -> None:
    """Also not those that come in a packet of their own before the handshake."""
    port = await world.listen("smtp", tls="starttls", context=engine(certificate))
    async with connected(port) as client:
        await client.send(b"STARTTLS\r\n")
        await client.reply()
        await client.send(b"MAIL FROM:<mallory@b.example>\r\n")
        assert await client.reader.read() in (b"", b"\x15\x03\x01\x00\x02\x02F")  # an alert at most
    await world.kernel.connections.drain(10)
    assert not any(record[3] == "MAIL" for record in world.records)


class FarAway(asyncio.Transport):
    """A connection from another machine."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 587)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("tls", ["starttls", "none"])
async def test_passwords_in_the_clear_are_refused_from_elsewhere(
    world: World, certificate: TlsTable, tls: str
) -> None:
    world.kernel.tls = engine(certificate)
    listener = Listener.model_validate({"protocol": "submission", "bind": ["0.0.0.0:0"], "tls": tls})
    transport = FarAway()
    protocol = SmtpProtocol(world.kernel, "submission", listener)
    protocol.connection_made(transport)
    protocol.data_received(b"EHLO c.example\r\n")
    await asyncio.sleep(0)  # replies are written once the loop has gone through all that was read
    assert b"AUTH" not in transport.written
    transport.written = b""
    protocol.data_received(f"{ALICE}\r\nAUTH LOGIN\r\nAUTH SCRAM-SHA-256\r\n".encode())
    await asyncio.sleep(0)
    assert [line[:10] for line in transport.written.splitlines()] == [b"538 5.7.11"] * 3
    protocol.connection_lost(None)
    assert not any(record[2] == "hook" for record in world.records)


async def scram(client: Client, username: str, password: str) -> str:
    """A SCRAM-SHA-256 login; the last reply."""
    scram = ScramClient(["SCRAM-SHA-256"], username, password)

    async def exchange(message: str) -> str:
        return await client.ask(base64.b64encode(message.encode()).decode())

    assert await client.ask("AUTH SCRAM-SHA-256") == "334 "
    reply = await exchange(scram.get_client_first())
    assert reply.startswith("334 "), reply
    scram.set_server_first(base64.b64decode(reply[4:]).decode())
    reply = await exchange(scram.get_client_final())
    if not reply.startswith("334 "):
        return reply
    scram.set_server_final(base64.b64decode(reply[4:]).decode())
    return await exchange("")


async def test_scram_proves_both_sides(world: World) -> None:
    async with connected(await world.listen("submission")) as client:
        assert (await scram(client, "alice@example.test", "wrong")).startswith("535 5.7.8")
        assert (await scram(client, "nobody@example.test", "demo")).startswith("535 5.7.8")
        assert (await client.ask("MAIL FROM:<alice@example.test>")).startswith("530")
        assert await scram(client, "alice@example.test", "demo") == "235 2.7.0 Welcome"
        assert (await client.ask("MAIL FROM:<alice@example.test>")).startswith("250")


async def test_login_is_offered_as_far_as_plugins_can_check_it(world: World) -> None:
    world.plugins(login=False)
    async with connected(await world.listen("submission")) as client:
        assert "AUTH" not in await client.ask("EHLO c.example")
        assert (await client.ask(ALICE)).startswith("504")
        world.plugins()
        assert "AUTH SCRAM-SHA-256 PLAIN LOGIN" in await client.ask("EHLO c.example")


async def test_login_that_cannot_be_checked_fails_for_now(world: World) -> None:
    @hookimpl
    async def authenticate(credentials: Credentials) -> Identity | Refuse | None:
        raise ConnectionError("the LDAP server's secret name")

    world.plugins(authenticate)
    async with connected(await world.listen("submission")) as client:
        assert await client.ask(ALICE) == "454 4.7.0 Logins cannot be checked now; try again later"
