"""What one plugin holds open, from its start until its code or settings change."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast, overload

from hub.config.key import suggestion
from hub.dispatch.breaker import Breaker
from hub.dispatch.driving import drive
from hub.dispatch.failure import reason
from hub.dispatch.flood import BoundedLog
from hub.dispatch.notify import Notifier
from hub.dispatch.step import Observe
from hub.dispatch.threads import PluginThreads
from hub.hooks.plugin import Answering, Implementation, Logger
from hub.loading.follower import Follower
from hub.loading.lease import Lease
from hub.loading.sources import module_name
from hub.loading.surroundings import Surroundings
from hub.loading.tenancy import Tenancy
from hub.loading.timers import Timers
from hub.log import get_logger
from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.mail.stash import Stash
from hub.services.account_mail import AccountMail
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.kv import Kv
from hub.services.log import LogEntry
from hub.services.stored import (
    QueuedMessage,
    StoredMessage,
    queued_message,
    stored_message,
    stored_messages,
)
from hub.services.tables import Tables

T = TypeVar("T")
S = TypeVar("S")

REPLYING: Final = 20.0
"""Seconds that a plugin has to answer a question, less than who asks all workers waits for each."""
CLOSING: Final = 10.0
"""Seconds that each resource of a scope has to close, and that what still runs has to end."""


class Settings(Protocol):
    """Where a scope takes its plugin's settings from."""

    def __call__(self, model: type[S], /) -> S:
        """The plugin's table as that model. ConfigErrors."""


