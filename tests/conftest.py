"""A hub's inside without its drivers: services in memory around the real plans and the real protocols."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import cast

import pytest
from scramp import ScramMechanism

from hub.config.model import HubSettings
from hub.config.tables.checks import ChecksTable
from hub.config.tables.hub import HubTable
from hub.config.tables.listeners import Listener
from hub.config.tables.plugins import PluginOptions
from hub.config.tables.sessions import SmtpTable
from hub.config.tables.tls import TlsTable
from hub.hooks.markers import hookimpl
from hub.loading.compile import Part, compile_plans, hooks
from hub.loading.generation import Generation, Generations
from hub.loading.kernel import Kernel
from hub.loading.scope import Scope
from hub.loading.sources import Source
from hub.loading.surroundings import Surroundings
from hub.mail.address import Address
from hub.mail.login import AccountRef, Credentials, Identity, Password, Refuse, ScramKeys
from hub.mail.message import BodyFile
from hub.services.blobs import BlobGone, Blobs, Spool
from hub.services.chosen import Services
from hub.services.clock import SystemClock
from hub.services.directory import Account, Resolution
from hub.services.resolver import Resolver
from hub.services.storage import Acceptance, Placed, Storage, Usage
from hub.speaking import FACTORIES
from hub.tls.certificates import Certificates, load_certificates
from hub.tls.engine import Engine
from hub.tls.tickets import Tickets
from hub.trace.record import Record, Trace

TABLE = hooks()


class MemoryKv:
    """One name space."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    async def set(self, key: str, value: bytes | None, *, expires: float | None = None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes | None, *, expires: float | None = None
    ) -> bool:
        if self.values.get(key) != expected:
            return False
        await self.set(key, value)
        return True


class MemoryStorage:
    """What was accepted, in order. gate: `accept` waits for it; failures: raised by the next calls."""

    def __init__(self) -> None:
        self.accepted: dict[str, Acceptance] = {}
        self.used: dict[AccountRef, Usage] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.failures: list[Exception] = []
        self._uids: dict[tuple[AccountRef, str], int] = {}
        self._spaces: dict[str, MemoryKv] = {}

    async def accept(self, acceptance: Acceptance, reports: Sequence[Acceptance] = ()) -> Sequence[Placed]:
        self.entered.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        assert acceptance.id not in self.accepted
        self.accepted |= {each.id: each for each in (acceptance, *reports)}
        return [self._place(each.account, each.mailbox) for each in acceptance.deliveries]

    def _place(self, account: AccountRef, mailbox: str) -> Placed:
        uid = self._uids[account, mailbox] = self._uids.get((account, mailbox), 0) + 1
        return Placed(account, mailbox, 1, uid)

    async def usage(self, account: AccountRef) -> Usage:
        return self.used.get(account, Usage(0, 0))

    def kv(self, namespace: str) -> MemoryKv:
        return self._spaces.setdefault(namespace, MemoryKv())


