"""One connection to another server, and mail over it (RFC 5321 §4).

What it can do besides is used: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, STARTTLS.

Whatever the other side does ends in an `Answer` or in `Broken`: its lines are bounded, every wait has an end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.mail.address import Address
from hub.mail.dsn import NOT_SAID, RecipientDsn, Ret
from hub.mail.xtext import encode_xtext as xtext
from hub.relay.answers import Answer, failed, parse
from hub.relay.outgoing import Outgoing

MAX_LINE: Final = 2048
MAX_LINES: Final = 100
_GREETING, _COMMAND, _DATA, _BLOCK, _FINAL = 300.0, 300.0, 120.0, 180.0, 600.0
"""Seconds of patience in each state (RFC 5321 §4.5.3.2)."""


class Broken(Exception):
    """The connection cannot be used, or not any more; the text says why."""


class NoTls(Broken):
    """The server offers STARTTLS, and no handshake with it succeeds."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A server to try. host: its name, or its address again."""

    host: str
    address: str
    port: int = 25


@dataclass(frozen=True, slots=True)
class Parcel:
    """The envelope of one message for some recipients behind the same hop. ret, envid: RFC 3461."""

    reverse_path: Address | None
    recipients: Mapping[Address, RecipientDsn]
    ret: Ret | None = None
    envid: str | None = None

    @property
    def needs_utf8(self) -> bool:
        """Whether an address in it is internationalised (RFC 6531)."""
        addresses = [*self.recipients, *([self.reverse_path] if self.reverse_path else [])]
        return not all(address.local.isascii() for address in addresses)


