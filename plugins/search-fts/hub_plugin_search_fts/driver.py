"""The driver: a follower that indexes, and the question that the index answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection

from hub import (
    AccountRef,
    BlobGone,
    ChangeKind,
    Counted,
    LogEntry,
    Mailbox,
    Narrowed,
    Plugin,
    SearchText,
    StoredMessage,
    Tables,
    folded,
)
from hub_plugin_search_fts import tables
from hub_plugin_search_fts.tables import GRAM, METADATA, Part

LARGEST: Final = 8 << 20
"""Octets of a message that is indexed; a larger one is always read."""
MOST_TEXT: Final = 1 << 20
"""Characters of a message that are indexed; one that says more is always read."""
BATCH: Final = 32
BATCH_TEXT: Final = 256 << 10
"""What is written in one change, which keeps all others from writing for a moment."""
_CAME: Final = (ChangeKind.DELIVERED, ChangeKind.APPENDED)


class _Overtaken(Exception):
    """Somebody else has indexed the mailbox meanwhile, or has begun to do so anew."""


class _Batch:
    """What is to be written, and how far each mailbox is indexed with it."""

    def __init__(self, store: Tables, done: dict[int, int]) -> None:
        self._tables = store
        self._done = done
        self._parts: dict[int, Part] = {}
        self._count = self._size = 0

    def done(self, mailbox: int) -> int:
        """Up to which UID."""
        part = self._parts.get(mailbox)
        return self._done.get(mailbox, 0) if part is None else part.upto

    async def reach(self, mailbox: int, uid: int) -> None:
        """There is no other message up to this UID."""
        done = self.done(mailbox)
        if uid > done:
            self._parts.setdefault(mailbox, Part(mailbox, done, done)).upto = uid
        if self._count >= BATCH or self._size >= BATCH_TEXT or len(self._parts) >= BATCH:
            await self.write()

    async def add(self, mailbox: int, uid: int, text: str | None) -> None:
        """The next message of a mailbox."""
        done = self.done(mailbox)
        self._parts.setdefault(mailbox, Part(mailbox, done, done)).texts[uid] = text
        self._count += 1
        self._size += len(text or "")
        await self.reach(mailbox, uid)

    async def write(self) -> None:
        """_Overtaken."""
        parts, self._parts = list(self._parts.values()), {}
        self._count = self._size = 0
        if parts and not await self._tables.write(lambda db: tables.add(db, parts)):
            raise _Overtaken
        self._done |= {part.mailbox: part.upto for part in parts}


class FtsSearch:
    """`hub.Search` over tables in the hub's database; one worker at a time follows the log."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    async def __aenter__(self) -> Self:
        self._tables: Tables = await self._plugin.tables(METADATA)
        self._plugin.follow("index", self.collect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The scope ends the follower."""

    async def narrow(self, mailbox: int, needle: bytes) -> Narrowed | None:
        """Messages with all trigrams of the needle."""
        wanted = folded(needle)
        if len(wanted) < GRAM:
            return None
        found, upto = await self._tables.read(lambda db: tables.find(db, mailbox, wanted))
        return Narrowed(frozenset(found), upto)

    async def count(self, mailbox: int, words: Sequence[str]) -> Counted | None:
        """How often messages say each of the words."""
        if not words or min(map(len, words)) < GRAM:
            return None

        def work(db: Connection) -> Counted:
            upto = tables.indexed(db, [mailbox]).get(mailbox, 0)
            return Counted(tables.count(db, mailbox, words), frozenset(tables.untold(db, mailbox)), upto)

        return await self._tables.read(work)

    async def indexed(self, mailboxes: Sequence[int]) -> Mapping[int, int]:
        """Up to which UID each is indexed."""
        return await self._tables.read(lambda db: tables.indexed(db, mailboxes))

    async def reindex(self, account: AccountRef, mailbox: Mailbox) -> None:
        """From its first message on; a follower that goes on meanwhile does the same work."""
        await self._tables.write(lambda db: tables.forget(db, mailbox.id))
        last = mailbox.uidnext - 1
        if last:
            came = LogEntry(0, account, 0, ChangeKind.APPENDED, mailbox.id, mailbox.name, 1, last, None)
            await self.collect([came])

    async def collect(self, entries: Sequence[LogEntry]) -> None:
        """Index what came, forget what went. What was done before it is killed is not done again."""
        while True:
            try:
                return await self._collect(entries)
            except _Overtaken:
                continue

    async def _collect(self, entries: Sequence[LogEntry]) -> None:
        mailboxes = {entry.collection for entry in entries if entry.collection is not None}
        batch = _Batch(self._tables, await self._tables.read(lambda db: tables.indexed(db, mailboxes)))
        for entry in entries:
            if entry.collection is None:
                continue
            if entry.kind in _CAME:
                await self._index(entry, entry.collection, batch)
            elif entry.kind is ChangeKind.EXPUNGED:
                await batch.write()
                span = (entry.collection, entry.first_uid, entry.last_uid)
                while await self._tables.write(partial(_remove, span)):
                    pass
            elif entry.kind is ChangeKind.DELETED:
                await batch.write()
                await self._tables.write(partial(_forget, entry.collection))
        await batch.write()

    async def _index(self, entry: LogEntry, mailbox: int, batch: _Batch) -> None:
        """All that is not indexed yet, up to what the entry tells of."""
        done = batch.done(mailbox)
        if entry.last_uid <= done:
            return
        missing = LogEntry(
            0, entry.account, 0, entry.kind, mailbox, entry.name, done + 1, entry.last_uid, None
        )
        async for message in self._plugin.messages(missing):
            await batch.add(mailbox, message.item.uid, await _text(message))
        await batch.reach(mailbox, entry.last_uid)


def _remove(span: tuple[int, int, int], db: Connection) -> bool:
    return tables.remove(db, *span, BATCH)


def _forget(mailbox: int, db: Connection) -> None:
    tables.forget(db, mailbox)


async def _text(message: StoredMessage) -> str | None:
    """What it says; None if that cannot be told."""
    try:
        data = await message.bytes(LARGEST)
    except (BlobGone, ValueError):
        return None
    head = len(message.headers.block)
    said = await asyncio.to_thread(SearchText(data[:head], data[head:]).everything)
    text = folded(said)
    return text if len(text) <= MOST_TEXT else None
