"""One connection to another server, and mail over it (RFC 5321 §4).

What it can do besides is used: PIPELINING, CHUNKING, SIZE, 8BITMIME, SMTPUTF8, DSN, STARTTLS, AUTH.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hub.mail.address import Address
from hub.mail.dsn import NOT_SAID, RecipientDsn, Ret
from hub.mail.tls import TlsFault
from hub.mail.xtext import encode_xtext as xtext
from hub.relay.answers import Answer, failed
from hub.relay.hops import Hop
from hub.relay.login import log_in
from hub.relay.outgoing import Outgoing
from hub.relay.wire import COMMAND, DATA, FINAL, GREETING, NOT_OFFERED, Broken, NoTls, Tls, Wire

LARGE: Final = 64 * 1024
"""Octets from which on a message goes in one chunk (RFC 3030), in which no dots have to be looked for."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """The envelope of one message for some recipients behind the same hop. ret, envid: RFC 3461.

    requires_tls: RFC 8689.
    """

    reverse_path: Address | None
    recipients: Mapping[Address, RecipientDsn]
    ret: Ret | None = None
    envid: str | None = None
    requires_tls: bool = False

    @property
    def has_utf8(self) -> bool:
        """Whether an address in it is internationalised (RFC 6531)."""
        addresses = [*self.recipients, *([self.reverse_path] if self.reverse_path else [])]
        return not all(address.local.isascii() for address in addresses)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer for each recipient. left: those that it takes only in another transaction.

    trouble: what a server said that takes no mail at all for now.
    """

    answers: Mapping[Address, Answer]
    left: Sequence[Address] = ()
    trouble: Answer | None = None


