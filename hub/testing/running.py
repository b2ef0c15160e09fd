"""A real hub on free ports, inside the test's own event loop."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from imaplib import IMAP4
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Final, TypeVar, cast

from hub.app import Hub
from hub.config.load import Config, load
from hub.config.toml_text import dump_value
from hub.hooks.plugin import Plugin
from hub.listening import bind
from hub.loading.scope import Scope
from hub.mail.address import Address
from hub.services.clock import Clock, SystemClock
from hub.services.directory import DirectoryAdmin
from hub.testing import conversation
from hub.testing.observed import Call, Observed, Span

T = TypeVar("T")

DRIVERS = ("storage-sql", "blobs-segment", "directory-sql")
DOMAIN = "example.test"
PASSWORD = "demo"
ACCOUNTS = (f"alice@{DOMAIN}", f"bob@{DOMAIN}")
CHEAP_HASHES: Final = {"hash_memory": 1024, "hash_passes": 1}
"""Of passwords that are no secrets: at the usual cost a third of starting a hub would be that."""


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub that serves; every account's password is `demo`.

    folder: what it keeps. plugins_dir: its watched folder. tables: what its configuration says. clock: the
    hub's time. beside: where `dialogue` looks for files. observed: what has happened, if that is kept.
    """

    hub: Hub
    config: Config
    folder: Path
    plugins_dir: Path
    tables: dict[str, object]
    clock: Clock
    beside: Path
    observed: Observed | None

    def plugin(self, name: str) -> Plugin:
        """The scope of a plugin that serves now: its stash, its folder, its keys. KeyError."""
        return self.hub.loader.generations.current.plugins[name]

    def called(self, hook: str) -> list[Call]:
        """How plugins were asked by a hook so far, in order.

        Facts (`message_delivered`) are told later than the reply: `await until_called(…)`.
        """
        return self._kept.called(hook)

    async def until_called(self, hook: str, times: int = 1) -> list[Call]:
        """The same, once there are so many. TimeoutError after twenty seconds."""
        return await self._kept.until_called(hook, times)

    @property
    def failures(self) -> list[Call]:
        """The calls that failed so far: an exception, a timeout, a result of the wrong type."""
        return [call for call in self._kept.calls if call.failure is not None]

    @property
    def spans(self) -> list[Span]:
        """What has happened in all sessions: commands, each plugin's step, commits, deliveries."""
        return self._kept.spans(self.hub.kernel.sessions)

    @property
    def _kept(self) -> Observed:
        if self.observed is None:
            raise RuntimeError("this hub keeps nothing of what happens: running_hub(…, observed=Observed())")
        return self.observed

    async def dialogue(self, file: str | Path, *, source: str = "127.0.0.1") -> None:
        """Hold the conversation of a text file; AssertionError with its line where the hub answers otherwise.

        file: beside the test. The format is that of `hub.testing.conversation`.
        """
        said = conversation.read(self.beside / file)
        await said.play(self.port(said.listener[0]), source=source)

    async def reload(self) -> Mapping[str, object]:
        """Load what is on disk now, as saving it or `hub reload` does; the report of that."""
        report = await self.hub.reload()
        assert report is not None
        return report

    def port(self, listener: str = "smtp") -> int:
        """Where a listener listens on 127.0.0.1."""
        return next(
            cast(int, each.socket.getsockname()[1]) for each in self.hub.bound if each.name == listener
        )

    async def configure(self, plugin: str, settings: Mapping[str, object]) -> None:
        """Give a plugin other settings, as an operator does who saves the configuration."""
        others = cast("Mapping[str, object]", self.tables.get("plugins", {}))
        self.tables["plugins"] = {**others, plugin: settings}
        _write(self.folder, self.tables)
        report = await self.hub.reload()
        assert report is not None
        assert not report["errors"], report["errors"]

    async def add_account(self, address: str) -> None:
        """One more account, and its domain if that is new."""
        directory = cast(DirectoryAdmin, self.hub.kernel.services.directory)
        parsed = Address.parse(address)
        if not await directory.is_local(parsed.domain):
            await directory.add_domain(parsed.domain)
        await directory.add_account(parsed, PASSWORD)

    async def smtp(self, work: Callable[[smtplib.SMTP], T], listener: str = "smtp") -> T:
        """Talk to a listener with smtplib, in a thread."""

        def talk() -> T:
            with smtplib.SMTP("127.0.0.1", self.port(listener), timeout=30) as client:
                return work(client)

        return await asyncio.to_thread(talk)

    async def send(
        self,
        text: str = "Subject: Hello\r\n\r\nIt works.\r\n",
        *,
        sender: str = "bob@example.test",
        to: str = "alice@example.test",
    ) -> tuple[int, str]:
        """Send a message through the `smtp` listener; the code and the text of the last reply."""

        def work(client: smtplib.SMTP) -> tuple[int, str]:
            client.ehlo("client.example.test")
            for code, reply in (client.mail(sender), client.rcpt(to)):
                if code >= 400:
                    return code, reply.decode()
            code, reply = client.data(text.encode())
            return code, reply.decode()

        return await self.smtp(work)

    async def imap(
        self, work: Callable[[IMAP4], T], user: str = "alice@example.test", listener: str = "imap"
    ) -> T:
        """Log in with imaplib and talk, in a thread."""

        def talk() -> T:
            with IMAP4("127.0.0.1", self.port(listener), timeout=30) as client:
                # imaplib sends a literal and the line end behind it apart: the second would wait 40 ms.
                client.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, True)
                client.login(user, PASSWORD)
                return work(client)

        return await asyncio.to_thread(talk)

    async def told(self) -> None:
        """Return when plugins have taken in every fact (NOTIFY) so far."""
        for scope in self.hub.kernel.generations.current.plugins.values():
            await cast(Scope, scope).notifier.drain(10)

    async def mailbox(self, name: str = "INBOX", user: str = "alice@example.test") -> list[bytes]:
        """Every message in a mailbox, as IMAP gives it."""

        def read(client: IMAP4) -> list[bytes]:
            client.select(name, readonly=True)
            _, found = client.fetch("1:*", "(BODY.PEEK[])")
            return [part[1] for part in found if isinstance(part, tuple)]

        return await self.imap(read, user)


