"""Thousands who hold a connection and say next to nothing: others are served, and they are gone in time."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Client
from tests.smtp.test_memory import anonymous_memory, hub_with_probe
from tests.soak import Soak

ENVELOPE = b"HELO slow.example\r\nMAIL FROM:<a@slow.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
DRIPS = {
    "says nothing": (b"", b""),
    "never ends a command": (b"HELO slow.example\r\n", b"N"),
    "never ends its greeting": (b"", b"E"),
    "never ends a header field": (ENVELOPE, b"x"),
    "never ends a message": (ENVELOPE + b"Subject: slow\r\n\r\n", b"x\r\n"),
    "never ends a chunk": (ENVELOPE.replace(b"DATA", b"BDAT 100000"), b"x"),
}


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process too may have as many connections as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def drip(port: int, begins: bytes, goes_on: bytes) -> bytes:
    """Hold a connection, with some octets now and then, until the server ends it; its last words."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        writer.write(begins)
        while True:
            try:
                async with asyncio.timeout(1):
                    while piece := await reader.read(1000):
                        heard += piece
                    return heard
            except TimeoutError:
                writer.write(goes_on)
    except ConnectionResetError:
        return heard
    finally:
        writer.close()


@pytest.mark.soak(alone=True)
@pytest.mark.proves("mail: thousands of slow senders hold nobody up, and are gone once their time is")
async def test_honest_mail_goes_through(tmp_path: Path, soak: Soak, many_files: None) -> None:
    count = soak.times(500, soak=3000)
    patience = soak.times(4, soak=15)  # seconds, in which all of them must have come
    limits = {"timeout": patience, "greeting_timeout": patience, "min_rate": 1000}
    async with hub_with_probe(tmp_path, **limits) as crew:
        port = await crew.port("smtp")
        before = anonymous_memory(crew.process.pid)
        kinds = list(DRIPS.values())
        slow = [asyncio.create_task(drip(port, *kinds[number % len(kinds)])) for number in range(count)]
        async with asyncio.timeout(patience):
            while (await crew.ask("status"))["sessions"] != count:
                await asyncio.sleep(0.05)
        held = anonymous_memory(crew.process.pid) - before
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            await client.reply()
            await client.ask("EHLO honest.example")
            assert (await client.submit(b"Subject: honest\r\n\r\nhello")).startswith("250")
            await client.ask("QUIT")
            await client.close()
            seconds.append(time.perf_counter() - began)
        async with asyncio.timeout(60 + patience):
            said = await asyncio.gather(*slow)
        soak.found(f"{count} slow senders", f"{held / count / 1024:.1f} KiB each")
        soak.found("an honest mail beside them", f"{max(seconds) * 1000:.0f} ms at worst")
        ends = [words.splitlines()[-1][:9] for words in said]
        assert set(ends) == {b"421 4.4.2"}
        while (await crew.ask("status"))["sessions"]:
            await asyncio.sleep(0.05)
