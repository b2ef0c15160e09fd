"""A session with a server of either make: commands, answers, and what a client knows by them."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Final

from tests.dovecot.known import Known
from tests.dovecot.parser import Malformed, Response, parse

_LITERAL: Final = re.compile(rb"\{([0-9]+)\}\r\n\Z")
_SECONDS: Final = 30


class Ended(Malformed):
    """The server has closed the connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything up to the tagged response, which is not among the untagged ones."""

    untagged: tuple[Response, ...]
    tagged: Response

    @property
    def condition(self) -> str:
        """OK, NO or BAD."""
        return self.tagged.name


class Session:
    """One connection. known: the mailbox that is open, as its client sees it."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = self._socket.makefile("rb")
        self._number = 0
        self.known = Known()
        self._response()
        self.ok(f'LOGIN "{user}" "{password}"')

    def close(self) -> None:
        """Without LOGOUT."""
        self._received.close()
        self._socket.close()

    def ask(self, command: str | bytes) -> Answer:
        """Send a command, its literals not synchronised, and read the answer. Malformed."""
        try:
            return self._ask(command)
        except ConnectionError as error:  # it was ended before all that we said was read
            raise Ended(f"the connection has ended: {error}") from None

    def _ask(self, command: str | bytes) -> Answer:
        octets = command.encode() if isinstance(command, str) else command
        self._number += 1
        tag = f"t{self._number}"
        self._socket.sendall(b"%b %b\r\n" % (tag.encode(), octets))
        self.known.asks(octets)
        untagged: list[Response] = []
        while (response := self._response()).tag != tag:
            if response.tag == "*":
                untagged.append(response)
                self.known.hears(response)
            elif response.tag != "+":
                raise Malformed(f"{command!r} is answered under another tag: {response}")
        return Answer(tuple(untagged), response)

    def ok(self, command: str | bytes) -> Answer:
        """The same for what must succeed."""
        answer = self.ask(command)
        if answer.condition != "OK":
            raise AssertionError(f"{command!r}: {answer.tagged}")
        return answer

    def capabilities(self) -> frozenset[str]:
        """What the server says that it can do."""
        answer = self.ok("CAPABILITY")
        return frozenset(
            word
            for each in answer.untagged
            if each.name == "CAPABILITY"
            for word in each.words[1:]
            if isinstance(word, str)
        )

    def _response(self) -> Response:
        line = bytearray()
        while True:
            line += self._received.readline()
            if not line:
                raise Ended("the connection has ended")
            if not line.endswith(b"\r\n"):
                raise Malformed(f"the connection ends behind {bytes(line[-200:])!r}")
            found = _LITERAL.search(line, max(len(line) - 20, 0))
            if found is None:
                return parse(bytes(line[:-2]))
            line += self._received.read(int(found[1]))