class Scope:
    """The real `Plugin`.

    It begins closed to the world: `open_timers` is called at the swap, `stop_timers` when a successor takes
    over, `close` when nobody uses it any more.
    """

    def __init__(
        self, name: str, version: str, folder: Path, settings: Settings, surroundings: Surroundings
    ) -> None:
        """folder: where its top-level module lies."""
        self._name = name
        self._version = version
        self._folder = folder
        self._settings = settings
        self._around = surroundings
        self._filled: dict[type[object], object] = {}
        self._stash = Stash()
        self._log = get_logger(plugin=name)
        self._said = BoundedLog(name)
        self._logging = logging.getLogger(module_name(name))
        self._logging.addFilter(self._said.admits)
        self._kv: Kv | None = None
        self._resources: list[AsyncExitStack] = []
        self._closed = False
        self.threads = PluginThreads(name)
        self._timers = Timers(name, surroundings, self.threads, self._lease, self._log)
        self.breaker = Breaker(surroundings.clock.monotonic, self._breaker_changed)
        self.notifier = Notifier()
        self.dependencies: dict[str, str | None] = {}
        self._answers: dict[str, Answering] = {}
        self._followers: list[Follower] = []
        self.tenancy = Tenancy()

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self._name

    @property
    def observe(self) -> Observe | None:
        """Who is told of every step of the plugin that has run."""
        return self._around.observe

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self._version

    @property
    def log(self) -> Logger:
        """Writes lines that carry the plugin's name, and not too many of them."""
        return self._said

    @property
    def stash(self) -> Stash:
        """What the plugin keeps between hooks."""
        return self._stash

    @property
    def hostname(self) -> str:
        """`hub.hostname`."""
        return self._around.hostname()

    @property
    def clock(self) -> Clock:
        """The hub's time."""
        return self._around.clock

    @property
    def dns(self) -> Dns:
        """The hub's resolver."""
        return self._around.dns

    @property
    def data_dir(self) -> Path:
        """`<data>/plugins/<name>`, mode 0700."""
        folder = self._around.data_dir / "plugins" / self._name
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    @property
    def kv(self) -> Kv:
        """The plugin's own name space in the store."""
        if self._kv is None:
            self._kv = self._around.need_storage().kv(self._name)
        return self._kv

    @property
    def directory(self) -> Directory:
        """The chosen directory."""
        if self._around.directory is None:
            raise RuntimeError("no directory serves yet: a plugin may ask it once the hub has started")
        return self._around.directory

    @property
    def closed(self) -> bool:
        """Whether nobody may use it any more."""
        return self._closed

    def settings(self, model: type[S]) -> S:
        """The plugin's table as the model, made once."""
        if model not in self._filled:
            self._filled[model] = self._settings(model)
        return cast(S, self._filled[model])

    @overload
    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T: ...
    @overload
    async def enter(self, resource: AbstractContextManager[T]) -> T: ...
    async def enter(self, resource: AbstractAsyncContextManager[T] | AbstractContextManager[T]) -> T:
        """Open a context manager that is closed with the scope."""
        if self._closed:
            raise RuntimeError(f"the scope of {self._name} is closed")
        stack = AsyncExitStack()
        if isinstance(resource, AbstractAsyncContextManager):
            value = await stack.enter_async_context(resource)
        else:
            value = stack.enter_context(resource)
        self._resources.append(stack)
        return value

    def every(
        self, seconds: float, function: Callable[[], Awaitable[None] | None], *, once: bool = False
    ) -> None:
        """Call the function again and again from the swap on."""
        self._timers.every(seconds, function, once=once)

    def follow(
        self, name: str, handler: Callable[[Sequence[LogEntry]], Awaitable[None]], *, from_now: bool = False
    ) -> None:
        """Hand every entry of the change log to the handler, from the swap on."""
        follower = Follower(
            self._around.need_storage(),
            self.kv,
            name,
            handler,
            self._around.clock,
            self._log,
            from_now=from_now,
        )
        self._followers.append(follower)
        self._timers.add(follower.run, lease=f"follow/{name}")

    def messages(self, entry: LogEntry) -> AsyncIterator[StoredMessage]:
        """What an entry of the log put into a mailbox or changed there, and is there still."""
        return stored_messages(self._around.need_storage(), self._around.need_blobs(), entry)

    async def message(self, account: AccountRef, mailbox: int | str, uid: int) -> StoredMessage | None:
        """A message in a mailbox."""
        storage, blobs = self._around.need_storage(), self._around.need_blobs()
        return await stored_message(storage, blobs, account, mailbox, uid)

    def mail(self, account: AccountRef) -> AccountMail:
        """The mailboxes of an account."""
        return AccountMail(self._around.need_storage(), self._around.need_blobs(), account)

    async def queued(self, message_id: str) -> QueuedMessage | None:
        """A message in the queue."""
        return await queued_message(self._around.need_storage(), self._around.need_blobs(), message_id)

    async def call(self, name: str, /, **arguments: object) -> object:
        """Fire a hook by name, in the generation that serves now."""
        return await self._around.call(name, arguments)

    def implementations(self, hook: str) -> Mapping[str, Implementation]:
        """Who implements a hook in the generation that serves now."""
        return self._around.implementations(hook)

    async def status(self) -> Mapping[str, object]:
        """What `hub status --json` prints."""
        return await self._around.status()

    async def install_certificate(
        self, name: str, chain_pem: bytes, key_pem: bytes, *, alpn: str | None = None
    ) -> None:
        """Serve a certificate from now on."""
        await self._around.certify(name, (chain_pem, key_pem), alpn)

    async def remove_certificate(self, name: str, *, alpn: str | None = None) -> None:
        """Serve it no more."""
        await self._around.certify(name, None, alpn)

    async def submit(
        self, reverse_path: Address | None, recipients: Sequence[Address], message: bytes
    ) -> str:
        """Keep a message of the plugin's own making for all its recipients."""
        return await self._around.submit(reverse_path, recipients, message)

    def dependency(self, name: str, trouble: str | None = None) -> None:
        """Note how something outside does that the plugin needs."""
        self.dependencies[name] = trouble

    def answer(self, question: str, handler: Answering) -> None:
        """Answer a question from now on."""
        if question in self._answers:
            raise ValueError(f"{self._name} answers '{question}' already")
        self._answers[question] = handler

    async def ask(self, question: str, **arguments: object) -> Sequence[object]:
        """Ask this plugin in every worker."""
        return await self._around.ask(self._name, question, arguments)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for an awaitable from one of the plugin's threads."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(_await(awaitable), self._around.loop).result()
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        raise RuntimeError("plugin.wait(…) would block the event loop: in an `async def`, await it instead")

    async def tables(self, metadata: object) -> Tables:
        """The plugin's own tables; their Alembic branch lies in `migrations/` beside its module."""
        storage = self._around.need_storage()
        return await storage.tables(self._name, metadata, str(self._folder / "migrations"))

    # -- for the loader ---------------------------------------------------------------------------------

    async def reply(self, question: str, arguments: Mapping[str, object]) -> object:
        """The plugin's own answer. LookupError if it answers no such question, RuntimeError if it fails."""
        handler = self._answers.get(question)
        if handler is None:
            raise LookupError(f"{self._name} answers no '{question}'. {suggestion(question, self._answers)}")
        try:
            return await drive(_reply(handler, arguments), REPLYING)
        except (asyncio.CancelledError, LookupError, ValueError, RuntimeError):
            raise
        except BaseException as error:
            self._log.error("a question failed", question=question, reason=reason(error))
            raise RuntimeError(f"{self._name} could not answer '{question}'; its log says why") from error

    async def place_followers(self) -> None:
        """Before the plugin serves: those that follow from now on know where that is."""
        for follower in self._followers:
            await follower.place()

    def open_timers(self) -> None:
        """The plugin serves from now on: its timers and followers start, once."""
        if not self._closed:
            self._timers.open()

    async def stop_timers(self) -> None:
        """A successor takes over: end timers and followers; at most ten seconds."""
        await self._timers.stop(CLOSING)

    async def close(self, patience: float = CLOSING) -> None:
        """Close everything, last in first out; whatever goes wrong is logged and the rest is closed too.

        patience: seconds to wait for the calls that are still inside the plugin.
        """
        if self._closed:
            return
        self._closed = True
        await self.notifier.drain(CLOSING)
        await self.breaker.retire(patience)
        await self.stop_timers()
        while self._resources:
            stack = self._resources.pop()
            try:
                await drive(stack.aclose(), CLOSING)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self._log.error("a resource did not close", reason=reason(error))
        self.threads.close()
        self._logging.removeFilter(self._said.admits)
        self._said.close()

    def _lease(self, name: str) -> Lease:
        return Lease(self.kv, name, self._around.clock, self._log)

    def _breaker_changed(self, is_open: bool, hook: str, why: str) -> None:
        if is_open:
            self._log.error("breaker opened", hook=hook, reason=why)
            self._around.tell("breaker_opened", {"name": self._name, "hook": hook, "reason": why})
        else:
            self._log.info("breaker closed", hook=hook)
            self._around.tell("breaker_closed", {"name": self._name, "hook": hook})


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _reply(handler: Answering, arguments: Mapping[str, object]) -> object:
    return await handler(arguments)
