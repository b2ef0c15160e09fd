"""A conversation with an SMTP listener, from any address of the loopback network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def dialogue(port: int, commands: Iterable[str] = (), *, source: str = "127.0.0.1") -> list[str]:
    """Say each command once the one before it was answered; gives the replies, the greeting first.

    A command may have several lines, such as a message after DATA; a reply is its lines joined by line feeds.
    There are fewer if the server closes the connection. source: where to connect from, in 127.0.0.0/8.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    replies: list[str] = []
    try:
        for command in (None, *commands):
            if command is not None:
                writer.write(command.encode() + b"\r\n")
            if not (reply := await _reply(reader)):
                break
            replies.append(reply)
    finally:
        writer.close()
        await writer.wait_closed()
    return replies


async def _reply(reader: asyncio.StreamReader) -> str:
    """RFC 5321 §4.2.1: every line but the last has a hyphen after its code. Empty if the connection ends."""
    lines: list[str] = []
    while line := await reader.readline():
        lines.append(line.decode().rstrip("\r\n"))
        if line[3:4] != b"-":
            break
    return "\n".join(lines)
