"""The lines of a conversation in SMTP, seen from the client (RFC 5321 §4.2).

Whatever the other side does ends in a reply or in `Broken`: its lines are bounded, every wait has an end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hub.mail.tls import TlsFault
from hub.relay.answers import Answer, parse
from hub.relay.hops import Hop

MAX_LINE: Final = 2048
MAX_LINES: Final = 100
GREETING, COMMAND, DATA, BLOCK, FINAL = 300.0, 300.0, 120.0, 180.0, 600.0
"""Seconds of patience in each state (RFC 5321 §4.5.3.2)."""
NOT_OFFERED: Final = "starttls-not-supported"
_REFUSALS: Final = {10: "certificate-expired", 62: "certificate-host-mismatch"}
"""OpenSSL's reason not to take a certificate → the result of RFC 8460 §4.3.1."""


class Broken(Exception):
    """The connection cannot be used, or not any more; the text says why.

    enhanced: the code of RFC 3463 for a try that ends with it.
    """

    enhanced = "4.4.1"


class Unreached(Broken):
    """There is none: nobody took it."""


class NoTls(Broken):
    """The connection is not encrypted as it has to be."""

    def __init__(self, hop: Hop, fault: TlsFault) -> None:
        super().__init__(f"no TLS with {hop.host}: {fault.text}")
        self.fault = fault
        self.enhanced = "4.7.10" if fault.kind == NOT_OFFERED else "4.7.5"


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted. required: a server that does not offer it is left.

    name: that the certificate is for, if it is not the server's own. check: looks at the certificate before
    anything is said over the connection.
    """

    context: ssl.SSLContext
    required: bool = False
    name: str | None = None
    check: Callable[[ssl.SSLObject], TlsFault | None] | None = None


@dataclass(slots=True)
class Wire:
    """An open connection to a hop."""

    hop: Hop
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(
        cls, hop: Hop, *, patience: float, source: str | None = None, tls: Tls | None = None
    ) -> Wire:
        """Connect. Unreached. source: our own address. tls: encrypt from the first octet."""
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection(
                    hop.address,
                    hop.port,
                    limit=MAX_LINE * 2,
                    local_addr=(source, 0) if source else None,
                    ssl=tls.context if tls else None,
                    server_hostname=(tls.name or hop.host) if tls else None,
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
        return self.is_encrypted or ipaddress.ip_address(self.hop.address).is_loopback

    @property
    def is_encrypted(self) -> bool:
        """Whether there was a handshake."""
        return self._writer.get_extra_info("ssl_object") is not None

    @property
    def source(self) -> str:
        """Our own address."""
        found = self._writer.get_extra_info("sockname")
        return str(found[0]) if found else ""

    async def start_tls(self, tls: Tls) -> None:
        """Shake hands, and look at the certificate. NoTls."""
        name = tls.name or self.hop.host
        fault: TlsFault | None = None
        try:
            await self._writer.start_tls(tls.context, server_hostname=name, ssl_handshake_timeout=DATA)
        except ssl.SSLCertVerificationError as error:
            kind = _REFUSALS.get(error.verify_code, "certificate-not-trusted")
            fault = TlsFault(kind, f"its certificate is refused: {error.verify_message}"[:300])
        except (OSError, TimeoutError) as error:
            fault = TlsFault("validation-failure", str(error)[:300] or "no handshake in time")
        else:
            if tls.check is not None:
                fault = tls.check(self._writer.get_extra_info("ssl_object"))
        if fault is not None:
            raise NoTls(self.hop, fault)

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
