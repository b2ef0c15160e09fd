"""What APPEND and its like read: messages one after the other, made durable as they come."""

from __future__ import annotations

import re
from dataclasses import replace
from types import TracebackType
from typing import Self

import orjson

from hub.delivery.accept import Content
from hub.hooks.imap import imap_append
from hub.imap.batch import Batch
from hub.imap.catenate import MAX_PIECES, resolve
from hub.imap.input import LineTooLong
from hub.imap.intake import Intake, as_message
from hub.imap.literals import collect_one, discard, invite
from hub.imap.place import Place
from hub.imap.replies import OVER_QUOTA, UNREADABLE, Refused, bad, no, refusal
from hub.imap.rights import permitted
from hub.imap.session import ImapSession
from hub.imap.tokens import LITERAL, Reader
from hub.mail.ident import new_id
from hub.mail.verdict import Defer, Reject
from hub.services.blobs import BlobGone
from hub.services.directory import Account, has_room, is_limited
from hub.services.storage import NewItem, Usage

_EXTENSION = re.compile(rb"CATENATE|UTF8", re.IGNORECASE)


class Upload:
    """One command that brings messages; whatever it leaves by, the rest of it has been read over.

    reader: where the line that came last has been read up to; a literal at its end was not read yet.
    batch: what has come so far. Leave it after the commit: until then no blob of its is garbage.
    """

    __slots__ = ("_limits", "_target", "batch", "reader", "session")

    def __init__(self, session: ImapSession, reader: Reader) -> None:
        self.session = session
        self.reader = reader
        self.batch = Batch(session.kernel.services.blobs, session.kernel.budget)
        self._limits: tuple[Account, Usage] | None = None
        self._target: Place | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, Exception):
            self.batch.abandon()
            return  # what was only cancelled may still be committed
        await self.batch.end()
        for item in self.batch.items:
            self.session.kernel.services.blobs.settle(item.blob)
        if error is not None and not isinstance(error, LineTooLong | ConnectionResetError):
            await discard(self.session, self.reader.line)

    async def open(self, target: Place) -> None:
        """The messages go there: find out how much room its owner has."""
        self._target = target
        account = await self.session.kernel.services.directory.account_of(target.account)
        if account is not None and is_limited(account):
            self._limits = account, await self.session.storage.usage(target.account)

    async def message(self) -> None:
        """Read flags, date and message; the last one of the command, and with it all, is durable when this
        returns. Refused, StoreFull, OSError."""
        assert self._target is not None
        reader, rights = self.reader, self._target.rights
        flags: frozenset[str] = frozenset()
        if reader.peek() == b"(":
            flags = permitted(reader.flags(), rights)
            reader.space()
        date = int(self.session.kernel.services.clock.time())
        if reader.peek() == b'"':
            date = reader.date_time()
            reader.space()
        await self.session.kernel.budget.room()
        intake = Intake(self.session)
        try:
            await self._octets(intake)
            content = await intake.content()
            await self._ask(content, flags)
            await self._keep(content, date, flags)
        except BlobGone:
            raise Refused(UNREADABLE) from None
        finally:
            await intake.close()

    # -- the octets of one message -----------------------------------------------------------------

    async def _octets(self, intake: Intake) -> None:
        reader = self.reader
        found = _EXTENSION.match(reader.line, reader.at)
        if found is None:
            await self._literal(intake)
        else:
            reader.at = found.end()
            reader.space()
            await (self._catenate if found[0].upper() == b"CATENATE" else self._utf8)(intake)
        if not intake.size:
            raise no(b"A message has at least one octet")

    async def _utf8(self, intake: Intake) -> None:
        """RFC 6855 §4."""
        self.reader.expect(b"(", "a binary literal in parentheses, such as UTF8 (~{310}")
        await self._literal(intake)
        self.reader.expect(b")", ") behind the literal of UTF8")

    async def _catenate(self, intake: Intake) -> None:
        self.reader.expect(b"(", "parts in parentheses, such as CATENATE (URL /INBOX/;UID=20 TEXT {42}")
        for _ in range(MAX_PIECES):
            kind = self.reader.word("URL or TEXT")
            self.reader.space()
            if kind == b"TEXT":
                await self._literal(intake, least=0)
            elif kind == b"URL":
                if self.reader.at_literal():
                    self.reader = await collect_one(self.session, self.reader)
                url = self.reader.astring("a URL")
                await intake.take(await resolve(self.session, url))
                self._check_room(intake.size)
            else:
                raise bad("CATENATE takes URL and TEXT")
            intake.check()
            if self.reader.take(b")"):
                return
            self.reader.space()
        raise bad(f"CATENATE takes {MAX_PIECES} parts at most")

    async def _literal(self, intake: Intake, *, least: int = 1) -> None:
        binary = self.reader.peek() == b"~"
        found = self.reader.match(LITERAL, "a literal with the message, such as {310}")
        size = int(found[1])
        if size < least:
            raise no(b"A message has at least one octet")
        intake.expect(size, binary=binary)
        self._check_room(intake.size + size)
        if not found[2]:
            invite(self.session)
        # From here on the literal is read whatever happens, and with it the line behind it.
        await intake.take(self.session.input.chunks(size))
        self.reader = Reader([await self.session.input.line()], [], utf8=self.session.utf8)

    def _check_room(self, size: int) -> None:
        if self._limits is None:
            return
        if not has_room(*self._limits, self.batch.size + size, len(self.batch) + 1):
            raise Refused(OVER_QUOTA)

    # -- the message as a whole --------------------------------------------------------------------

    async def _ask(self, content: Content, flags: frozenset[str]) -> None:
        """Refused if a plugin does not want the message."""
        plan = self.session.pin.first(imap_append)
        if not plan:
            return
        assert self._target is not None
        verdict = await plan(
            self.session.trace,
            session=self.session,
            account=self._target.account,
            mailbox=self._target.mailbox.name,
            flags=flags,
            message=await as_message(content),
        )
        if isinstance(verdict, Reject | Defer):
            raise Refused(refusal(verdict))

    async def _keep(self, content: Content, date: int, flags: frozenset[str]) -> None:
        head, body = content.head, content.body
        item = NewItem(new_id(), "", len(head), content.size, date, flags)
        recovery = self._recovery(item.id, date, flags)
        if isinstance(body, bytes):
            await self.batch.put(item, head, body, recovery, is_last=self.reader.at_end())
        else:
            await self.batch.sync()
            self.batch.items.append(replace(item, blob=await body.keep(head, recovery)))

    def _recovery(self, message_id: str, date: int, flags: frozenset[str]) -> bytes:
        """What an index needs to be made anew out of the blobs, in the shape that deliveries have."""
        assert self._target is not None
        account = self._target.account
        return orjson.dumps(
            {
                "id": message_id,
                "received_at": date,
                "reverse_path": None,
                "deliveries": [[account.tenant, account.key, self._target.mailbox.name, ""]],
                "flags": sorted(flags),
                "queue": [],
                "sender": None,
            }
        )
