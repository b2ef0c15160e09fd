"""Conversations kept as text files: what a client says, and what the server must answer.

# a comment
listener submission          which listener is spoken to; `smtp` without it
C: MAIL FROM:<a@b.example>   what the client sends, with CR LF
C>. odd\\n                    what the client sends as it stands, with Python's escapes
S: 250 2.1.0 OK              the next line of the server; … stands for anything
S~ 250 …                     lines of the server, up to one that is like this
S! closed                    the server closes the connection
C! TLS                       the client does the handshake
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE: Final = 20.0
"""Seconds until a server that says nothing counts as silent."""
MARKS: Final = ("C:", "C>", "C!", "S:", "S~", "S!")


@dataclass(frozen=True, slots=True)
class Line:
    """What is said at one line of the file. mark: one of `MARKS`."""

    number: int
    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """One file. listener: the words after `listener`, `smtp` if there are none."""

    path: Path
    listener: tuple[str, ...]
    lines: tuple[Line, ...]

    async def play(
        self, port: int, *, source: str = "127.0.0.1", trusting: ssl.SSLContext | None = None
    ) -> None:
        """Hold it with the server at that port. AssertionError with file and line where it goes otherwise.

        source: where to connect from, in 127.0.0.0/8. trusting: for `C! TLS`, which else trusts any server.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        try:
            for line in self.lines:
                said = await _play(line, reader, writer, trusting)
                if said is not None:
                    raise AssertionError(f"{self.path}:{line.number}: {line.mark} {line.text}\n{said}")
        finally:
            writer.close()


def read(path: Path) -> Conversation:
    """A conversation out of its file. ValueError with file and line."""
    listener: tuple[str, ...] = ("smtp",)
    lines: list[Line] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        mark, _, said = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if mark == "listener" and not lines:
            listener = tuple(said.split())
        elif mark in MARKS:
            lines.append(Line(number, mark, said))
        else:
            raise ValueError(f"{path}:{number}: a line begins with one of {', '.join(MARKS)}, not {mark!r}")
    return Conversation(path, listener, tuple(lines))


async def _play(
    line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trusting: ssl.SSLContext | None
) -> str | None:
    """Say, or hear, one line; what the server says in its place."""
    match line.mark:
        case "C:":
            writer.write(line.text.encode() + b"\r\n")
        case "C>":
            writer.write(line.text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        case "C!":
            await writer.start_tls(trusting or _any_server(), server_hostname="mx.example.test")
        case "S!":
            heard = await asyncio.wait_for(reader.read(), PATIENCE)
            return f"the server says {heard.decode(errors='replace')!r}" if heard else None
        case _:
            return await _hear(line, reader)
    return None


async def _hear(line: Line, reader: asyncio.StreamReader) -> str | None:
    wanted = re.compile(".*".join(re.escape(part) for part in line.text.split("…")) + "\r\n")
    while True:
        try:
            heard = (await asyncio.wait_for(reader.readline(), PATIENCE)).decode(errors="replace")
        except TimeoutError:
            return "the server says nothing"
        if wanted.fullmatch(heard):
            return None
        if line.mark == "S:" or not heard:
            return f"the server says {heard!r}"


def _any_server() -> ssl.SSLContext:
    """For a server on loopback whose certificate a test has made."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
