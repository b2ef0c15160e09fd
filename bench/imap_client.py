"""As little IMAP client as it takes to time a server: it sends a line and keeps the octets of the answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
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
        return self._answer(self._send(command.encode()), command)

    def append(self, mailbox: str, messages: Sequence[bytes]) -> None:
        """All of them in one command (RFC 3502), without waiting (RFC 7888). Unhappy."""
        pieces = [b"APPEND %b" % mailbox.encode()]
        for message in messages:
            pieces += [b" {%d+}\r\n" % len(message), message]
        self._answer(self._send(b"".join(pieces)), "APPEND")

    def skim(self, command: str) -> int:
        """How many octets the answer has; they are not kept. Unhappy."""
        tag = self._send(command.encode())
        buffer = bytearray(1 << 20)
        end = b"\r\n" + tag + b"OK"
        tail, octets = b"", 0
        while not (tail.endswith(b"\r\n") and end in tail):
            count = self._socket.recv_into(buffer)
            if not count:
                raise Unhappy(f"the server closed the connection: {tail!r}")
            octets += count
            tail = (tail + bytes(buffer[max(0, count - 200) : count]))[-200:]
            if b"\r\n" + tag + b"NO" in tail or b"\r\n" + tag + b"BAD" in tail:
                raise Unhappy(f"{command}: {tail!r}")
        return octets

    def idle(self) -> None:
        """Be told of changes from now on. Unhappy."""
        self._send(b"IDLE")
        self._until(lambda received: received.startswith(b"+") and received.endswith(b"\r\n"))

    def told(self, what: bytes) -> None:
        """Wait for an untagged response that holds these octets. Unhappy."""
        self._until(lambda received: what in received and received.endswith(b"\r\n"))

    def _send(self, command: bytes) -> bytes:
        self._number += 1
        tag = f"t{self._number} ".encode()
        self._socket.sendall(tag + command + b"\r\n")
        return tag

    def _answer(self, tag: bytes, command: str) -> bytes:
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
