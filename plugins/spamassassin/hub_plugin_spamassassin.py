"""Spam scoring through SpamAssassin's spamd."""

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from spamassassin_client import SpamAssassin
from spamassassin_client.spamassasin_client import first_line_pattern

from hub import Duration, Envelope, Finding, Message, Plugin, Session, Size, StashKey, hookimpl

SpamdAddress: TypeAlias = Path | tuple[str, int]

MAX_ANSWER: Final = 65536
"""Octets; the names of all rules that one message can hit are far fewer."""
_JUDGED: Final = re.compile(rb"(True|False) ; (-?\d+(?:\.\d+)?) / (-?\d+(?:\.\d+)?)")


class Settings(BaseModel):
    """[plugins.spamassassin]: where spamd listens, and what it is not asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = Field(
        default=None, description="spamd's unix socket (its --socketpath), instead of host."
    )
    host: str | None = Field(
        default=None,
        min_length=1,
        description="Where spamd listens on TCP. Without socket and host: 127.0.0.1.",
    )
    port: int = Field(default=783, ge=1, le=65535, description="spamd's --port; counts only without socket.")
    user: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._@+-]{1,100}$",
        description="Whose preferences and Bayes database spamd uses. Without it: its own user's.",
    )
    timeout: Annotated[Duration, Field(gt=0, le=55)] = Field(
        default=30.0,
        description="How long one message may take, connecting included; less than the 60 s of the hook.",
    )
    max_size: Size = Field(default=512 << 10, description="Larger messages are not shown to spamd.")
    connections: int = Field(
        default=5, ge=1, le=1000, description="Messages shown to spamd at once; its --max-children is 5."
    )
    authenticated: bool = Field(
        default=False, description="Whether the mail of users who have logged in is judged as well."
    )

    @model_validator(mode="after")
    def _one_address(self) -> "Settings":
        if self.socket is not None and self.host is not None:
            raise ValueError("has both socket and host; spamd is asked at one of them")
        return self

    @property
    def address(self) -> SpamdAddress:
        """Where to connect to."""
        return self.socket or (self.host or "127.0.0.1", self.port)


class SpamdError(Exception):
    """spamd gave no verdict, which says nothing about the message."""


CONNECTIONS = StashKey[asyncio.Semaphore]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """More messages at once than spamd has children wait here, where no time runs against them yet."""
    plugin.stash[CONNECTIONS] = asyncio.Semaphore(plugin.settings(Settings).connections)


@hookimpl(score=(-100, 100))
async def check_message(
    plugin: Plugin, session: Session, envelope: Envelope, message: Message
) -> Finding | None:
    """The score that spamd gives, with the names of the rules that the message hit."""
    settings = plugin.settings(Settings)
    if message.size > settings.max_size or (session.identity is not None and not settings.authenticated):
        return None
    conversation = Conversation(settings.address, settings.user)
    # Rules about the envelope look here for the sender, as it will stand in the mailbox (RFC 5321 §4.4).
    sender = f"Return-Path: <{envelope.reverse_path or ''}>\r\n".encode()
    async with plugin.stash[CONNECTIONS]:
        try:
            async with asyncio.timeout(settings.timeout):
                await conversation.judge(sender, message)
        except TimeoutError:
            trouble = f"spamd at {conversation.where} has not answered within {settings.timeout:g} s"
            plugin.dependency("spamd", trouble)
            raise SpamdError(trouble) from None
        except (SpamdError, OSError) as error:
            plugin.dependency("spamd", f"{type(error).__name__}: {error}")
            raise
    plugin.dependency("spamd")
    return Finding(
        score=conversation.get_score(),
        reasons=conversation.symbols,
        headers=(("X-Spam-Status", conversation.status()),),
    )


class Conversation(SpamAssassin):  # type: ignore[misc]  # untyped
    """What the SPAMC protocol's SYMBOLS says of one message, over asyncio.

    The library connects to a fixed address as soon as it is made, waits with select(), and lets whoever gets
    no answer or an error believe that the message is spam. So everything on the wire is done here, and what
    is no verdict is a SpamdError.
    """

    score: float
    symbols: tuple[str, ...]

    def __init__(self, address: SpamdAddress, user: str | None) -> None:
        self.address = address
        self.where = str(address) if isinstance(address, Path) else ":".join(map(str, address))
        self._user = user
        self._spam = False
        self._required = 0.0

    async def judge(self, top: bytes, message: Message) -> None:
        """Show spamd the message with these lines on top, and keep what it says.

        SpamdError or OSError if that is no verdict.
        """
        reader, writer = await self._connect()
        try:
            writer.write(self._build_message(len(top) + message.size) + top)
            # At most some pieces, of a file that has just been written: nothing here waits for a disk.
            for chunk in message.chunks():
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
            response = b""
            while piece := await reader.read(MAX_ANSWER):
                response += piece
                if len(response) > MAX_ANSWER:
                    raise SpamdError(f"spamd at {self.where} answers without end")
            self._parse_response(response)
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            if isinstance(self.address, Path):
                return await asyncio.open_unix_connection(self.address)
            return await asyncio.open_connection(*self.address)
        except OSError as error:
            raise SpamdError(f"spamd at {self.where} does not answer: {error}") from error

    def is_spam(self) -> bool:
        """What spamd says, by its own threshold."""
        return self._spam

    def status(self) -> str:
        """The score and the rules as SpamAssassin itself writes them into X-Spam-Status."""
        said = "Yes" if self.is_spam() else "No"
        names = ",".join(self.symbols) or "none"
        if len(names) > 700:
            names = names[:700].rpartition(",")[0] + ",..."
        return f"{said}, score={self.score:g} required={self._required:g} tests={names}"

    def _build_message(self, size: int) -> bytes:
        """The request up to the message, which has so many octets."""
        user = f"User: {self._user}\r\n" if self._user else ""
        return f"SYMBOLS SPAMC/1.5\r\nContent-length: {size}\r\n{user}\r\n".encode()

    def _parse_response(self, response: bytes) -> None:
        first, _, rest = response.partition(b"\r\n")
        if not first_line_pattern.match(first):
            said = _printable(first) if first else "nothing"
            raise SpamdError(f"spamd at {self.where} gave no verdict, it answered: {said}")
        head, end, body = rest.partition(b"\r\n\r\n")
        fields = _fields(head.split(b"\r\n"))
        if not end or fields.get(b"content-length") != b"%d" % len(body):
            raise SpamdError(f"the answer of spamd at {self.where} is torn")
        judged = _JUDGED.fullmatch(fields.get(b"spam", b""))
        if judged is None:
            raise SpamdError(f"the answer of spamd at {self.where} has no score")
        spam, score, required = judged.groups()
        self._spam, self.score, self._required = spam == b"True", float(score), float(required)
        self.symbols = tuple(_printable(name) for name in body.strip().split(b",") if name)


def _fields(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    split = (line.partition(b":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in split}


def _printable(name: bytes) -> str:
    """A word of spamd's as it may stand in a header or in the log."""
    return "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in name[:100])