@dataclass
class MemorySpool:
    """A body on its way into a file."""

    path: Path
    blobs: MemoryBlobs
    written: bytearray = field(default_factory=bytearray)
    ended: str = ""

    @property
    def size(self) -> int:
        return len(self.written)

    async def write(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        if self.blobs.failures:
            raise self.blobs.failures.pop(0)
        self.written += chunk

    async def body(self) -> BodyFile:
        self.path.write_bytes(self.written)
        return BodyFile(self.path, 0, self.size)

    async def keep(self, head: bytes, recovery: bytes) -> str:
        self.ended = "kept"
        return await self.blobs.put(head, bytes(self.written), recovery)

    async def discard(self) -> None:
        self.ended = self.ended or "discarded"


class MemoryBlobs:
    """Blobs by reference. failures: raised by the next calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs: dict[str, tuple[bytes, bytes, bytes]] = {}
        self.spools: list[MemorySpool] = []
        self.settled: list[str] = []
        self.failures: list[Exception] = []

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        if self.failures:
            raise self.failures.pop(0)
        reference = f"memory:{len(self.blobs)}"
        self.blobs[reference] = (head, body, recovery)
        return reference

    async def spool(self) -> Spool:
        spool = MemorySpool(self.folder / f"spool{len(self.spools)}", self)
        self.spools.append(spool)
        return spool

    def settle(self, reference: str) -> None:
        self.settled.append(reference)

    async def status(self) -> Mapping[str, object]:
        return {"driver": "memory"}

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        if reference not in self.blobs:
            raise BlobGone(reference)
        head, body, _ = self.blobs[reference]
        return (head + body)[offset:][:length]

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        return [await self.read(reference, 0, length) for reference, length in wanted]

    async def stream(
        self, reference: str, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        yield await self.read(reference, offset, length)


class MemoryDirectory:
    """example.test: alice, bob, zoë, `full` with a quota, `gone` disabled, a few aliases; password `demo`."""

    def __init__(self) -> None:
        self.accounts = {name: _account(name) for name in ("alice", "bob", "zoë")}
        self.accounts["full"] = replace(_account("full"), quota=1000)
        self.accounts["gone"] = replace(_account("gone"), enabled=False)
        elsewhere = Address.parse("someone@elsewhere.example")
        alice, bob = self.accounts["alice"], self.accounts["bob"]
        self.aliases = {
            "team": Resolution((alice, bob)),
            "away": Resolution((), (elsewhere,)),
            "both": Resolution((alice,), (elsewhere,)),
            "postmaster": Resolution((self.accounts["full"],)),
        }
        self.down = False

    async def is_local(self, domain: str) -> bool:
        if self.down:
            raise RuntimeError("the directory's secret reason")
        return domain == "example.test"

    async def resolve(self, address: Address) -> Resolution | None:
        name = address.base_local.lower()
        account = self.accounts.get(name)
        if account is None:
            return self.aliases.get(name)
        return Resolution((account,)) if account.enabled else None

    async def account(self, login: str) -> Account | None:
        return self.accounts.get(login.removesuffix("@example.test").lower())

    async def account_of(self, ref: AccountRef) -> Account | None:
        return next((account for account in self.accounts.values() if account.ref == ref), None)

    async def may_send_as(self, account: AccountRef, address: Address) -> bool:
        found = await self.resolve(address) if address.domain == "example.test" else None
        return found is not None and any(each.ref == account for each in found.accounts)


def _account(name: str) -> Account:
    return Account(AccountRef("default", name), Address(name, "example.test"))


SALT = b"thirty-two octets of pure chance"
_, STORED_KEY, SERVER_KEY, ITERATIONS = ScramMechanism("SCRAM-SHA-256").make_auth_info("demo", 4096, SALT)


def login_hooks(directory: MemoryDirectory) -> list[Callable[..., object]]:
    """What a directory plugin implements."""

    @hookimpl
    async def authenticate(credentials: Credentials) -> Identity | Refuse | None:
        account = await directory.account(credentials.username)
        if account is None or not isinstance(credentials, Password):
            return None
        if credentials.password != "demo" or not account.enabled:
            return Refuse("wrong password")
        return Identity(account.ref, str(account.address), account.address)

    @hookimpl
    async def resolve_scram_keys(username: str) -> ScramKeys | Refuse | None:
        account = await directory.account(username)
        if account is None or not account.enabled:
            return None
        identity = Identity(account.ref, str(account.address), account.address)
        return ScramKeys(identity, SALT, STORED_KEY, SERVER_KEY, ITERATIONS)

    return [authenticate, resolve_scram_keys]


class World:
    """A kernel over memory. traces: what finished sessions wrote; ports: by listener, once it listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = MemoryStorage()
        self.blobs = MemoryBlobs(folder)
        self.directory = MemoryDirectory()
        self.records: list[Record] = []
        self.generations = Generations(Generation(0, {}, {}))
        settings = HubSettings(hub=HubTable(hostname="mx.example.test", data_dir=folder, login_pause=0))
        self.kernel = Kernel(
            settings,
            self.generations,
            Services(
                cast(Storage, self.storage),
                cast(Blobs, self.blobs),
                self.directory,
                SystemClock(),
                Resolver(),
            ),
            Engine(folder, Tickets()),
            self._write_trace,
        )
        self._scopes: list[Scope] = []
        self._servers: list[asyncio.Server] = []
        self.plugins()

    def _write_trace(self, trace: Trace) -> None:
        self.records += trace.take()[0]

    def settings(self, *, smtp: SmtpTable | None = None, checks: ChecksTable | None = None) -> None:
        """Replace tables of the configuration."""
        update = {name: table for name, table in (("smtp", smtp), ("checks", checks)) if table is not None}
        self.kernel.settings = self.kernel.settings.model_copy(update=update)

    def plugins(self, *implementations: Callable[..., object], login: bool = True) -> None:
        """Serve with a new generation in which each function is a plugin of its own."""
        login_functions = [login_hooks(self.directory)] if login else []
        groups = [[function] for function in implementations] + login_functions
        parts = [self._part(f"plugin-{number}", group) for number, group in enumerate(groups)]
        compiled = compile_plans(parts, TABLE)
        assert not compiled.errors, compiled.errors
        number = self.generations.current.number + 1
        self.generations.swap(
            Generation(number, {part.scope.name: part.scope for part in parts}, compiled.plans)
        )

    def _part(self, name: str, functions: Sequence[Callable[..., object]]) -> Part:
        module = ModuleType(f"hub_plugin_{name}")
        for function in functions:
            setattr(module, cast(FunctionType, function).__name__, function)
        loop = asyncio.get_running_loop()
        around = Surroundings(
            self.folder, SystemClock(), Resolver(), _no_call, _no_workers, lambda name, arguments: None, loop
        )
        scope = Scope(name, "1", self.folder, lambda model: model(), around)
        self._scopes.append(scope)
        return Part(cast(Source, SimpleNamespace(shown=str)), module, scope, PluginOptions())

    async def listen(
        self,
        protocol: str = "smtp",
        *,
        tls: str = "none",
        context: Engine | None = None,
        **networks: Sequence[str],
    ) -> int:
        """Serve a protocol on a free port of 127.0.0.1; gives it. networks: more of the listener's keys."""
        listener = Listener.model_validate(
            {"protocol": protocol, "bind": ["127.0.0.1:0"], "tls": tls, **networks}
        )
        if context is not None:
            self.kernel.tls = context
        make = FACTORIES[protocol](self.kernel, protocol, listener)
        loop = asyncio.get_running_loop()
        implicit = context.context(listener) if context is not None and listener.is_implicit else None
        server = await loop.create_server(make, "127.0.0.1", 0, ssl=implicit)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    @property
    def message(self) -> bytes:
        """The only message that was accepted, as its first recipient would read it."""
        (acceptance,) = self.storage.accepted.values()
        head, body, _ = self.blobs.blobs[acceptance.blob]
        lines = acceptance.deliveries[0].lines if acceptance.deliveries else b""
        return lines + head + body

    async def told(self) -> None:
        """Return when every NOTIFY so far has been seen by its plugins."""
        for scope in self._scopes:
            await scope.notifier.drain(5)

    async def close(self) -> None:
        """Stop listening, end every connection."""
        for server in self._servers:
            server.close()
        self.storage.gate.set()
        assert await self.kernel.connections.drain(10) == 0
        for scope in self._scopes:
            await scope.close()
        assert self.kernel.budget.held == 0
        assert sorted(self.blobs.settled) == sorted(self.blobs.blobs)
        assert self.kernel.sessions == {}
        assert self.generations.pinned(self.generations.current) == 0


async def _no_workers(plugin: str, question: str, arguments: Mapping[str, object]) -> list[object]:
    raise RuntimeError(question)


async def _no_call(name: str, arguments: object) -> object:
    raise LookupError(name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A hub's inside over memory."""
    world = World(tmp_path)
    yield world
    await world.close()


class Client:
    """A client that sends octets as it is told and reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self) -> str:
        """One whole reply, lines joined by LF; empty at the end of the connection."""
        lines = []
        while line := (await asyncio.wait_for(self.reader.readline(), 20)).decode():
            assert line.endswith("\r\n"), line
            lines.append(line[:-2])
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    async def ask(self, command: str) -> str:
        await self.send(command.encode() + b"\r\n")
        return await self.reply()

    async def submit(
        self, message: bytes, *, sender: str = "a@b.example", to: str = "bob@example.test"
    ) -> str:
        """One whole transaction in a pipeline; the reply to the message."""
        await self.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
        replies = [await self.reply() for _ in range(3)]
        assert [reply[:3] for reply in replies] == ["250", "250", "354"], replies
        await self.send(message + b"\r\n.\r\n")
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A greeted client that has said EHLO."""
    client = Client(
        *await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="mx.example.test" if context else None
        )
    )
    assert (await client.reply()).startswith("220 ")
    assert (await client.ask("EHLO client.example")).startswith("250")
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsTable:
    """A real certificate for mx.example.test and its key, made by openssl."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "-subj /CN=mx.example.test -addext subjectAltName=DNS:mx.example.test"
    subprocess.run(
        [*f"{command} {names}".split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return TlsTable(certificate=certificate, key=key)


def engine(table: TlsTable) -> Engine:
    """What serves with a certificate and nothing else."""
    assert table.certificate is not None
    made = Engine(table.certificate.parent, Tickets())
    made.take(load_certificates(table, table.certificate.parent, Certificates()))
    return made
