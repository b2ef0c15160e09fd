"""Clients that arrive through a proxy, or whose first octets are a handshake, at a whole hub."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from hub.accepting import server as accepting
from hub.config.networks import LOOPBACK
from hub.config.tables.tls import TlsTable
from hub.testing.running import RunningHub, running_hub
from tests.accepting.test_header import V4, V6, v2
from tests.conftest import Client
from tests.peers.swaks import needs_swaks, swaks

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"
TRANSACTION = b"HELO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
MESSAGE = TRANSACTION + b"\r\nhello\r\n.\r\nQUIT\r\n"


def listeners(*protocols: str, proxies: tuple[str, ...] = ("127.0.0.1",)) -> dict[str, object]:
    return {
        name: {"protocol": name, "bind": ["127.0.0.1:0"], "proxy_protocol": list(proxies)}
        for name in protocols
    }


def tables(certificate: TlsTable, *protocols: str, **more: Mapping[str, object]) -> dict[str, object]:
    files = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    return {"listeners": listeners(*protocols), "tls": files, **more}


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects to a listener from an address of this machine; closes at the end of the test."""
    clients: list[Client] = []

    async def one(hub: RunningHub, listener: str = "smtp", source: str = "127.0.0.1") -> Client:
        streams = await asyncio.open_connection("127.0.0.1", hub.port(listener), local_addr=(source, 0))
        clients.append(Client(*streams))
        return clients[-1]

    yield one
    for client in clients:
        await client.close()


async def everything(client: Client) -> bytes:
    async with asyncio.timeout(20):
        try:
            return await client.reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.proves("mail: behind HAProxy every client keeps its own address (PROXY protocol 1 and 2)")
