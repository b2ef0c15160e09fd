"""What one plugin holds open, from its start until its code or settings change."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias, TypeVar, cast, overload

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
from hub.loading.tenancy import Tenancy
from hub.log import get_logger
from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.mail.stash import Stash
from hub.services.account_mail import AccountMail
from hub.services.blobs import Blobs
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.kv import Kv
from hub.services.log import LogEntry
from hub.services.storage import Storage
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


Call: TypeAlias = Callable[[str, Mapping[str, object]], Awaitable[object]]
"""Fires a hook of the generation that serves now. LookupError, TypeError."""

Ask: TypeAlias = Callable[[str, str, Mapping[str, object]], Awaitable[Sequence[object]]]
"""Asks a plugin, by name, a question in every worker; the answers. RuntimeError if there is none."""


Status: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
"""Says what `hub status` says. RuntimeError."""


class Certify(Protocol):
    """Keeps certificates."""

    def __call__(self, name: str, pair: tuple[bytes, bytes] | None, alpn: str | None, /) -> Awaitable[None]:
        """Serve a chain and its key under a name from now on, or no more. ValueError, OSError."""


async def _no_certify(name: str, pair: tuple[bytes, bytes] | None, alpn: str | None, /) -> None:
    raise RuntimeError("there is no hub around this scope that could serve a certificate")


Submit: TypeAlias = Callable[[Address | None, Sequence[Address], bytes], Awaitable[str]]
"""Keeps a message for its recipients; its id. LookupError, ValueError."""


async def _no_submission(reverse_path: Address | None, recipients: Sequence[Address], message: bytes) -> str:
    raise RuntimeError("there is no hub around this scope that could send mail")


async def _no_status() -> Mapping[str, object]:
    raise RuntimeError("there is no hub around this scope that could say how it does")


def _implementations(hook: str) -> Mapping[str, Implementation]:
    raise LookupError(f"nobody can be asked for {hook}: no plugin is running")


@dataclass(slots=True)
class Surroundings:
    """What all scopes share.

    tell: fires a NOTIFY hook. storage, blobs: None until their drivers are open. directory: the one that
    serves. certify: installs and removes certificates.
    """

    data_dir: Path
    clock: Clock
    dns: Dns
    call: Call
    ask: Ask
    tell: Callable[[str, Mapping[str, object]], None]
    loop: asyncio.AbstractEventLoop
    storage: Storage | None = field(default=None)
    status: Status = field(default=_no_status)
    certify: Certify = field(default=_no_certify)
    implementations: Callable[[str], Mapping[str, Implementation]] = field(default=_implementations)
    directory: Directory | None = field(default=None)
    observe: Observe | None = None
    submit: Submit = field(default=_no_submission)
    blobs: Blobs | None = field(default=None)
    hostname: Callable[[], str] = field(default=socket.gethostname)

    def need_storage(self) -> Storage:
        """The storage driver; RuntimeError while it is still being opened."""
        if self.storage is None:
            raise RuntimeError("the storage is not open yet: its own plugin and driver cannot use it")
        return self.storage

    def need_blobs(self) -> Blobs:
        """The driver of the messages' bytes; RuntimeError while it is still being opened."""
        if self.blobs is None:
            raise RuntimeError("the blobs are not open yet: what opens before them can read no message")
        return self.blobs


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
        self._timers: list[Callable[[], Coroutine[object, object, None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticking = False
        self._closed = False
        self.threads = PluginThreads(name)
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
        if not seconds > 0:
            raise ValueError(f"every({seconds!r}): the seconds between two calls must be more than 0")
        name = getattr(function, "__qualname__", None) or type(function).__qualname__
        tick = partial(self._tick, seconds, function, name)
        lease = f"every/{len(self._timers)}/{name[:100]}"
        self._add_timer(partial(self._lease(lease).guard, tick) if once else tick)

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
        self._add_timer(partial(self._lease(f"follow/{name}").guard, follower.run))

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
        if not self._ticking and not self._closed:
            self._ticking = True
            for timer in self._timers:
                self._start(timer)

    async def stop_timers(self) -> None:
        """A successor takes over: end timers and followers; at most ten seconds."""
        self._ticking = False
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, hung = await asyncio.wait(tasks, timeout=CLOSING)
            if hung:
                self._log.error("tasks do not end", count=len(hung))

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

    def _add_timer(self, timer: Callable[[], Coroutine[object, object, None]]) -> None:
        self._timers.append(timer)
        if self._ticking:
            self._start(timer)

    def _start(self, timer: Callable[[], Coroutine[object, object, None]]) -> None:
        task = self._around.loop.create_task(self._guarded(timer), name=f"{self._name} timer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, timer: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run for ever; no exception may leave a task, a SystemExit would end the loop."""
        while True:
            await self._try(timer, "a timer failed")
            await self.clock.sleep(1)

    async def _tick(self, seconds: float, function: Callable[[], Awaitable[None] | None], name: str) -> None:
        async def call() -> None:
            if inspect.iscoroutinefunction(function):
                await function()
            elif inspect.isawaitable(result := await self.threads.run(function)):
                await result

        while True:
            await self.clock.sleep(seconds)
            await self._try(call, "a timer's function failed", function=name)

    async def _try(
        self, work: Callable[[], Coroutine[object, object, None]], event: str, **fields: object
    ) -> None:
        try:
            await drive(work(), None)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._log.error(event, reason=reason(error), **fields)

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