@dataclass(slots=True)
class Client:
    """A greeted connection. features: EHLO keyword → its parameters. used: how many messages it took.

    in_doubt: the last one was sent whole, and its reply has not come."""

    hop: Hop
    hello: str
    _wire: Wire
    features: dict[str, str] = field(default_factory=dict)
    used: int = 0
    in_doubt: bool = False

    @classmethod
    async def connect(
        cls, hop: Hop, hello: str, tls: Tls | None, *, patience: float, source: str | None = None
    ) -> Client:
        """Connect, be greeted, encrypt if the other side can, log in if the operator says so. Broken, NoTls.

        source: our own address.
        """
        is_implicit = hop.access is not None and hop.access.encryption == "implicit"
        wire = await Wire.open(hop, patience=patience, source=source, tls=tls if is_implicit else None)
        client = cls(hop, hello, wire)
        try:
            await client._greet(None if is_implicit else tls)
            await client._log_in()
        except BaseException:
            wire.abort()
            raise
        return client

    @property
    def is_open(self) -> bool:
        """Whether the other side has not hung up, as far as we know."""
        return self._wire.is_open

    @property
    def is_encrypted(self) -> bool:
        """Whether others see nothing of what goes over it."""
        return self._wire.is_encrypted

    @property
    def source(self) -> str:
        """Our own address."""
        return self._wire.source

    async def _greet(self, tls: Tls | None) -> None:
        greeting = await self._wire.reply(GREETING)
        if not greeting.is_success:
            raise Broken(f"{self.hop.host} greets with {greeting}")
        await self._ehlo()
        if tls is None:
            return
        if "STARTTLS" not in self.features or not (await self._wire.ask("STARTTLS")).is_success:
            if tls.required:
                await self.quit()
                raise NoTls(self.hop, TlsFault(NOT_OFFERED, "it does not offer STARTTLS"))
            return
        await self._wire.start_tls(tls)
        await self._ehlo()

    async def _ehlo(self) -> None:
        self.features.clear()
        self._wire.say(f"EHLO {self.hello}")
        code, lines = await self._wire.lines(COMMAND)
        if code == 250:
            for line in lines[1:]:
                keyword, _, parameters = line.partition(" ")
                self.features[keyword.upper()] = parameters
            return
        answer = await self._wire.ask(f"HELO {self.hello}")
        if not answer.is_success:
            raise Broken(f"{self.hop.host} refuses to be greeted: {answer}")

    async def _log_in(self) -> None:
        access = self.hop.access
        if access is not None and access.password is not None:
            await log_in(self._wire, self.features.get("AUTH", ""), access.user, access.password.reveal())

    async def send(self, parcel: Parcel, content: Outgoing) -> Said:
        """What became of it. Broken: nobody can tell for those that were not answered."""
        if (refused := self._unfit(parcel, content)) is not None:
            return Said(dict.fromkeys(parcel.recipients, refused))
        sender, *answers = await self._envelope(parcel, content)
        if not sender.is_success:
            trouble = None if sender.is_permanent else sender
            return Said(dict.fromkeys(parcel.recipients, sender), trouble=trouble)
        said = dict(zip(parcel.recipients, answers, strict=True))
        taken = [recipient for recipient, answer in said.items() if answer.is_success]
        if not taken:
            return Said({recipient: _for_now(answer) for recipient, answer in said.items()})
        left = [recipient for recipient, answer in said.items() if _is_too_many(answer)]
        final = await self._content(content)
        answered = {recipient: answer for recipient, answer in said.items() if recipient not in left}
        trouble = final if not final.is_success and not final.is_permanent else None
        return Said(answered | dict.fromkeys(taken, final), left, trouble)

    async def quit(self) -> None:
        """Say goodbye, and do not wait for long."""
        try:
            async with asyncio.timeout(5):
                await self._wire.ask("QUIT")
        except (Broken, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up."""
        self._wire.abort()

    def _unfit(self, parcel: Parcel, content: Outgoing) -> Answer | None:
        """Why this server cannot be given the message."""
        host = self.hop.host
        if parcel.requires_tls and "REQUIRETLS" not in self.features:
            return failed("5.7.30", f"{host} does not promise to protect mail, as its sender requires")
        if _needs_utf8(parcel, content) and "SMTPUTF8" not in self.features:
            what = "an address" if parcel.has_utf8 else "its header"
            return failed("5.6.7", f"{host} does not know SMTPUTF8, which {what} needs")
        limit = self.features.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < content.size:
            return failed("5.3.4", f"{host} takes no message of more than {limit} octets", host)
        return None

    def _mail(self, parcel: Parcel, content: Outgoing) -> str:
        path = parcel.reverse_path
        utf8 = _needs_utf8(parcel, content)
        said = [f"MAIL FROM:<{(path if utf8 else _ascii(path)) if path else ''}>"]
        if "SIZE" in self.features:
            said.append(f"SIZE={content.size}")
        if content.eight_bit:
            said.append("BODY=8BITMIME")
        if utf8:
            said.append("SMTPUTF8")
        if parcel.requires_tls:
            said.append("REQUIRETLS")  # RFC 8689 §2
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

    async def _envelope(self, parcel: Parcel, content: Outgoing) -> Sequence[Answer]:
        """The answers to MAIL and to each RCPT; what may be left of the message before is forgotten first."""
        commands = [self._mail(parcel, content), *(self._rcpt(*each) for each in parcel.recipients.items())]
        reset = ["RSET"] if self.used else []
        self.used += 1
        if "PIPELINING" in self.features:
            return (await self._pipelined([*reset, *commands]))[-len(commands) :]
        await self._one_by_one(reset)
        return await self._one_by_one(commands)

    async def _pipelined(self, commands: Sequence[str]) -> list[Answer]:
        """All are said before the first is answered (RFC 2920)."""
        self._wire.say("\r\n".join(commands))
        return [await self._wire.reply(COMMAND) for _ in commands]

    async def _one_by_one(self, commands: Sequence[str]) -> list[Answer]:
        answers: list[Answer] = []
        for command in commands:
            if answers and not answers[0].is_success:
                return answers * len(commands)
            answers.append(await self._wire.ask(command))
        return answers

    async def _content(self, content: Outgoing) -> Answer:
        """The message itself, and the answer to it."""
        if "CHUNKING" in self.features and content.size >= LARGE:
            await self._write_chunk(content)
        else:
            answer = await self._wire.ask("DATA", DATA)
            if answer.is_success:
                raise Broken(f"{self.hop.host} answers DATA with {answer}")
            if answer.code != 354:
                return answer
            await self._write_lines(content.chunks())
        final = await self._wire.reply(FINAL)
        self.in_doubt = False
        return final

    async def _write_chunk(self, content: Outgoing) -> None:
        """RFC 3030 §2: as many octets as were announced, as they are."""
        self._wire.say(f"BDAT {content.size} LAST")
        sent = 0
        async for chunk in content.chunks():
            sent += len(chunk)
            self.in_doubt = sent >= content.size
            await self._wire.write(chunk)
        if sent != content.size:
            raise RuntimeError(f"a message of {content.size} octets has {sent}")

    async def _write_lines(self, chunks: AsyncIterator[bytes]) -> None:
        """With a dot before each that begins a line (RFC 5321 §4.5.2), and the line that ends it all."""
        tail = b"\r\n"  # the last octets sent: a line begins after CR LF
        async for chunk in chunks:
            joined = tail + chunk
            stuffed = joined.replace(b"\r\n.", b"\r\n..")[len(tail) :]
            tail = joined[-2:]
            await self._wire.write(stuffed)
        self.in_doubt = True
        await self._wire.write(b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n")


def _is_too_many(answer: Answer) -> bool:
    """Of recipients, that is: 452, for which some say 552 (RFC 5321 §4.5.3.1.10)."""
    return answer.code in (452, 552) and answer.enhanced.partition(".")[2] in ("0.0", "5.3")


def _for_now(answer: Answer) -> Answer:
    return replace(answer, code=452, enhanced="4.5.3") if _is_too_many(answer) else answer


def _needs_utf8(parcel: Parcel, content: Outgoing) -> bool:
    """RFC 6531 §3.4, RFC 6532."""
    return parcel.has_utf8 or content.utf8_header


def _ascii(address: Address) -> str:
    """With A-labels, for who knows no SMTPUTF8."""
    return f"{Address(address.local, address.ascii_domain)}"


def _original(original: str) -> str:
    """`addr-type;address`, the address as xtext (RFC 3461 §4.2)."""
    kind, _, address = original.partition(";")
    return f"{kind};{xtext(address)}"
