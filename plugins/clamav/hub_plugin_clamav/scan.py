"""Conversations with one clamd (clamd(8)), which end by their deadline, whatever it does."""

import ipaddress
import re
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

import clamd

ClamdAddress: TypeAlias = Path | tuple[str, int]

PORT: Final = 3310
MAX_VERSION: Final = 200
_TCP: Final = re.compile(r"(?:\[([^\]]+)\]|([^\s:/\[\]]+))(?::(\d{1,5}))?")


def clamd_address(text: str) -> ClamdAddress:
    """A path, `host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`. ValueError."""
    if text.startswith("/"):
        return Path(text)
    try:
        return str(ipaddress.IPv6Address(text)), PORT
    except ValueError:
        pass
    found = _TCP.fullmatch(text)
    port = int(found[3] or PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError(f"'{text}' is neither the path of a socket nor host:port nor [address]:port")
    return found[1] or found[2], port


def named(address: ClamdAddress) -> str:
    """As it is written."""
    if isinstance(address, Path):
        return str(address)
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Conversation(clamd.ClamdNetworkSocket):  # type: ignore[misc]  # untyped
    """One command to clamd and its answer.

    The library connects without a timeout, and its `instream` loses what a short `send` leaves over; how it
    reads answers is used as it is.
    """

    def __init__(self, address: ClamdAddress, timeout: float, connect_timeout: float) -> None:
        self.address = address
        self.deadline = time.monotonic() + timeout
        self._connect_timeout = connect_timeout

    def version(self) -> str:
        """Of the program, and of ClamAV's own database where it has that.

        Raises clamd.ClamdError or TimeoutError.
        """
        self._init_socket()
        try:
            self._send(b"nVERSION\n")
            answer = self._answer()
        finally:
            self._close_socket()
        if not answer.startswith("ClamAV ") or len(answer) > MAX_VERSION:
            raise clamd.ResponseError(f"clamd at {named(self.address)} has no version: {printable(answer)}")
        return answer

    def scan(self, chunks: Iterable[bytes]) -> str | None:
        """INSTREAM: the signature's name, None if nothing was found.

        Raises clamd.BufferTooLongError past StreamMaxLength, clamd.ClamdError or TimeoutError if there is
        no verdict.
        """
        self._init_socket()
        try:
            try:
                self._send(b"nINSTREAM\n")
                for chunk in chunks:
                    self._send(struct.pack("!L", len(chunk)) + chunk)
                self._send(struct.pack("!L", 0))
            except (BrokenPipeError, ConnectionResetError):
                pass  # past StreamMaxLength clamd says so and closes, while we still send
            answer = self._answer()
            if answer.startswith("INSTREAM size limit exceeded"):
                raise clamd.BufferTooLongError(answer)
            _, virus, status = self._parse_response(answer)
            if status == "ERROR":
                raise clamd.ResponseError(answer)
            return printable(virus or "unnamed") if status == "FOUND" else None
        finally:
            self._close_socket()

    def _answer(self) -> str:
        self.clamd_socket.settimeout(self._left())
        answer: str = self._recv_response()
        if not answer:
            raise clamd.ConnectionError(
                f"clamd at {named(self.address)} closed the connection without an answer"
            )
        return answer

    def _init_socket(self) -> None:
        timeout = min(self._left(), self._connect_timeout)
        try:
            self.clamd_socket = _connect(self.address, timeout)
        except OSError as error:
            raise clamd.ConnectionError(f"clamd at {named(self.address)} does not answer: {error}") from error

    def _send(self, data: bytes) -> None:
        self.clamd_socket.settimeout(self._left())
        self.clamd_socket.sendall(data)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"clamd at {named(self.address)} has not judged the message in time")
        return left


def _connect(address: ClamdAddress, timeout: float) -> socket.socket:
    if not isinstance(address, Path):
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(str(address))
    except BaseException:
        connection.close()
        raise
    return connection


def printable(name: str) -> str:
    """A word of clamd's as it may stand in a reply line."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in name[:100])
