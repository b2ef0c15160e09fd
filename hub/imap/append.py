"""APPEND (RFC 3501 §6.3.11, RFC 4315): a message from the client, made durable before it is answered."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from hub.imap.command import Command, State
from hub.imap.literals import collect_one, discard, invite
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.replies import OVER_QUOTA, TRY_CREATE, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import LITERAL, Reader
from hub.mail.headers import split_head
from hub.mail.ident import new_id
from hub.services.blobs import Spool
from hub.services.log import ChangeKind
from hub.services.storage import MailboxMissing, NewItem

IN_MEMORY: Final = 256 << 10
MAX_HEAD: Final = 1 << 20
_BLANK_LINE = re.compile(rb"\n\r?\n|\A\r?\n")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A message whose octets are durable."""

    id: str
    blob: str
    head_size: int


@dataclass(frozen=True, slots=True)
class _Announced:
    """What stands before the message: the mailbox, flags, date, and how large the literal is."""

    mailbox: str
    flags: frozenset[str]
    internal_date: int
    size: int
    waits: bool


async def _append(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    if reader.peek() == b"{":
        reader = await collect_one(session, reader)
    try:
        announced = _announced(session, reader)
        target = await _target(session, announced)
    except Refused:
        await discard(session, reader.line)
        raise
    await session.kernel.budget.room()
    if announced.waits:
        invite(session)
    kept = await _keep(session, announced, target)
    item = NewItem(
        kept.id, kept.blob, kept.head_size, announced.size, announced.internal_date, announced.flags
    )
    blobs = session.kernel.services.blobs
    try:
        if await session.input.line():
            raise bad("Something is left behind the message")
        appended = await session.storage.append(
            target.account, target.mailbox.id, [item], viewer=target.viewer
        )
    except Exception as error:  # what was only cancelled may still be committed
        blobs.settle(kept.blob)
        if isinstance(error, MailboxMissing):
            raise Refused(TRY_CREATE) from None
        raise
    blobs.settle(kept.blob)
    session.trace.add("delivery", target.name, "appended", detail=f"{kept.id} uid {appended.uids[0]}")
    session.changed(target.mailbox.name, ChangeKind.APPENDED, appended.uids, target.account)
    return ok(b"Appended", b"APPENDUID %d %d" % (appended.uidvalidity, appended.uids[0]))


def _announced(session: ImapSession, reader: Reader) -> _Announced:
    name = reader.mailbox()
    reader.space()
    flags: frozenset[str] = frozenset()
    if reader.peek() == b"(":
        flags = reader.flags()
        reader.space()
    date = int(session.kernel.services.clock.time())
    if reader.peek() == b'"':
        date = reader.date_time()
        reader.space()
    found = reader.match(LITERAL, "a literal with the message, such as {310}")
    size = int(found[1])
    largest = session.kernel.settings.imap.max_literal
    if size > largest:
        raise no(b"The message has more than %d octets" % largest, b"TOOBIG")
    if not size:
        raise no(b"A message has at least one octet")
    return _Announced(name, flags, date, size, not found[2])


async def _target(session: ImapSession, announced: _Announced) -> Place:
    """The mailbox, if it is there and its owner's account has room."""
    found = await place(session, announced.mailbox, "i", missing=TRY_CREATE)
    account = await session.kernel.services.directory.account_of(found.account)
    if account is not None and account.quota is not None:
        usage = await session.storage.usage(found.account)
        if usage.size + announced.size > account.quota:
            raise Refused(OVER_QUOTA)
    return found


async def _keep(session: ImapSession, announced: _Announced, target: Place) -> _Kept:
    """Read the literal and make it durable. StoreFull, OSError: then it has been read all the same."""
    if announced.size > IN_MEMORY:
        return await _keep_large(session, announced, target)
    message_id = new_id()
    recovery = _recovery(target, announced, message_id)
    budget = session.kernel.budget
    budget.change(announced.size)
    try:
        data = await session.input.exactly(announced.size)
        head_size = split_head(data)
        blob = await session.kernel.services.blobs.put(data[:head_size], data[head_size:], recovery)
    finally:
        budget.change(-announced.size)
    return _Kept(message_id, blob, head_size)


async def _keep_large(session: ImapSession, announced: _Announced, target: Place) -> _Kept:
    """Let the body pass into a file of its own as it arrives."""
    message_id = new_id()
    start, head_size = bytearray(), 0
    spool: Spool | None = None
    failure: Exception | None = None
    try:
        async for chunk in session.input.chunks(announced.size):
            if failure is not None:
                continue  # the rest of the literal must be read before anything can be answered
            try:
                if spool is not None:
                    await spool.write(chunk)
                    continue
                start += chunk
                if found := _BLANK_LINE.search(start):
                    head_size = found.end()
                    spool = await session.kernel.services.blobs.spool()
                    await spool.write(bytes(start[head_size:]))
                elif len(start) > MAX_HEAD:
                    failure = no(b"The header of the message has more than %d octets" % MAX_HEAD, b"TOOBIG")
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure
        recovery = _recovery(target, announced, message_id)
        if spool is None:  # a header without a body
            head_size = len(start)
            blob = await session.kernel.services.blobs.put(bytes(start), b"", recovery)
        else:
            blob = await spool.keep(bytes(start[:head_size]), recovery)
    finally:
        if spool is not None:
            await spool.discard()
    return _Kept(message_id, blob, head_size)


def _recovery(target: Place, announced: _Announced, message_id: str) -> bytes:
    """What an index needs to be made anew out of the blobs, in the shape that deliveries have."""
    account = target.account
    return json.dumps(
        {
            "id": message_id,
            "received_at": announced.internal_date,
            "reverse_path": None,
            "deliveries": [[account.tenant, account.key, target.mailbox.name, ""]],
            "flags": sorted(announced.flags),
            "queue": [],
            "sender": None,
        },
        separators=(",", ":"),
    ).encode()


COMMANDS = (Command("APPEND", _append, State.AUTHENTICATED, streams=True),)
