"""As little IMAP client as it takes to time a server: it sends a line and keeps the octets of the answer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import TracebackType

from bench.server import HOST


class Unhappy(Exception):
    """The server answered NO or BAD, or went away; the text is its last line."""


class ImapClient:
    """One connection, from the constructor to `close`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=120)
        self._number = 0
        self._until(lambda received: received.endswith(b"\r\n"))

    def __enter__(self) -> ImapClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Without LOGOUT."""
        self._socket.close()

    def ask(self, command: str) -> bytes:
        """Everything up to the tagged OK, which is included. Unhappy."""
        self._number += 1
        tag = f"t{self._number} ".encode()
        self._socket.sendall(tag + command.encode() + b"\r\n")
        answer = self._until(lambda received: _ends_tagged(received, tag))
        last = answer[_last_line(answer) :]
        if not last.startswith(tag + b"OK"):
            raise Unhappy(f"{command}: {last.decode(errors='replace').strip()}")
        return answer

    def _until(self, complete: Callable[[bytearray], bool]) -> bytes:
        received = bytearray()
        while not complete(received):
            octets = self._socket.recv(1 << 20)
            if not octets:
                raise Unhappy(f"the server closed the connection: {bytes(received[-200:])!r}")
            received += octets
        return bytes(received)


def _ends_tagged(received: bytearray, tag: bytes) -> bool:
    return received.endswith(b"\r\n") and received.startswith(tag, _last_line(received))


def _last_line(received: bytes | bytearray) -> int:
    """Where it begins, in octets that end with CRLF."""
    before = received.rfind(b"\r\n", 0, -2)
    return 0 if before < 0 else before + 2
