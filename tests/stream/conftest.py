"""A plugin that speaks a small protocol, in a hub that listens for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from hub.testing.certificate import self_signed
from hub.testing.observed import Observed
from hub.testing.running import RunningHub, running_hub

ECHO = """
import asyncio
from hub import (
    LineTooLong, ListenerKind, LoginFailure, Over, Password, SessionLimits, SessionOver, hookimpl
)

WORD = b"said"

async def serve(plugin, session):
    session.write(b"hello\\r\\n")
    while True:
        try:
            line = await session.readline(64)
        except LineTooLong:
            session.write(b"too long\\r\\n")
            continue
        name, _, rest = line.partition(b" ")
        session.record(name.decode("ascii", "replace"), "ok")
        if name == b"QUIT":
            session.write(b"bye\\r\\n")
            return
        if name == b"FAIL":
            raise RuntimeError("as asked")
        if name == b"TLS":
            await session.start_tls(b"go\\r\\n")
            continue
        if name == b"READ":
            session.write(b"read " + await session.read(int(rest)) + b"\\r\\n")
            continue
        if name == b"FLOOD":
            for _ in range(int(rest)):
                session.write(b"x" * 65536)
                await session.flow()
            continue
        if name == b"LOGIN":
            user, word = rest.decode().split()
            end = await session.authenticate(Password(user, word, "LOGIN"))
            said = end.name if isinstance(end, LoginFailure) else f"welcome {end.login}"
            session.write(said.encode() + b"\\r\\n")
            continue
        if name == b"MECHANISMS":
            session.write(" ".join(session.mechanisms).encode() + b"\\r\\n")
            continue
        if name == b"TLS?":
            said = f"{session.protocol} {session.tls is not None} {session.tls_offered}"
            session.write(said.encode() + b"\\r\\n")
            continue
        session.write(WORD + b" " + line + b"\\r\\n")

def farewell(why, text):
    return f"{why.name} {text}\\r\\n".encode()

@hookimpl
def provide_listeners():
    return [ListenerKind("echo", serve, port=7, tls_port=8, farewell=farewell, MORE)]
"""


@dataclass(frozen=True, slots=True)
class Client:
    """A connection of which every octet is ours."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self) -> str:
        async with asyncio.timeout(20):
            return (await self.reader.readline()).decode().rstrip("\r\n")

    async def ask(self, text: str) -> str:
        self.writer.write(text.encode() + b"\r\n")
        return await self.line()

    async def rest(self) -> bytes:
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


class Connect(Protocol):
    async def __call__(self, hub: RunningHub, listener: str = "echo", **more: object) -> Client: ...


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects to a hub; what is open when the test ends is closed."""
    clients: list[Client] = []

    async def make(hub: RunningHub, listener: str = "echo", **more: Any) -> Client:
        ends = await asyncio.open_connection("127.0.0.1", hub.port(listener), **more)
        clients.append(Client(*ends))
        return clients[-1]

    yield make
    for client in clients:
        client.writer.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


class EchoHub(Protocol):
    def __call__(
        self,
        *,
        kind: str = "",
        tables: Mapping[str, object] | None = None,
        tls: bool = False,
        plugins: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[RunningHub]: ...


def echo_source(kind: str = "") -> str:
    return ECHO.replace(", MORE", f", {kind}" if kind else "")


@pytest.fixture
def echo_hub(tmp_path: Path) -> EchoHub:
    """A hub with the plugin `echo` and listeners of its protocol. kind: more arguments of `ListenerKind`."""

    def make(
        *,
        kind: str = "",
        tables: Mapping[str, object] | None = None,
        tls: bool = False,
        plugins: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[RunningHub]:
        folder = tmp_path / "plugins.d"
        folder.mkdir(mode=0o700)
        for name, text in {"echo": echo_source(kind), **(plugins or {})}.items():
            (folder / f"{name}.py").write_text(text)
        said: dict[str, object] = {"listeners": {"echo": {"protocol": "echo", "bind": ["127.0.0.1:0"]}}}
        if tls:
            certificate, key = self_signed(tmp_path)
            said["tls"] = {"certificate": str(certificate), "key": str(key)}
            said["listeners"] = {
                name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("echo", "echos")
            }
        return running_hub(tmp_path, tables={**said, **(tables or {})}, observed=Observed())

    return make
