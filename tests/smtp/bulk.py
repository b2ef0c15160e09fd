"""`python -m tests.smtp.bulk PORT COUNT SIZE`: that many large messages at once, from their own process."""

from __future__ import annotations

import asyncio
import sys

LINES = (b"large and boring" * 4 + b"\r\n") * 1000


async def send(port: int, size: int) -> bytes:
    """One message with a body of about that many octets; the last reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    for command in (
        b"HELO bulk.example\r\n",
        b"MAIL FROM:<bulk@sender.example>\r\n",
        b"RCPT TO:<bob@example.test>\r\n",
        b"DATA\r\n",
    ):
        writer.write(command)
        reply = await reader.readline()
        assert reply[:1] in (b"2", b"3"), reply
    writer.write(b"Subject: large\r\n\r\n")
    for _ in range(size // len(LINES)):
        writer.write(LINES)
        await writer.drain()
    writer.write(b".\r\n")
    reply = await reader.readline()
    writer.close()
    return reply


async def send_all(port: int, count: int, size: int) -> None:
    """All of them together; AssertionError if one is not accepted."""
    for reply in await asyncio.gather(*(send(port, size) for _ in range(count))):
        assert reply.startswith(b"250 "), reply


if __name__ == "__main__":
    asyncio.run(send_all(*map(int, sys.argv[1:])))
