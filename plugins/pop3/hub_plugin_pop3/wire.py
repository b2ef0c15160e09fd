"""A message on its way to a client: lines that end in CRLF, dots doubled, a dot at the end (RFC 1939 §3)."""

import re
from collections.abc import AsyncIterator
from typing import Final

from hub import ListenerSession, StoredMessage

_BARE: Final = re.compile(rb"(?<!\r)\n")


class Stuffing:
    """Chunk by chunk, wherever they are cut."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = b"\n"

    def feed(self, chunk: bytes) -> bytes:
        """The next octets, as they are sent."""
        if not chunk:
            return b""
        text = self._last + chunk
        if chunk.count(b"\n") != text.count(b"\r\n"):
            before = b"" if self._last == b"\r" else self._last  # a line end may be cut in two
            text = before + _BARE.sub(b"\r\n", text.removeprefix(before))
        self._last = chunk[-1:]
        return text.replace(b"\n.", b"\n..")[1:]

    def end(self) -> bytes:
        """What ends the message and the answer."""
        return b".\r\n" if self._last == b"\n" else b"\r\n.\r\n"


async def send(session: ListenerSession, first: bytes, pieces: AsyncIterator[bytes]) -> None:
    """Send a message piece by piece, none held while the client is slow. SessionOver, BlobGone."""
    stuffing = Stuffing()
    session.write(stuffing.feed(first))
    async for piece in pieces:
        session.write(stuffing.feed(piece))
        await session.flow()
    session.write(stuffing.end())


async def top(message: StoredMessage, lines: int) -> AsyncIterator[bytes]:
    """A header block and the first lines of the body (RFC 1939 §7). BlobGone."""
    chunks = aiter(message.chunks())
    yield await anext(chunks)  # the header block comes first, and whole
    while lines > 0 and (chunk := await anext(chunks, b"")):
        found = chunk.count(b"\n")
        if found < lines:
            lines -= found
            yield chunk
            continue
        end = -1
        for _ in range(lines):
            end = chunk.index(b"\n", end + 1)
        yield chunk[: end + 1]
        return
