"""COMPRESS=DEFLATE (RFC 4978) and UNAUTHENTICATE (RFC 8437): layers that come and go."""

from __future__ import annotations

import asyncio
import zlib

from hub.imap.deflate import Deflater, Inflater
from hub.imap.input import MAX_LINE, Input
from tests.imap.conftest import Client, ImapHub


class Deflated:
    """The client's side of a connection that is deflated both ways."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._inflate = zlib.decompressobj(-15)
        self.got = b""

    def write(self, octets: bytes) -> None:
        self.client.write(self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    async def until(self, octets: bytes) -> bytes:
        """What came up to and with the line that holds these."""
        async with asyncio.timeout(20):
            while octets not in self.got or not self.got.endswith(b"\r\n"):
                data = await self.client.reader.read(1 << 16)
                assert data, f"the connection ended behind {self.got[-300:]!r}"
                self.got += self._inflate.decompress(data)
        got, self.got = self.got, b""
        return got


async def deflated(hub: ImapHub) -> Deflated:
    client = await hub.logged_in()
    await client.ok("COMPRESS DEFLATE")
    return Deflated(client)


async def test_all_is_deflated_both_ways(imap: ImapHub) -> None:
    talk = await deflated(imap)
    message = b"Subject: x\r\n\r\n" + b"all the same line\r\n" * 100_000
    talk.write(b"a1 APPEND INBOX {%d+}\r\n%b\r\n" % (len(message), message))
    assert b"a1 OK [APPENDUID " in await talk.until(b"a1 ")
    talk.write(b"a2 SELECT INBOX\r\na3 FETCH 1 BODY.PEEK[]\r\n")
    assert message in await talk.until(b"a3 OK")
    for number in range(10):  # the tables are let go of in between, and nothing is lost by that
        talk.write(b"b%d NOOP\r\n" % number)
        await talk.until(b"b%d OK" % number)
    talk.write(b"a4 COMPRESS DEFLATE\r\n")
    assert b"a4 NO [COMPRESSIONACTIVE]" in await talk.until(b"a4 ")
    talk.write(b"a5 CAPABILITY\r\n")
    assert b"COMPRESS" not in await talk.until(b"a5 OK")
    await talk.client.close()


async def test_a_client_in_idle_is_told_deflated(imap: ImapHub) -> None:
    talk = await deflated(imap)
    talk.write(b"a1 SELECT INBOX\r\n")
    await talk.until(b"a1 OK")
    talk.write(b"a2 IDLE\r\n")
    await talk.until(b"+ ")
    async with await imap.logged_in() as other:
        await other.append("INBOX", b"x")
    assert b"* 1 EXISTS" in await talk.until(b"EXISTS")
    await talk.client.close()


async def test_it_is_for_those_who_have_logged_in_and_takes_deflate_alone(imap: ImapHub) -> None:
    async with await imap.client() as client:
        assert (await client.command("COMPRESS DEFLATE"))[-1].startswith(b"BAD Log in first")
        await client.ok("LOGIN alice@example.test demo")
        assert (await client.command("COMPRESS BROTLI"))[-1].startswith(b"BAD COMPRESS takes DEFLATE")
        client.write(b"a1 COMPRESS DEFLATE\r\na2 NOOP\r\n")
        assert (await client.line()).startswith(b"a1 BAD Nothing may follow COMPRESS")
        assert (await client.line()).startswith(b"a2 OK")


async def test_what_cannot_be_inflated_ends_the_session_with_a_word(imap: ImapHub) -> None:
    for junk in (b"\xff" * 100, zlib.compressobj(9, zlib.DEFLATED, -15).flush(zlib.Z_FINISH)):
        talk = await deflated(imap)
        talk.client.write(junk)
        assert b"* BYE What you send cannot be inflated" in await talk.until(b"BYE")
        await talk.client.close()


async def test_a_bomb_is_read_over_and_never_in_memory(imap: ImapHub) -> None:
    talk = await deflated(imap)
    (connection,) = imap.kernel.connections._open
    buffer: Input = connection.session.input  # type: ignore[attr-defined]
    largest, drop = 0, Input._drop

    def measured(self: Input, size: int) -> None:
        nonlocal largest
        largest = max(largest, len(buffer))
        drop(self, size)

    Input._drop = measured  # type: ignore[method-assign]
    try:
        talk.write(b"a1 NOOP " + b"x" * (64 << 20) + b"\r\na2 NOOP\r\n")
        got = await talk.until(b"a2 ")
    finally:
        Input._drop = drop  # type: ignore[method-assign]
    assert b"a1 BAD The line is longer than" in got
    assert b"a2 OK" in got
    assert MAX_LINE < largest <= 2 * MAX_LINE
    await talk.client.close()


def test_another_compressor_may_go_on_where_one_has_stopped() -> None:
    deflater, inflate = Deflater(), zlib.decompressobj(-15)
    said = [b"one line\r\n" * 50, b"another\r\n", b"one line\r\n"]
    got = b""
    for octets in said:
        got += inflate.decompress(deflater.deflate(octets))
        deflater.rest()
    assert got == b"".join(said)


def test_no_more_is_inflated_than_is_asked_for() -> None:
    inflater = Inflater()
    inflater.feed(zlib.compress(bytes(1 << 20), 9, -15))
    assert len(inflater.take(1000)) == 1000
    assert inflater.pending


async def test_a_connection_serves_one_user_after_the_other(imap: ImapHub) -> None:
    async with await imap.logged_in("alice", mailbox="INBOX") as client:
        await client.append("INBOX", b"secret")
        await client.ok("ENABLE UTF8=ACCEPT")
        assert (await client.command("UNAUTHENTICATE"))[-1].startswith(b"OK [CAPABILITY IMAP4rev1 ")
        assert (await client.command("FETCH 1 BODY[]"))[-1].startswith(b"BAD Log in first")
        await client.ok("LOGIN bob@example.test demo")
        assert (await client.command("FETCH 1 BODY[]"))[-1].startswith(b"BAD Open a mailbox first")
        assert await client.ok("ENABLE UTF8=ACCEPT") == [b"* ENABLED UTF8=ACCEPT"]
        assert await client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]


async def test_compression_ends_with_the_login(imap: ImapHub) -> None:
    talk = await deflated(imap)
    talk.write(b"a1 UNAUTHENTICATE\r\n")
    assert b"a1 OK" in await talk.until(b"a1 ")
    await talk.client.ok("LOGIN bob@example.test demo")
    await talk.client.close()