@pytest.mark.parametrize(
    ("header", "address"),
    [(V1, b"[192.0.2.7]"), (v2(1, 0x21, V6 + b"\x04\x00\x02\0\0"), b"[IPv6:2001:db8::7]")],
    ids=["version 1", "version 2 with a TLV"],
)
async def test_mail_through_a_proxy_is_its_clients(
    connect: Connect, header: bytes, address: bytes, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp", "imap")}) as hub:
        client = await connect(hub)
        await client.send(header + MESSAGE)  # in one packet
        answer = await everything(client)
        assert b"delivered as" in answer
        reader = await connect(hub, "imap")
        await reader.send(
            v2(0, 0, b"")
            + b"a LOGIN alice@example.test demo\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\nd LOGOUT\r\n"
        )
        assert b"Received: from c.example (" + address + b")" in await everything(reader)


@pytest.mark.parametrize("header", [v2(0, 0x11, V4), v2(1, 0, b""), b"PROXY UNKNOWN\r\n"])
async def test_a_proxy_may_speak_for_itself(connect: Connect, header: bytes, tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp")}) as hub:
        client = await connect(hub)
        await client.send(header)
        assert (await client.reply()).startswith("220")
        (about,) = [trace.about for trace in hub.hub.kernel.sessions.values()]
        assert about.startswith("smtp from 127.0.0.1:")


async def test_a_header_may_come_octet_by_octet(connect: Connect, tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp")}) as hub:
        for header in (V1, v2(1, 0x11, V4)):
            client = await connect(hub)
            client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in header + b"QUIT\r\n":
                await client.send(bytes([octet]))
                await asyncio.sleep(0)
            assert [line[:3] for line in (await everything(client)).splitlines()] == [b"220", b"221"]


async def test_nobody_else_is_believed(connect: Connect, tmp_path: Path) -> None:
    """From elsewhere the header is a command like any other, and the address stays what it is."""
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp", proxies=("127.0.0.9",))}) as hub:
        client = await connect(hub)
        assert (await client.reply()).startswith("220")
        assert (await client.ask(V1.decode().strip())).startswith("500 5.5.1")
        (about,) = [trace.about for trace in hub.hub.kernel.sessions.values()]
        assert about.startswith("smtp from 127.0.0.1:")
        trusted = await connect(hub, source="127.0.0.9")
        await trusted.send(V1)
        assert (await trusted.reply()).startswith("220")
        abouts = [trace.about for trace in hub.hub.kernel.sessions.values()]
        assert "smtp from 192.0.2.7:4711" in abouts


def test_loopback_of_another_machine_is_not_ours() -> None:
    """Else a proxy elsewhere could have passwords come in the clear."""
    assert "127.3.2.1" in LOOPBACK
    assert "::ffff:127.0.0.1" in LOOPBACK
    assert "192.0.2.7" not in LOOPBACK
    assert "unknown" not in LOOPBACK


@pytest.mark.parametrize(
    "octets",
    [b"EHLO client.example\r\n", b"PROXY TCP4 1 2 3 4\r\n", v2(1, 0x11, V4, version=3), b"\x16\x03\x01" * 9],
)
async def test_a_bad_header_is_dropped_with_a_line_in_the_log(
    connect: Connect, octets: bytes, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp")}) as hub:
        with capture_logs() as logs:
            client = await connect(hub)
            await client.send(octets)
            assert await everything(client) == b""
        (line,) = [line for line in logs if line["event"] == "bad PROXY header"]
        assert line["listener"] == "smtp"
        assert line["proxy"] == "127.0.0.1"
        assert len(hub.hub.kernel.connections) == 0


async def test_a_header_that_does_not_come_is_not_waited_for(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "HEADER_TIMEOUT", 0.05)
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp")}) as hub:
        with capture_logs() as logs:
            silent, slow = await connect(hub), await connect(hub)
            await slow.send(V1[:20])
            assert await everything(silent) == b""
            assert await everything(slow) == b""
        reasons = [line["reason"] for line in logs if line["event"] == "bad PROXY header"]
        assert reasons == ["it did not come within 0.05 seconds"] * 2


def hello_behind(header: bytes, port: int, trusting: ssl.SSLContext, says: bytes) -> bytes:
    """Send a header and the ClientHello in one packet, then talk through TLS; what the server says."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting.wrap_bio(received, sent, server_hostname="mx.example.test")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        wire.sendall(header + sent.read())
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                received.write(wire.recv(65536))
        tls.write(says)
        wire.sendall(sent.read())
        heard = b""
        while True:
            try:
                piece = tls.read(65536)
            except ssl.SSLWantReadError:
                wire.sendall(sent.read())
                octets = wire.recv(65536)
                if not octets:
                    return heard
                received.write(octets)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return heard
            else:
                if not piece:
                    return heard
                heard += piece


@pytest.mark.parametrize("header", [V1, v2(1, 0x21, V6)], ids=["version 1", "version 2"])
async def test_a_handshake_may_follow_in_the_same_packet(
    header: bytes, certificate: TlsTable, tmp_path: Path
) -> None:
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    async with running_hub(tmp_path, tables=tables(certificate, "submissions", "imaps")) as hub:
        smtp = await asyncio.to_thread(
            hello_behind, header, hub.port("submissions"), trusting, b"EHLO c.example\r\nQUIT\r\n"
        )
        assert b"AUTH SCRAM-SHA-256" in smtp
        imap = await asyncio.to_thread(
            hello_behind,
            header,
            hub.port("imaps"),
            trusting,
            b"a LOGIN alice@example.test demo\r\nb LOGOUT\r\n",
        )
        assert b"a OK" in imap


async def test_a_client_behind_a_proxy_does_not_log_in_in_the_clear(connect: Connect, tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("imap", "submission")}) as hub:
        client = await connect(hub, "imap")
        await client.send(V1 + b"a LOGIN alice@example.test demo\r\n")
        assert b"LOGINDISABLED" in await client.reader.readline()
        assert b"a NO [PRIVACYREQUIRED]" in await client.reader.readline()
        client = await connect(hub, "submission")
        await client.send(V1)
        await client.reply()
        assert "AUTH" not in await client.ask("EHLO c.example")
        assert (await client.ask("AUTH PLAIN AGFsaWNlAGRlbW8=")).startswith("538 5.7.11")


async def test_sessions_behind_a_proxy_are_counted_for_each_client(
    connect: Connect, certificate: TlsTable, tmp_path: Path
) -> None:
    limit = {"max_sessions_per_address": 2}
    more = {"smtp": limit, "imap": limit}
    async with running_hub(tmp_path, tables=tables(certificate, "smtp", "imap", "imaps", **more)) as hub:

        async def said_to(listener: str, address: str) -> str:
            client = await connect(hub, listener)
            await client.send(V1.replace(b"192.0.2.7", address.encode()))
            return (await client.reader.readline()).decode()

        leaving = await connect(hub)
        await leaving.send(V1)
        assert (await leaving.reply()).startswith("220")
        assert (await said_to("smtp", "192.0.2.7")).startswith("220")
        refused = "421 4.7.0 Too many sessions from your address; close some of them\r\n"
        assert await said_to("smtp", "192.0.2.7") == refused
        assert (await said_to("smtp", "192.0.2.8")).startswith("220")
        await leaving.send(b"QUIT\r\n")
        await everything(leaving)
        assert (await said_to("smtp", "192.0.2.7")).startswith("220")
        for greeted in (b"* OK", b"* OK", b"* BYE [LIMIT] Too many sessions from your address"):
            assert (await said_to("imap", "192.0.2.7")).startswith(greeted.decode())
        turned_away = await connect(hub, "imaps")  # before the handshake nothing can be said
        await turned_away.send(V1)
        assert await everything(turned_away) == b""


async def test_a_handshake_that_fails_is_no_session(
    connect: Connect, certificate: TlsTable, tmp_path: Path
) -> None:
    plain = {"submissions": {"protocol": "submissions", "bind": ["127.0.0.1:0"]}}
    limits = {"max_sessions": 1}
    said = {**tables(certificate, smtp=limits), "listeners": plain}
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    async with running_hub(tmp_path, tables=said) as hub:
        for nonsense in (b"EHLO c.example\r\n", b"", b"\x16\x03\x01\0\0"):
            client = await connect(hub, "submissions")
            await client.send(nonsense)
            client.writer.write_eof()
            await everything(client)
        answer = await asyncio.to_thread(hello_behind, b"", hub.port("submissions"), trusting, b"QUIT\r\n")
        assert answer.startswith(b"220")


async def test_a_handshake_has_a_deadline(connect: Connect, certificate: TlsTable, tmp_path: Path) -> None:
    said = tables(certificate, "submissions")
    cast(dict[str, object], said["tls"])["handshake_timeout"] = 0.1
    async with running_hub(tmp_path, tables=said) as hub:
        client = await connect(hub, "submissions")
        await client.send(V1 + b"\x16\x03")
        assert await everything(client) == b""


async def test_who_has_not_arrived_when_the_hub_stops_is_turned_away(
    connect: Connect, tmp_path: Path
) -> None:
    async with running_hub(tmp_path, tables={"listeners": listeners("smtp")}) as hub:
        client = await connect(hub)
        await client.send(V1[:9])
        other = await connect(hub)
        await other.send(V1)
        assert (await other.reply()).startswith("220")
    assert await everything(client) == b""
    assert (await everything(other)).startswith(b"421 4.3.2")


@needs_swaks
@pytest.mark.parametrize(
    "options",
    [
        ("--proxy-version", "1", "--proxy-family", "TCP4"),
        ("--proxy-version", "2", "--proxy-family", "AF_INET"),
    ],
    ids=["version 1", "version 2"],
)
async def test_swaks_comes_through_a_proxy(options: tuple[str, ...], tmp_path: Path) -> None:
    said = {"listeners": {**listeners("smtp"), "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]}}}
    async with running_hub(tmp_path, tables=said) as hub:
        status, output = await swaks(
            "--server", f"127.0.0.1:{hub.port()}", "--from", "a@b.example", "--to", "alice@example.test",
            *options, "--proxy-source", "192.0.2.7", "--proxy-source-port", "4711",
            "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25",
        )  # fmt: skip
        assert status == 0, output
        (message,) = await hub.mailbox()
        assert b"([192.0.2.7])" in message
