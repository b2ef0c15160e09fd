"""A hub with the real drivers and an IMAP listener on a free port, and clients that speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar, cast

import pytest

from hub.config.load import load
from hub.config.model import HubSettings
from hub.config.tables.listeners import Listener
from hub.imap.server import factory
from hub.loading.kernel import Kernel
from hub.loading.loader import Loader
from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.clock import SystemClock
from hub.services.directory import DirectoryAdmin
from hub.tls.engine import Engine
from hub.tls.tickets import Tickets
from hub.trace.record import Trace

T = TypeVar("T")


@dataclass
class ImapHub:
    """The kernel under test. port: of its listener; traces: of sessions that have ended."""

    kernel: Kernel
    loader: Loader
    accounts: Mapping[str, AccountRef]
    port: int = 0
    traces: list[Trace] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alice(self) -> AccountRef:
        return self.accounts["alice"]

    async def client(self) -> Client:
        """A connection that was greeted."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 26))
        assert (await client.line()).startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        return client

    async def logged_in(self, name: str = "alice", mailbox: str | None = None) -> Client:
        """A connection with an account, and a mailbox open if one is named."""
        client = await self.client()
        await client.ok(f"LOGIN {name}@example.test demo")
        if mailbox is not None:
            await client.ok(f'SELECT "{mailbox}"')
        return client

    async def blocking(self, function: Callable[[], T]) -> T:
        """Run a blocking client in a thread of its own."""
        return await asyncio.to_thread(function)


class Client:
    """Writes octets, reads whole responses: a response is its line and the literals within it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._count = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def write(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> bytes:
        """The next response without its line end; empty at the end of the connection."""
        async with asyncio.timeout(20):
            line = await self.reader.readline()
            while line.endswith(b"}\r\n") and (size := _literal(line)) is not None:
                line += await self.reader.readexactly(size) + await self.reader.readline()
        return line.removesuffix(b"\r\n")

    async def command(self, text: str | bytes) -> list[bytes]:
        """Untagged responses and the tagged one, which is last and without its tag."""
        octets = text.encode() if isinstance(text, str) else text
        self._count += 1
        tag = b"t%d" % self._count
        self.write(tag + b" " + octets + b"\r\n")
        return await self.answer(tag)

    async def answer(self, tag: bytes) -> list[bytes]:
        """Everything up to the tagged response."""
        lines: list[bytes] = []
        while True:
            line = await self.line()
            assert line, f"the connection ended behind {lines!r}"
            if line.startswith(tag + b" "):
                return [*lines, line[len(tag) + 1 :]]
            lines.append(line)

    async def ok(self, text: str | bytes) -> list[bytes]:
        """Untagged responses of a command that succeeds."""
        *lines, last = await self.command(text)
        assert last.startswith(b"OK"), (text, last)
        return lines

    async def append(self, mailbox: str, message: bytes, flags: str = "") -> bytes:
        """The code in the brackets of APPEND's OK."""
        head = f'APPEND "{mailbox}" {f"({flags}) " if flags else ""}{{{len(message)}+}}\r\n'
        last = (await self.command(head.encode() + message))[-1]
        assert last.startswith(b"OK [APPENDUID "), last
        return last[4 : last.index(b"]")]


def _literal(line: bytes) -> int | None:
    digits = line[line.rindex(b"{") + 1 : -3]
    return int(digits) if digits.isdigit() else None


OpenHub = Callable[..., Awaitable[ImapHub]]


def _config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(f'[hub]\nhostname = "mail.example.test"\ndata_dir = "{tmp_path / "data"}"\n{text}')
    return path


@asynccontextmanager
async def _hub(
    tmp_path: Path, text: str, plugins: Mapping[str, str], tls: Engine | None
) -> AsyncIterator[ImapHub]:
    folder = tmp_path / "data" / "plugins.d"
    folder.mkdir(parents=True, mode=0o700)
    for name, source in plugins.items():
        (folder / f"{name}.py").write_text(source)
    config = load(_config(tmp_path, text), environ={}, cwd=tmp_path)
    loader = Loader(config, SystemClock())
    generations = await loader.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(loader.close)
        traces: list[Trace] = []
        ended = asyncio.Event()

        def write_trace(trace: Trace) -> None:
            traces.append(trace)
            ended.set()

        settings: HubSettings = config.settings
        kernel = Kernel(
            settings, generations, loader.services, tls or Engine(tmp_path, Tickets()), write_trace
        )
        directory = cast(DirectoryAdmin, loader.services.directory)
        await directory.add_domain("example.test")
        accounts = {}
        for name in ("alice", "bob"):
            account = await directory.add_account(Address(name, "example.test"), "demo")
            accounts[name] = account.ref
        hub = ImapHub(kernel, loader, accounts, traces=traces, ended=ended)
        listener = Listener(
            protocol="imap", bind=("127.0.0.1:0",), tls="starttls" if tls is not None else "none"
        )
        server = await asyncio.get_running_loop().create_server(
            factory(kernel, "imap", listener), "127.0.0.1", 0
        )
        stack.callback(server.close)
        hub.port = server.sockets[0].getsockname()[1]
        yield hub
        await kernel.connections.drain(5)


@pytest.fixture
async def open_hub(tmp_path: Path) -> AsyncIterator[OpenHub]:
    """Opens a hub with more configuration, one-file plugins by name, and TLS."""
    async with AsyncExitStack() as stack:

        async def opened(
            text: str = "", plugins: Mapping[str, str] | None = None, tls: Engine | None = None
        ) -> ImapHub:
            return await stack.enter_async_context(_hub(tmp_path, text, plugins or {}, tls))

        yield opened


@pytest.fixture
async def imap(open_hub: OpenHub) -> ImapHub:
    """A hub with nothing but its drivers."""
    return await open_hub()
