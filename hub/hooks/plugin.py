"""A plugin's scope as the plugin sees it: everything that it may hold open, closed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar, overload

from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.mail.stash import Stash
from hub.services.account_mail import AccountMail
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.kv import Kv
from hub.services.log import LogEntry
from hub.services.stored import QueuedMessage, StoredMessage
from hub.services.tables import Tables

T = TypeVar("T")
S = TypeVar("S")


Answering: TypeAlias = Callable[[Mapping[str, object]], Awaitable[object]]
"""What answers a question to a plugin: its arguments in, what JSON can hold out."""


Implementation: TypeAlias = Callable[..., Awaitable[object]]
"""One plugin's implementation of a hook: called with the hook's arguments by keyword, `plugin` aside."""


class Logger(Protocol):
    """A structured log: an event in a few words, everything else as fields."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Of use to who debugs this plugin."""

    def info(self, event: str, /, **fields: object) -> None:
        """Of use to the operator, on a normal day."""

    def warning(self, event: str, /, **fields: object) -> None:
        """The operator should look at it some day."""

    def error(self, event: str, /, **fields: object) -> None:
        """The operator should look at it now."""


class Plugin(Protocol):
    """The first argument of every hook that names it: this plugin's own scope.

    A scope belongs to one version of the plugin's code and settings. It is closed, with all it holds, when
    either changes or the hub stops; whatever else changes, it stays.
    """

    @property
    def name(self) -> str:
        """The entry point's name: `deny-list`."""

    @property
    def version(self) -> str:
        """The distribution's version; of a single file the first digits of its content's hash."""

    @property
    def log(self) -> Logger:
        """Writes lines that carry the plugin's name, and session and message while a hook runs."""

    @property
    def stash(self) -> Stash:
        """What the plugin keeps between hooks, in this process."""

    @property
    def data_dir(self) -> Path:
        """A folder for what is local to this node, made at first use, readable by the hub alone."""

    @property
    def kv(self) -> Kv:
        """Small shared state, the same on every worker and node."""

    @property
    def directory(self) -> Directory:
        """Who an address is, as the directory that serves now knows it: whose account somebody logs in to.

        RuntimeError until the hub serves, `plugin_start` included.
        """

    @property
    def hostname(self) -> str:
        """What the hub calls itself now, `hub.hostname`."""

    @property
    def clock(self) -> Clock:
        """The hub's time, which tests turn; use it for timers and expiry."""

    @property
    def dns(self) -> Dns:
        """Asks DNS, with the cache that all plugins of this process share."""

    def settings(self, model: type[S]) -> S:
        """The plugin's `[plugins.<name>]` table as its module-level `Settings` model, validated before the
        plugin starts.
        """

    @overload
    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T: ...
    @overload
    async def enter(self, resource: AbstractContextManager[T]) -> T: ...
    async def enter(self, resource: AbstractAsyncContextManager[T] | AbstractContextManager[T]) -> T:
        """Open a context manager that is closed with the scope, last in first out; gives what it yields."""

    def every(
        self, seconds: float, function: Callable[[], Awaitable[None] | None], *, once: bool = False
    ) -> None:
        """Call the function again and again, first after `seconds`; from the swap until the scope closes.

        A plain function runs in the plugin's threads. A failure is logged and the timer goes on. once: on
        one worker of one node only, held by a lease.
        """

    async def call(self, name: str, /, **arguments: object) -> object:
        """Fire a hook by name: FIRST gives its answer, COLLECT a list, CHAIN the value, NOTIFY None.

        LookupError if there is no such hook, TypeError if the arguments are not the hook's.
        """

    def implementations(self, hook: str) -> Mapping[str, Implementation]:
        """Who implements a FIRST or COLLECT hook, in run order, each to be called by itself: plugin → call.

        For whoever asks some of them, or must know who failed: the failure of one is a RuntimeError of its
        call. LookupError if there is no such hook.
        """

    def follow(
        self, name: str, handler: Callable[[Sequence[LogEntry]], Awaitable[None]], *, from_now: bool = False
    ) -> None:
        """Hand every entry of the change log to the handler, at least once, in order, on one worker at a
        time.

        name: the follower's, its position is kept under it. An entry counts as handled when the handler
        returns; when it raises, the same entries come again after a growing pause. from_now: a follower
        that never ran begins with what comes after its plugin's first start, not with the oldest entry.
        """

    def messages(self, entry: LogEntry) -> AsyncIterator[StoredMessage]:
        """The messages that an entry of the change log put into a mailbox or changed there.

        Only those that are there still, by UID; what was changed once more by now may be among them. None
        for entries of other kinds: the queue (`queued`), expunged messages, mailboxes.
        """

    async def message(self, account: AccountRef, mailbox: int | str, uid: int) -> StoredMessage | None:
        """A message in a mailbox, named by its id or its name; None if it is not there (any more)."""

    def mail(self, account: AccountRef) -> AccountMail:
        """An account's mailboxes, for a plugin that shows them to their owner: list, read, expunge, watch."""

    async def queued(self, message_id: str) -> QueuedMessage | None:
        """A message that waits to be sent on; None once no row of the queue is left of it."""

    async def submit(
        self, reverse_path: Address | None, recipients: Sequence[Address], message: bytes
    ) -> str:
        """Keep a message of the plugin's own making for all its recipients, here and elsewhere; its id.

        message: whole, with CRLF, its own Date and Message-ID. It is durable when this returns, and sent on
        as any other; nobody checks it. LookupError if a recipient should be here and is not, ValueError for
        what is no message, RuntimeError until the hub serves.
        """

    def dependency(self, name: str, trouble: str | None = None) -> None:
        """Say how something outside does that the plugin needs, such as `clamd`; `hub status` shows it.

        trouble: what is wrong with it, None if it answers. Call it whenever that was found out; from any
        thread.
        """

    def answer(self, question: str, handler: Answering) -> None:
        """Answer a question that a command, or this plugin in another worker, asks this one.

        handler: is given the arguments, and gives what JSON can hold. Whatever it raises is the answer: the
        text of a LookupError, ValueError or RuntimeError is for the operator. ValueError if the question is
        answered already.
        """

    async def ask(self, question: str, **arguments: object) -> Sequence[object]:
        """Ask this plugin in every worker of the hub, its own included; the answers of those who gave one.

        For what lives in the memory of each worker: counters, connections. RuntimeError if nobody answers.
        """

    async def status(self) -> Mapping[str, object]:
        """How the hub does, all workers together: what `hub status --json` prints.

        Among it `sessions`, `generation`, `queue` (`rows`, `age`), `store`, `dependencies`, and `plugins`:
        name → in how many workers its breaker is open, how many threads hang, how many facts were dropped.
        It costs a look at the store. RuntimeError if nobody answers.
        """

    async def install_certificate(
        self, name: str, chain_pem: bytes, key_pem: bytes, *, alpn: str | None = None
    ) -> None:
        """Serve a certificate from now on, in place of what was installed under this name before.

        It is kept in `<data>/certificates/<name>/` and served, in every listener, to clients that ask for
        one of its own names (`name` is only what it is called here); what the configuration names goes
        first. When this returns this worker serves it and it is durable; the others follow within a second.
        alpn: `acme-tls/1` for the answer to a challenge (RFC 8737 §3), which is served only to who offers
        that protocol for `name`, in all workers at once, and to nobody else. ValueError, with nothing
        changed, if chain and key cannot be used; its text names the file and says why.
        """

    async def remove_certificate(self, name: str, *, alpn: str | None = None) -> None:
        """Serve what was installed under this name no more; nothing happens if nothing was."""

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for an awaitable from a plain `def`, which runs in a thread.

        RuntimeError on the event loop.
        """

    async def tables(self, metadata: object) -> Tables:
        """The plugin's own tables (an `sqlalchemy.MetaData`) in the hub's database.

        They are made and changed by the Alembic branch in the plugin's `migrations/` folder, which `hub db`
        runs too.
        """
