"""Conversations with spamd: what it says of one message, and what it is taught."""

import asyncio
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias

from spamassassin_client import SpamAssassin
from spamassassin_client.spamassasin_client import first_line_pattern

from hub import Message

SpamdAddress: TypeAlias = Path | tuple[str, int]
Lesson: TypeAlias = Literal["spam", "ham"]

MAX_ANSWER: Final = 65536
"""Octets; the names of all rules that one message can hit are far fewer."""
_JUDGED: Final = re.compile(rb"(True|False) ; (-?\d+(?:\.\d+)?) / (-?\d+(?:\.\d+)?)")


class SpamdError(Exception):
    """spamd gave no verdict, which says nothing about the message."""


class SpamdAway(SpamdError):
    """Nobody has answered, or not to the end."""


class Conversation(SpamAssassin):  # type: ignore[misc]  # untyped
    """One request of the SPAMC protocol, CHECK, SYMBOLS or TELL, over asyncio.

    The library connects to a fixed address as soon as it is made, waits with select(), and lets whoever gets
    no answer or an error believe that the message is spam. So everything on the wire is done here, and what
    is no verdict is a SpamdError.
    """

    score: float
    symbols: tuple[str, ...]

    def __init__(self, address: SpamdAddress, user: str | None, *, rules: bool = True) -> None:
        """rules: whether spamd names those that a message hit (SYMBOLS), not only the score (CHECK)."""
        self.address = address
        self.where = str(address) if isinstance(address, Path) else ":".join(map(str, address))
        self._user = user
        self._command = "SYMBOLS" if rules else "CHECK"
        self._spam = False
        self._required = 0.0

    async def judge(self, top: bytes, message: Message) -> None:
        """Show spamd the message with these lines on top, and keep what it says.

        SpamdError or OSError if that is no verdict.
        """
        # At most some pieces, of a file that has just been written: nothing here waits for a disk.
        pieces = chain((self._build_message(len(top) + message.size), top), message.chunks())
        self._parse_response(await self._ask(pieces))

    async def teach(self, message: bytes, what: Lesson) -> bool:
        """Have spamd learn from a message; False if it knew.

        SpamdError if it will not, OSError if it is not there.
        """
        more = {"Message-class": what, "Set": "local"}
        response = await self._ask((self._request("TELL", len(message), more), message))
        fields, _ = self._parts(response)
        return b"local" in fields.get(b"didset", b"")

    async def _ask(self, pieces: Iterable[bytes]) -> bytes:
        # Not by a transport, which forgets what has come as soon as it cannot send.
        loop = asyncio.get_running_loop()
        with await self._connect() as connection:
            # What spamd refuses it answers, and closes, while we still send; behind the answer comes a reset.
            with suppress(ConnectionError):
                for piece in pieces:
                    await loop.sock_sendall(connection, piece)
                connection.shutdown(socket.SHUT_WR)
            response = b""
            with suppress(ConnectionError):
                while piece := await loop.sock_recv(connection, MAX_ANSWER):
                    response += piece
                    if len(response) > MAX_ANSWER:
                        raise SpamdError(f"spamd at {self.where} answers without end")
            return response

    async def _connect(self) -> socket.socket:
        trouble = OSError("it has no address")
        try:
            for family, address in await self._addresses():
                try:
                    return await _connected(family, address)
                except OSError as error:
                    trouble = error
        except OSError as error:
            trouble = error
        raise SpamdAway(f"spamd at {self.where} does not answer: {trouble}") from trouble

    async def _addresses(self) -> list[tuple[int, str | tuple[object, ...]]]:
        """Families and addresses to try, in this order. OSError."""
        if isinstance(self.address, Path):
            return [(socket.AF_UNIX, str(self.address))]
        found = await asyncio.get_running_loop().getaddrinfo(*self.address, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]

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
        return self._request(self._command, size, {})

    def _request(self, command: str, size: int, more: Mapping[str, str]) -> bytes:
        user = {"User": self._user} if self._user else {}
        fields = {"Content-length": str(size), **user, **more}
        lines = (f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{command} SPAMC/1.5\r\n{''.join(lines)}\r\n".encode()

    def _parse_response(self, response: bytes) -> None:
        fields, body = self._parts(response)
        if self._command == "SYMBOLS" and b"content-length" not in fields:
            raise SpamdAway(f"the answer of spamd at {self.where} is torn")
        judged = _JUDGED.fullmatch(fields.get(b"spam", b""))
        if judged is None:
            raise SpamdError(f"the answer of spamd at {self.where} has no score")
        spam, score, required = judged.groups()
        self._spam, self.score, self._required = spam == b"True", float(score), float(required)
        self.symbols = tuple(_printable(name) for name in body.strip().split(b",") if name)

    def _parts(self, response: bytes) -> tuple[dict[bytes, bytes], bytes]:
        """Fields and body of an answer that says that all is well. SpamdError."""
        first, _, rest = response.partition(b"\r\n")
        if not first_line_pattern.match(first):
            if not first:
                raise SpamdAway(f"spamd at {self.where} gave no verdict, it answered: nothing")
            raise SpamdError(f"spamd at {self.where} gave no verdict, it answered: {_printable(first)}")
        head, end, body = rest.partition(b"\r\n\r\n")
        fields = _fields(head.split(b"\r\n"))
        size = b"%d" % len(body)
        if not end or fields.get(b"content-length", size) != size:
            raise SpamdAway(f"the answer of spamd at {self.where} is torn")
        return fields, body


async def _connected(family: int, address: str | tuple[object, ...]) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _fields(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    split = (line.partition(b":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in split}


def _printable(name: bytes) -> str:
    """A word of spamd's as it may stand in a header or in the log."""
    return "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in name[:100])
