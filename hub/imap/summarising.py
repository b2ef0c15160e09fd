"""Summaries of new mail, made after its delivery when the hub has time, and of old mail that somebody has
missed them of.

    the change log ─► one worker of all, batch by batch ─┐
    `Kernel.wanted`, what FETCH has missed ─► each worker ─┴─► blobs ─► summaries ─► kept beside the items

It goes on the event loop, a message between two turns of it: a thread would fight the loop for Python's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from hub.dispatch.failure import reason
from hub.imap.contents import SMALL
from hub.imap.conversations import thread_keys
from hub.imap.sets import compress, merge
from hub.imap.summaries import make_summary
from hub.loading.follower import Follower
from hub.loading.kernel import Kernel
from hub.loading.lease import Lease
from hub.log import get_logger
from hub.mail.structure import Structure
from hub.services.log import ChangeKind, LogEntry
from hub.services.storage import Item, MailboxMissing
from hub.services.stored import item_blob
from hub.services.summary import MessageColumn, Summary

NAME: Final = "summaries"
BATCH: Final = 200
"""Messages that are read, and whose summaries are kept, together."""
GATHERING: Final = 0.25
"""Seconds in which changes gather, so that not each is followed by a commit that says it was looked at."""
REST: Final = 0.005
"""Seconds of rest for each message, at most: summaries then take a few percent of a core."""
REST_FOR_NEWS: Final = 0.02
"""The same for each time that mail has come meanwhile: who brings much at once leaves time between."""

PATIENCE: Final = 4
"""How often a client that lists what has no summary yet is waited for, before the next messages are made."""

_ADDING: Final = frozenset((ChangeKind.DELIVERED, ChangeKind.APPENDED))

_log = get_logger(area="imap")


class Summarising:
    """One per process, from `start` to `close`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._services = kernel.services
        self._news = 0  # how often mail has come since this was last looked at
        self._heard = False  # anything has been written to the log since then
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow the log, wherever the hub got to before."""
        services, loop = self._services, asyncio.get_running_loop()
        kv = services.storage.kv("hub")
        follower = Follower(services.storage, kv, NAME, self._follow, services.clock, _log)
        lease = Lease(kv, f"follow/{NAME}", services.clock, _log)
        self._unwatch = services.storage.watch(self._hear)
        self._tasks = [
            loop.create_task(lease.guard(follower.run), name="summaries of new mail"),
            loop.create_task(self._run(), name="summaries that are wanted"),
        ]

    async def close(self) -> None:
        """What was not kept is made again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            self._unwatch()
            await asyncio.wait(self._tasks)

    async def make_wanted(self) -> None:
        """All that was missed so far."""
        while (found := self._kernel.wanted.take()) is not None:
            mailbox, uids = found
            for start in range(0, len(uids), BATCH):
                await self._make(mailbox, compress(uids[start : start + BATCH]))

    async def _run(self) -> None:
        while True:
            await self._kernel.wanted.news.wait()
            await self._let_list()
            try:
                await self.make_wanted()
            except Exception as error:
                _log.error("summaries cannot be made", reason=reason(error))

    def _hear(self, entries: Sequence[LogEntry]) -> None:
        self._heard = True
        self._news += sum(entry.kind in _ADDING for entry in entries)

    async def _follow(self, entries: Sequence[LogEntry]) -> None:
        """Summaries of what these entries have added and is still there."""
        added: dict[int, list[tuple[int, int]]] = {}
        if self._heard:
            self._heard, self._news = False, 0
            await self._services.clock.sleep(GATHERING)
        for entry in entries:
            if entry.kind in _ADDING and entry.collection is not None:
                added.setdefault(entry.collection, []).append((entry.first_uid, entry.last_uid))
        for mailbox, ranges in added.items():
            for first, last in merge(ranges):
                for start in range(first, last + 1, BATCH):
                    await self._make(mailbox, [(start, min(start + BATCH - 1, last))])

    async def _make(self, mailbox: int, uids: Sequence[tuple[int, int]]) -> None:
        """Make and keep those of these messages that have none yet."""
        wanted = (MessageColumn.SUBJECT, MessageColumn.PREVIEW)
        rows = await self._services.storage.columns(mailbox, uids, wanted)
        lacking = [uid for uid, *made in rows if None in made]
        if not lacking:
            return
        items = await self._services.storage.items(mailbox, compress(lacking))
        made = await self._made(mailbox, items)
        with suppress(MailboxMissing):  # it may have been deleted meanwhile
            await self._services.storage.keep_summaries(mailbox, made)
            await self._services.storage.join_threads(mailbox, [*_thread_keys(items, made)])
        await self._give_way(len(made))

    async def _give_way(self, made: int) -> None:
        """Mail that comes in goes first."""
        news, self._news = self._news, 0
        if news:
            await self._services.clock.sleep(min(REST_FOR_NEWS * news, REST * made))

    async def _let_list(self) -> None:
        """The client that has missed some still reads, and would wait for each that is made meanwhile."""
        for _ in range(PATIENCE):
            missed = self._kernel.wanted.missed
            await self._services.clock.sleep(GATHERING)
            if missed == self._kernel.wanted.missed:
                return

    async def _made(self, mailbox: int, items: Sequence[Item]) -> Mapping[int, Summary]:
        """By UID; without those that cannot be read, which is told to who asks for them."""
        wanted = self._kernel.wanted
        missed, has_waited = wanted.missed, False
        small = [item for item in items if item.size <= SMALL]
        read = await self._services.blobs.read_many([(item.blob, None) for item in small])
        octets: dict[int, object] = {item.uid: each for item, each in zip(small, read, strict=True)}
        made: dict[int, Summary] = {}
        for item in items:
            if missed != wanted.missed and not has_waited:
                await self._let_list()
                has_waited = True
            data = octets.get(item.uid)
            try:
                if not isinstance(data, bytes):  # large, or moved meanwhile
                    data = await item_blob(self._services.storage, self._services.blobs, mailbox, item).read()
            except LookupError:
                continue
            summarise = partial(_summarise, item, data)
            made[item.uid] = summarise() if len(data) <= SMALL else await asyncio.to_thread(summarise)
            await asyncio.sleep(0)
        return made


def _thread_keys(items: Sequence[Item], made: Mapping[int, Summary]) -> Iterator[Sequence[int]]:
    for item in items:
        if summary := made.get(item.uid):
            keys = summary.heading.keys
            yield thread_keys(item.message_id, keys.message_id, keys.references)


def _summarise(item: Item, data: bytes) -> Summary:
    return make_summary(item.lines, data[: item.head_size], data, Structure(data))
