"""The control socket: how `hub` verbs ask a running hub, one JSON request and answer per line.

A request is `{"verb": …, …arguments}`; the answer is `{"ok": …}` or `{"error": "a sentence"}`. Only the
hub's own user can connect: the socket's mode is 0600.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

Handler = Callable[[Mapping[str, object]], Awaitable[object]]
LIMIT: Final = 1 << 20
"""Octets of one request line."""
LONGEST_ANSWER: Final = 1 << 26
"""Octets of one line of answer: thousands of plugins."""


class NotRunning(Exception):
    """Nobody listens on the socket."""


class Refused(Exception):
    """The hub answered with an error; the text is for the operator."""


class ControlServer:
    """Listens on the socket from `start` to `close`."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. OSError; RuntimeError if another hub serves this data folder."""
        if await _is_taken(self._path):
            raise RuntimeError(
                f"another hub is running on {self._path.parent}; stop it, or use another hub.data_dir"
            )
        self._path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._connected, self._path, limit=LIMIT)
        finally:
            os.umask(previous)

    async def close(self) -> None:
        """Stop listening; requests that are being answered are given up."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # ValueError: a line over the limit
        with contextlib.suppress(ConnectionError, ValueError), contextlib.closing(writer):
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line), default=str).encode() + b"\n")
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, line: bytes) -> Mapping[str, object]:
        try:
            request = json.loads(line)
            handler = self._handlers.get(request.pop("verb", ""))
        except (ValueError, AttributeError, TypeError):
            return {"error": "a request is one JSON object with a verb"}
        if handler is None:
            return {"error": f"this hub knows the verbs {', '.join(sorted(self._handlers))}"}
        try:
            return {"ok": await handler(request)}
        except Exception as error:
            return {"error": str(error) or type(error).__name__}


async def _is_taken(path: Path) -> bool:
    """`is_running` on the loop: a process that forks has no threads."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                writer.write_eof()
                await reader.read()  # until the other side has taken leave too
    except TimeoutError:  # somebody who is busy
        return True
    except OSError as error:
        return isinstance(error, ConnectionResetError)
    return True


def is_running(path: Path) -> bool:
    """Whether somebody listens on the socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        return True
    return False


def ask(path: Path, verb: str, /, *, timeout: float = 120.0, **arguments: object) -> object:
    """Ask the hub that listens on the socket; blocks. NotRunning, Refused, TimeoutError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no hub is running on {path.parent}") from None
        connection.sendall(_request(verb, arguments))
        with connection.makefile("rb") as answers:
            return _ok(answers.readline())


async def inquire(path: Path, verb: str, /, *, timeout: float, **arguments: object) -> object:
    """`ask` on the event loop. NotRunning, Refused, TimeoutError."""
    async with asyncio.timeout(timeout):
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_ANSWER)
        except OSError:
            raise NotRunning(f"nobody answers on {path}") from None
        with contextlib.closing(writer):
            try:
                writer.write(_request(verb, arguments))
                return _ok(await reader.readline())
            except ConnectionError:
                return _ok(b"")


def _request(verb: str, arguments: Mapping[str, object]) -> bytes:
    return json.dumps({"verb": verb, **arguments}).encode() + b"\n"


def _ok(line: bytes) -> object:
    answer = json.loads(line or b'{"error": "the hub closed the connection"}')
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["ok"]