@dataclass(slots=True)
class Client:
    """A greeted connection. features: EHLO keyword → its parameters. used: how many messages it took.

    in_doubt: the last one was sent whole, and its reply has not come."""

    hop: Hop
    hello: str
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    features: dict[str, str] = field(default_factory=dict)
    used: int = 0
    in_doubt: bool = False

    @classmethod
    async def connect(
        cls, hop: Hop, hello: str, tls: ssl.SSLContext | None, *, patience: float, source: str | None = None
    ) -> Client:
        """Connect, be greeted, encrypt if the other side can. Broken.

        tls: what STARTTLS is answered with; a handshake that fails is Broken too. source: our own address.
        """
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection(
                    hop.address,
                    hop.port,
                    limit=MAX_LINE * 2,
                    local_addr=(source, 0) if source else None,
                )
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or "no answer in time"
            raise Broken(f"cannot connect to {hop.host} [{hop.address}]: {why}") from None
        client = cls(hop, hello, reader, writer)
        try:
            await client._greet(tls)
        except BaseException:
            writer.transport.abort()
            raise
        return client

    async def _greet(self, tls: ssl.SSLContext | None) -> None:
        greeting = await self._reply(_GREETING)
        if not greeting.is_success:
            raise Broken(f"{self.hop.host} greets with {greeting}")
        await self._ehlo()
        if tls is None or "STARTTLS" not in self.features:
            return
        if not (await self._ask("STARTTLS")).is_success:
            return
        try:
            await self._writer.start_tls(tls, server_hostname=self.hop.host, ssl_handshake_timeout=_DATA)
        except (OSError, TimeoutError) as error:
            raise NoTls(f"no TLS with {self.hop.host}: {error}") from None
        await self._ehlo()

    async def _ehlo(self) -> None:
        self.features.clear()
        code, lines = await self._lines(_COMMAND, f"EHLO {self.hello}")
        if code == 250:
            for line in lines[1:]:
                keyword, _, parameters = line.partition(" ")
                self.features[keyword.upper()] = parameters
            return
        answer = await self._ask(f"HELO {self.hello}")
        if not answer.is_success:
            raise Broken(f"{self.hop.host} refuses to be greeted: {answer}")

    async def send(self, parcel: Parcel, content: Outgoing) -> dict[Address, Answer]:
        """The answer for each recipient. Broken: nobody can tell for those that were not answered."""
        if (refused := self._unfit(parcel, content)) is not None:
            return dict.fromkeys(parcel.recipients, refused)
        self.used += 1
        commands = [self._mail(parcel, content), *(self._rcpt(*each) for each in parcel.recipients.items())]
        if "PIPELINING" in self.features:
            sender, *answers = await self._pipelined(commands)
        else:
            sender, *answers = await self._one_by_one(commands)
        if not sender.is_success:
            await self._ask("RSET")
            return dict.fromkeys(parcel.recipients, sender)
        said = dict(zip(parcel.recipients, answers, strict=True))
        wanted = [recipient for recipient, answer in said.items() if answer.is_success]
        if not wanted:
            await self._ask("RSET")
            return said
        final = await self._ask("DATA", _DATA)
        if final.code == 354:
            await self._write_message(content.chunks())
            final = await self._reply(_FINAL)
            self.in_doubt = False
        elif final.is_success:
            raise Broken(f"{self.hop.host} answers DATA with {final}")
        return said | dict.fromkeys(wanted, final)

    async def quit(self) -> None:
        """Say goodbye, and do not wait for long."""
        try:
            async with asyncio.timeout(5):
                await self._ask("QUIT")
        except (Broken, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    def _unfit(self, parcel: Parcel, content: Outgoing) -> Answer | None:
        """Why this server cannot be given the message."""
        host = self.hop.host
        if parcel.needs_utf8 and "SMTPUTF8" not in self.features:
            return failed("5.6.7", f"{host} does not know SMTPUTF8, which an address needs")
        if content.eight_bit and "8BITMIME" not in self.features:
            return failed("5.6.3", f"{host} does not know 8BITMIME, which the message needs")
        limit = self.features.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < content.size:
            return failed("5.3.4", f"{host} takes no message of more than {limit} octets", host)
        return None

    def _mail(self, parcel: Parcel, content: Outgoing) -> str:
        path = parcel.reverse_path
        said = [f"MAIL FROM:<{self._shown(path, parcel) if path else ''}>"]
        if "SIZE" in self.features:
            said.append(f"SIZE={content.size}")
        if content.eight_bit:
            said.append("BODY=8BITMIME")
        if parcel.needs_utf8:
            said.append("SMTPUTF8")
        if "DSN" in self.features:
            said += [f"RET={parcel.ret}"] if parcel.ret else []
            said += [f"ENVID={xtext(parcel.envid)}"] if parcel.envid else []
        return " ".join(said)

    def _rcpt(self, recipient: Address, dsn: RecipientDsn) -> str:
        said = [f"RCPT TO:<{recipient if not recipient.local.isascii() else _ascii(recipient)}>"]
        if "DSN" in self.features and dsn is not NOT_SAID:
            said += [f"NOTIFY={','.join(dsn.notify)}"] if dsn.notify else []
            said += [f"ORCPT={_original(dsn.original)}"] if dsn.original else []
        return " ".join(said)

    def _shown(self, address: Address, parcel: Parcel) -> str:
        return str(address) if parcel.needs_utf8 else _ascii(address)

    async def _pipelined(self, commands: Sequence[str]) -> list[Answer]:
        """RFC 2920: all are said before the first is answered."""
        self._writer.write("".join(f"{command}\r\n" for command in commands).encode())
        return [await self._reply(_COMMAND) for _ in commands]

    async def _one_by_one(self, commands: Sequence[str]) -> list[Answer]:
        answers = [await self._ask(commands[0])]
        if not answers[0].is_success:
            return answers * len(commands)
        return answers + [await self._ask(command) for command in commands[1:]]

    async def _write_message(self, chunks: AsyncIterator[bytes]) -> None:
        """With a dot before each that begins a line (RFC 5321 §4.5.2), and the line that ends it all."""
        tail = b"\r\n"  # the last octets sent: a line begins after CR LF
        async for chunk in chunks:
            joined = tail + chunk
            stuffed = joined.replace(b"\r\n.", b"\r\n..")[len(tail) :]
            tail = joined[-2:]
            await self._write(stuffed)
        self.in_doubt = True
        await self._write(b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n")

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            async with asyncio.timeout(_BLOCK):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Broken(f"{self.hop.host} takes no more of the message: {error}") from None

    async def _ask(self, command: str, patience: float = _COMMAND) -> Answer:
        self._writer.write(f"{command}\r\n".encode())
        return await self._reply(patience)

    async def _reply(self, patience: float) -> Answer:
        code, lines = await self._lines(patience)
        return parse(code, lines, self.hop.host)

    async def _lines(self, patience: float, command: str | None = None) -> tuple[int, list[str]]:
        """The code and the texts of one reply. Broken for what is none."""
        if command is not None:
            self._writer.write(f"{command}\r\n".encode())
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


def _ascii(address: Address) -> str:
    """With A-labels, for who knows no SMTPUTF8."""
    return f"{Address(address.local, address.ascii_domain)}"


def _original(original: str) -> str:
    """`addr-type;address`, the address as xtext (RFC 3461 §4.2)."""
    kind, _, address = original.partition(";")
    return f"{kind};{xtext(address)}"
