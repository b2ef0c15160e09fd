"""One IMAP connection as commands and hooks see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hub.config.tables.listeners import Listener
from hub.hooks.imap import mailbox_changed
from hub.hooks.session import TlsInfo
from hub.imap.enabled import Enabled
from hub.imap.input import MAX_LINE, MAX_LINE_BEFORE_LOGIN, Input
from hub.imap.mirror import Mirrors
from hub.imap.names import encode_name
from hub.imap.output import Output
from hub.imap.render import astring, quoted
from hub.imap.view import View
from hub.loading.generation import Pin
from hub.loading.kernel import Kernel
from hub.mail.ident import new_id
from hub.mail.login import AccountRef, Identity
from hub.mail.stash import Stash
from hub.mail.structure import Structure
from hub.sasl.mechanisms import is_loopback
from hub.services.log import ChangeKind, LogEntry
from hub.services.storage import Storage
from hub.trace.record import Trace

if TYPE_CHECKING:
    from hub.imap.annotated import Annotated
    from hub.imap.events import Notification

_STRUCTURES: Final = 8
_UTF8: Final = frozenset((Enabled.UTF8, Enabled.IMAP4REV2))
PROGRESS_EVERY: Final = 5.0
"""Seconds between two words on how far a command has got (RFC 9585)."""


class ImapSession:
    """From accept to close. It is the `Session` of hooks; the rest is for the commands of this package.

    view: the selected mailbox; pin: the generation of the command under way; tag: of that command; idling:
    the tag of an IDLE that has begun; enabled: what the client has asked for; ending: the connection is
    closed after this command; failures: commands that failed before login.
    """

    __slots__ = (
        "_pin",
        "_progress_at",
        "_structures",
        "annotated",
        "enabled",
        "ending",
        "failures",
        "id",
        "identity",
        "idling",
        "input",
        "kernel",
        "listener",
        "local",
        "mirrors",
        "notification",
        "out",
        "peer",
        "protocol",
        "settings",
        "start_tls",
        "starttls_offered",
        "stash",
        "tag",
        "tls",
        "trace",
        "view",
        "wakened",
    )  # fmt: skip

    def __init__(self, kernel: Kernel, listener: str, protocol: str, mirrors: Mirrors) -> None:
        self.id = new_id()
        self.kernel = kernel
        self.listener = listener
        self.protocol = protocol
        self.mirrors = mirrors
        self.peer = ("", 0)
        self.local = ("", 0)
        self.tls: TlsInfo | None = None
        self.identity: Identity | None = None
        self.stash = Stash()
        self.trace = Trace(self.id, listener=listener)
        self.input = Input()
        self.out = Output()
        self.view: View | None = None
        self.idling: bytes | None = None
        self.enabled: set[Enabled] = set()
        self.notification: Notification | None = None
        self.annotated: Annotated | None = None
        self.ending = False
        self.tag = b""
        self.failures = 0
        self.settings: Listener | None = None
        self.starttls_offered = False
        self.start_tls: Callable[[], Awaitable[None]] | None = None
        self.wakened: Callable[[], None] | None = None
        self._pin: Pin | None = None
        self._progress_at = 0.0
        self._structures: dict[str, Structure] = {}

    @property
    def greeting(self) -> str | None:
        """IMAP clients do not greet."""
        return None

    @property
    def peer_name(self) -> str | None:
        """Nobody has said it."""
        return None

    @property
    def account(self) -> AccountRef:
        """Whose mailboxes these are; only after login."""
        assert self.identity is not None
        return self.identity.account

    @property
    def mailbox(self) -> View:
        """The selected mailbox; only for commands that need one."""
        assert self.view is not None
        return self.view

    @property
    def storage(self) -> Storage:
        """The index."""
        return self.kernel.services.storage

    @property
    def plain_login_allowed(self) -> bool:
        """Whether a password may cross this connection: over TLS, or without leaving the machine."""
        return self.tls is not None or is_loopback(self.peer[0])

    @property
    def pin(self) -> Pin:
        """The generation that the command under way began with."""
        assert self._pin is not None
        return self._pin

    def pin_now(self) -> None:
        """A command begins."""
        self._pin = self.kernel.generations.pin()
        self._progress_at = asyncio.get_running_loop().time() + PROGRESS_EVERY

    def unpin(self) -> None:
        """The command is over."""
        if self._pin is not None:
            self._pin.release()
            self._pin = None

    @property
    def utf8(self) -> bool:
        """Whether names and quoted strings are UTF-8 for this client (RFC 6855 §3, RFC 9051 §5.1)."""
        return not _UTF8.isdisjoint(self.enabled)

    def name(self, name: str) -> bytes:
        """A mailbox name as it stands in responses to this client."""
        if self.utf8 and not name.isascii():
            return quoted(name.encode())
        return astring(name.encode() if self.utf8 else encode_name(name))

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Say now and then that the command is at work, where nobody knows how far it is (RFC 9585 §4)."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def tell() -> None:
            nonlocal timer
            if self.out.is_between:
                self._tell_progress(b"NIL NIL")
            timer = loop.call_later(PROGRESS_EVERY, tell)

        timer = loop.call_later(PROGRESS_EVERY, tell)
        try:
            yield
        finally:
            timer.cancel()

    async def progress(self, done: int, total: int) -> None:
        """Say how far the command has got, unless that was said a moment ago (RFC 9585 §4).

        Call it between the batches of what may take long, and between two responses, never within one.
        """
        now = asyncio.get_running_loop().time()
        if now < self._progress_at:
            return
        self._progress_at = now + PROGRESS_EVERY
        self._tell_progress(b"%d %d" % (done, total))
        await self.out.flow()

    def _tell_progress(self, progress: bytes) -> None:
        self.out.send(b'* OK [INPROGRESS ("%b" %b)] Still at work\r\n' % (self.tag, progress))
        self.out.flush()

    def log_in(self, identity: Identity) -> None:
        """Somebody is in: from now on their lines may be long."""
        self.identity = identity
        self.input.limit = MAX_LINE

    def log_out(self) -> None:
        """Nobody is in any more: nothing is left of who was, nor of what plugins have kept of them."""
        self.select(None)
        self.set_notification(None)
        self.forget_annotated()
        self.identity = None
        self.enabled.clear()
        self.failures = 0
        self.stash = Stash()
        self.input.limit = MAX_LINE_BEFORE_LOGIN

    def select(self, view: View | None) -> None:
        """Look at another mailbox, or at none, and no longer be told of the one before."""
        if self.view is not None:
            self.view.close()
        self.view = view
        self._structures.clear()

    def changed(
        self, mailbox: str, kind: ChangeKind, uids: Sequence[int] = (), account: AccountRef | None = None
    ) -> None:
        """Tell plugins, and oneself, that this session has changed a mailbox.

        mailbox: the name that its owner knows. account: the owner, None for this user.
        """
        account = account or self.account
        view = self.view
        is_selected = view is not None and (view.place.account, view.place.mailbox.name) == (account, mailbox)
        if view is not None and is_selected and kind is not ChangeKind.FLAGGED:  # of which it was told
            view.stale = True
        plan = self.pin.notify(mailbox_changed)
        if plan:
            plan(session=self, account=account, mailbox=mailbox, kind=kind, uids=tuple(uids))

    def changed_view(self, kind: ChangeKind, uids: Sequence[int]) -> None:
        """`changed` for the selected mailbox."""
        seen = self.mailbox.place
        self.changed(seen.mailbox.name, kind, uids, seen.account)

    def structure(self, blob: str) -> Structure | None:
        """The parts of a message that was looked at a moment ago: clients fetch part by part."""
        return self._structures.get(blob)

    def keep_structure(self, blob: str, structure: Structure) -> None:
        """Remember the parts of a message for the next command; the oldest is forgotten."""
        if len(self._structures) >= _STRUCTURES:
            del self._structures[next(iter(self._structures))]
        self._structures[blob] = structure

    def set_notification(self, notification: Notification | None) -> None:
        """What NOTIFY asks for, in place of what it has asked for before."""
        if self.notification is not None:
            self.notification.end()
        self.notification = notification

    def forget_annotated(self) -> None:
        """Know no longer of what others note down."""
        if self.annotated is not None:
            self.annotated.end()
            self.annotated = None

    def hear(self, entries: Sequence[LogEntry]) -> None:
        """What the log has told of what NOTIFY asks for."""
        if self.notification is not None:
            self.notification.hear(entries)
            self.notice()

    def notice(self) -> None:
        """Something has happened that the client may be told of now."""
        if self.wakened is not None:
            self.wakened()
