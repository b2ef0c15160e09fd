"""Mail that keeps flowing while a test does something to the server, every answer kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final

HEADER: Final = "X-Load-Number"
"""The header field with which each message carries its number."""


class Refusal(Exception):
    """A command was answered with a code that does not go on."""


@dataclass(slots=True)
class MailLoad:
    """What became of the mail so far, by message number.

    accepted: the whole last reply (`250 2.0.0 delivered as …`). refused: the reply that ended it.
    unanswered: its end was sent, but the connection broke before the reply, so that either outcome is right.
    dropped: connections that the server ended; what it was about to send is sent anew.
    """

    accepted: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)
    dropped: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_accepted(self, more: int) -> None:
        """Wait for so many more messages to be accepted."""
        wanted = len(self.accepted) + more
        async with self._news:
            await self._news.wait_for(lambda: len(self.accepted) >= wanted)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def mail_load(
    port: int,
    *,
    sessions: int = 50,
    size: int = 2048,
    sender: str = "load@client.example.test",
    to: str = "alice@example.test",
    host: str = "127.0.0.1",
) -> AsyncIterator[MailLoad]:
    """Send mail over this many connections, each with one message after the other, until the block ends.

    Messages under way when the block ends are finished. size: octets of a body. A connection that breaks or
    is refused is counted and made anew, so that the server may be killed and started again under it.
    """
    load, numbers, over = MailLoad(), count(1), asyncio.Event()
    text = ("x" * 70 + "\r\n") * (size // 72)

    async def flow() -> None:
        number = next(numbers)
        while not over.is_set():
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                load.dropped += 1
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):  # the server is being started
                        await over.wait()
                continue
            try:
                await _reply(reader)
                await _ask(reader, writer, "EHLO client.example.test")
                while not over.is_set():
                    await _send(load, number, reader, writer, sender, to, text)
                    await load._tell()
                    number = next(numbers)
                await _ask(reader, writer, "QUIT")
            except (OSError, EOFError):
                if number in load.unanswered:
                    number = next(numbers)
                load.dropped += 1
            except Refusal:
                load.dropped += 1  # the greeting or EHLO
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(sessions):
            group.create_task(flow())
        try:
            yield load
        finally:
            over.set()


async def _send(
    load: MailLoad,
    number: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sender: str,
    to: str,
    text: str,
) -> None:
    try:
        await _ask(reader, writer, f"MAIL FROM:<{sender}>")
        await _ask(reader, writer, f"RCPT TO:<{to}>")
        await _ask(reader, writer, "DATA")
        load.unanswered.add(number)
        writer.write(f"Subject: {number}\r\n{HEADER}: {number}\r\n\r\n{text}.\r\n".encode())
        reply = await _reply(reader)
        load.unanswered.discard(number)
        load.accepted[number] = reply
    except Refusal as refusal:
        load.unanswered.discard(number)
        load.refused[number] = str(refusal)
        await _ask(reader, writer, "RSET")


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str) -> None:
    writer.write(f"{command}\r\n".encode())
    await _reply(reader)


async def _reply(reader: asyncio.StreamReader) -> str:
    """The lines of a reply, joined; EOFError when the connection ends, Refusal for 4xx and 5xx."""
    lines: list[str] = []
    while not lines or lines[-1][3:4] == "-":
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        lines.append(line.decode().rstrip())
    reply = "\n".join(lines)
    if reply[0] in "45":
        raise Refusal(reply)
    return reply
