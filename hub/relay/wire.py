"""The lines of a conversation in SMTP, seen from the client (RFC 5321 §4.2).

Whatever the other side does ends in a reply or in `Broken`: its lines are bounded, every wait has an end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Final

from hub.relay.answers import Answer, parse
from hub.relay.hops import Hop

MAX_LINE: Final = 2048
MAX_LINES: Final = 100
GREETING, COMMAND, DATA, BLOCK, FINAL = 300.0, 300.0, 120.0, 180.0, 600.0
"""Seconds of patience in each state (RFC 5321 §4.5.3.2)."""


class Broken(Exception):
    """The connection cannot be used, or not any more; the text says why."""


class Unreached(Broken):
    """There is none: nobody took it."""


class NoTls(Broken):
    """The server offers STARTTLS, and no handshake with it succeeds."""


@dataclass(slots=True)
class Wire:
    """An open connection to a hop."""

    hop: Hop
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(
        cls, hop: Hop, *, patience: float, source: str | None = None, tls: ssl.SSLContext | None = None
    ) -> Wire:
        """Connect. Unreached. source: our own address. tls: encrypt from the first octet."""
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection(
                    hop.address,
                    hop.port,
                    limit=MAX_LINE * 2,
                    local_addr=(source, 0) if source else None,
                    ssl=tls,
                    server_hostname=hop.host if tls else None,
                )
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or "no answer in time"
            raise Unreached(f"cannot connect to {hop.host} [{hop.address}]: {why}") from None
        return cls(hop, reader, writer)

    @property
    def is_open(self) -> bool:
        """Whether the other side has not hung up, as far as we know."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    @property
    def is_private(self) -> bool:
        """Whether nobody can listen: it is encrypted, or does not leave this machine."""
        encrypted = self._writer.get_extra_info("ssl_object") is not None
        return encrypted or ipaddress.ip_address(self.hop.address).is_loopback

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """Shake hands. NoTls."""
        try:
            await self._writer.start_tls(tls, server_hostname=self.hop.host, ssl_handshake_timeout=DATA)
        except (OSError, TimeoutError) as error:
            raise NoTls(f"no TLS with {self.hop.host}: {error}") from None

    def say(self, command: str) -> None:
        """Write one line."""
        self._writer.write(f"{command}\r\n".encode())

    async def write(self, data: bytes) -> None:
        """Write octets of a message."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(BLOCK):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Broken(f"{self.hop.host} takes no more of the message: {error}") from None

    async def ask(self, command: str, patience: float = COMMAND) -> Answer:
        """Say something and hear the answer."""
        self.say(command)
        return await self.reply(patience)

    async def reply(self, patience: float) -> Answer:
        """The answer to what was said."""
        code, lines = await self.lines(patience)
        return parse(code, lines, self.hop.host)

    async def lines(self, patience: float) -> tuple[int, list[str]]:
        """The code and the texts of one reply. Broken for what is none, and for 421."""
        lines: list[str] = []
        try:
            async with asyncio.timeout(patience):
                while True:
                    line = await self._reader.readline()
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    if not line.endswith(b"\n"):
                        raise Broken(f"{self.hop.host} has hung up")
                    if not (text[:3].isascii() and text[:3].isdigit() and "2" <= text[0] <= "5"):
                        raise Broken(f"{self.hop.host} does not speak SMTP: {text[:80]!r}")
                    lines.append(text[4:])
                    if text[3:4] != "-":
                        break
                    if len(lines) >= MAX_LINES:
                        raise Broken(f"{self.hop.host} does not end its reply")
        except TimeoutError:
            raise Broken(f"{self.hop.host} does not answer in time") from None
        except (OSError, ValueError) as error:  # ValueError: a line without an end
            raise Broken(f"the connection to {self.hop.host} broke: {error}") from None
        if text[:3] == "421":
            raise Broken(f"{self.hop.host} closes: 421 {' '.join(lines)}"[:500])
        return int(text[:3]), lines

    def abort(self) -> None:
        """Hang up."""
        self._writer.transport.abort()