@asynccontextmanager
async def running_hub(
    folder: Path,
    *,
    plugins: Sequence[str] = (),
    tables: Mapping[str, object] | None = None,
    accounts: Sequence[str] = ACCOUNTS,
    trees: Sequence[Path] = (),
    clock: Clock | None = None,
    observed: Observed | None = None,
    beside: Path | None = None,
) -> AsyncIterator[RunningHub]:
    """Run a hub with SQLite and segments in a folder; its configuration is `hub.toml` there, and watched.

    plugins: enabled besides the drivers, in this order. tables: more of the configuration, `{"smtp":
    {"max_size": 1000}}`; `listeners` in it replaces the three on free ports. trees: plugins that are not
    installed. observed: what is to keep what happens. beside: the folder of `dialogue`'s files.
    """
    plugins_dir = folder / "plugins.d"
    plugins_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    said: dict[str, object] = {
        "listeners": {
            name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "submission", "imap")
        },
        **(tables or {}),
    }
    said["hub"] = {
        "hostname": "mail.example.test",
        "data_dir": str(folder / "data"),
        "plugin_dirs": [str(plugins_dir)],
        "plugins": [*DRIVERS, *plugins],
        "login_pause": 0,  # no test has to wait
        **cast("Mapping[str, object]", said.get("hub", {})),
    }
    said.setdefault("relay", {"enabled": False})  # no test sends mail to the world
    if "directory-sql" in cast("Mapping[str, Sequence[str]]", said["hub"])["plugins"]:
        settings = cast("Mapping[str, object]", said.get("plugins", {}))
        said["plugins"] = {"directory-sql": CHEAP_HASHES, **settings}
    path = _write(folder, said)
    reread = partial(load, path, environ={}, cwd=folder)
    config = reread()
    clock = clock or SystemClock()
    hub = Hub(
        config,
        bind(config.settings.listeners, {}),
        trees=trees,
        clock=clock,
        reread=reread,
        observe=observed.observe if observed else None,
        tell=observed.tell if observed else None,
    )
    await hub.start()
    running = RunningHub(hub, config, folder, plugins_dir, said, clock, beside or Path(), observed)
    try:
        for address in accounts:
            await running.add_account(address)
        yield running
    finally:
        await hub.stop()


def _write(folder: Path, tables: Mapping[str, object]) -> Path:
    """Each plugin's table by itself, so that who adds to the file can add a plugin's."""
    plugins = cast("Mapping[str, object]", tables.get("plugins", {}))
    said = {name: table for name, table in tables.items() if name != "plugins"}
    said |= {f"plugins.{name}": table for name, table in plugins.items()}
    path = folder / "hub.toml"
    path.write_text("".join(f"{name} = {dump_value(table)}\n" for name, table in said.items()))
    return path
