"""A mailbox under a search: its columns, as far as they are asked for, and the messages behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from hub.imap.columns import Values, column_cache
from hub.imap.conversations import thread_ids
from hub.imap.criteria import Indexes, Leaf, Level, Node, leaves, rewritten, split
from hub.imap.fuzzy import Loose, scores
from hub.imap.keys import in_thread
from hub.imap.narrowing import narrowed
from hub.imap.session import ImapSession
from hub.imap.sets import GAP, compress
from hub.imap.view import View
from hub.log import get_logger
from hub.mail.relevance import Occurrences
from hub.mail.searchtext import SearchText, listed_fields
from hub.mail.sortkeys import SortKeys, sort_keys
from hub.services.blobs import BlobGone
from hub.services.stored import StoredBlob
from hub.services.summary import MessageColumn, Row

_log = get_logger(area="imap")

_Said: TypeAlias = tuple[int, SearchText]
"""A UID and what the message says."""

ROWS: Final = 10_000
"""Messages of which columns are read at once."""
BATCH: Final = 64
"""Messages that go to a reader thread together."""
BATCH_OCTETS: Final = 1 << 20
FEW: Final = 8
"""Messages that are read sooner than an index has said anything of them."""
TESTS: Final = 200_000
"""Tests of one message each that may pass before other sessions have their turn."""

_WHERE: Final = (MessageColumn.LINES, MessageColumn.HEAD_SIZE, MessageColumn.SIZE, MessageColumn.BLOB)
_LINES, _HEAD_SIZE, _SIZE, _BLOB = range(1, 5)
_FROM_KEYS: Final[Mapping[MessageColumn, Callable[[SortKeys], Any]]] = MappingProxyType(
    {
        MessageColumn.SUBJECT: lambda keys: keys.subject,
        MessageColumn.IS_REPLY: lambda keys: keys.is_reply,
        MessageColumn.SENDER: lambda keys: keys.sender,
        MessageColumn.TO: lambda keys: keys.to,
        MessageColumn.CC: lambda keys: keys.cc,
        MessageColumn.SENDER_NAME: lambda keys: keys.sender_name,
        MessageColumn.TO_NAME: lambda keys: keys.to_name,
        MessageColumn.SENT: lambda keys: keys.sent and keys.sent.seconds,
        MessageColumn.SENT_DAY: lambda keys: keys.sent and keys.sent.day,
        MessageColumn.HEADER_ID: lambda keys: keys.message_id,
        MessageColumn.REFERENCES: lambda keys: b"\n".join(keys.references),
    }
)
_FROM_HEAD: Final = frozenset((*_FROM_KEYS, MessageColumn.FIELDS))
_MAY_LACK: Final = frozenset((MessageColumn.SENT, MessageColumn.SENT_DAY))
"""Columns that a message may not have although they were made."""


@dataclass(slots=True)
class Searched:
    """Messages by their index, as the client knows them.

    gone: those that turned out to be expunged, which match nothing.
    """

    session: ImapSession
    mailbox: int
    uids: Sequence[int]
    flags: Sequence[frozenset[str]]
    modseqs: Sequence[int]
    gone: set[int] = field(default_factory=set)
    _text: SearchText | None = None
    _held: dict[MessageColumn, Values] = field(default_factory=dict)
    _said: dict[Loose, dict[int, Occurrences]] = field(default_factory=dict)

    # -- what criteria ask -------------------------------------------------------------------------

    @property
    def text(self) -> SearchText:
        """The message that is asked about, from Level.HEAD on."""
        assert self._text is not None
        return self._text

    def column(self, column: MessageColumn) -> dict[int, Any]:
        """What was loaded, by UID; kept here, for the cache may forget it while others search."""
        held = self._held.get(column)
        if held is None:
            held = self._held[column] = column_cache(self.session.kernel).values(self.mailbox, column)
        return held

    def said(self, loose: Loose) -> dict[int, Occurrences]:
        """How often messages say what FUZZY looks for, by UID."""
        return self._said.setdefault(loose, {})

    async def relevancy(self, indexes: Sequence[int]) -> list[int]:
        """The scores of messages that were found (RFC 6203 §4)."""
        uids = [self.uids[at] for at in indexes]
        return await asyncio.to_thread(scores, self._said, uids, len(self.uids))

    # -- columns -----------------------------------------------------------------------------------

    async def load(self, columns: Iterable[MessageColumn], among: Indexes) -> Indexes:
        """Have these columns of these messages; those of them that are there."""
        wanted = sorted(set(columns), key=lambda column: column.value)
        if not wanted or not among:
            return among
        uids, tables = self.uids, [self.column(column) for column in wanted]
        asked = set(uids) if len(among) == len(uids) else {uids[at] for at in among}
        missing = sorted(set[int]().union(*[asked.difference(table) for table in tables]))
        for start in range(0, len(missing), ROWS):
            await self._load(wanted, missing[start : start + ROWS])
            await self.session.out.flow()
        if missing:
            if unknown := set[int]().union(*[asked.difference(table) for table in tables]):
                lost = {at for at in among if uids[at] in unknown}
                self.gone |= lost
                among = among - lost
            column_cache(self.session.kernel).trim(self.mailbox, len(uids))
        return among

    async def _load(self, wanted: Sequence[MessageColumn], uids: Sequence[int]) -> None:
        """From the index, and from header blocks what is not made yet or was too long to be kept."""
        made = [column for column in wanted if column in _FROM_HEAD]
        columns = list(wanted)
        telling = [column for column in made if column not in _MAY_LACK]
        if made and not telling:
            telling = [MessageColumn.SUBJECT]
            columns += telling
        rows = await self._rows(uids, columns)
        late = {row[0] for place in map(columns.index, telling) for row in rows if row[place + 1] is None}
        if late:
            self.session.kernel.wanted.add(self.mailbox, late)
        for place, column in enumerate(wanted, 1):
            there = [row for row in rows if row[0] not in late] if late and column in made else rows
            self.column(column).update({row[0]: row[place] for row in there})
        if late:
            await self._make(made, late)

    async def _rows(self, uids: Sequence[int], columns: Sequence[MessageColumn]) -> Sequence[Row]:
        """Of these UIDs, ascending, as far as they are there."""
        rows = await self.session.storage.columns(self.mailbox, compress(uids, GAP), columns)
        wanted = set(uids)
        return [row for row in rows if row[0] in wanted]

    async def _make(self, columns: Sequence[MessageColumn], uids: AbstractSet[int]) -> None:
        async for batch in self._messages(sorted(uids), Level.HEAD):
            made = await asyncio.to_thread(_made, columns, batch)
            for column, values in made.items():
                self.column(column).update(values)
            await self.session.out.flow()

    # -- messages ----------------------------------------------------------------------------------

    async def _messages(self, uids: Sequence[int], level: Level) -> AsyncIterator[list[_Said]]:
        """A batch at a time. What cannot be read is logged and left out."""
        for start in range(0, len(uids), ROWS):
            rows = await self._rows(uids[start : start + ROWS], _WHERE)
            sizes = [row[_SIZE] if level is Level.BODY else row[_HEAD_SIZE] for row in rows]
            for first, last in _batches(sizes):
                yield await self._read(rows[first:last], level)

    async def _read(self, rows: Sequence[Row], level: Level) -> list[_Said]:
        wanted = [(row[_BLOB], None if level is Level.BODY else row[_HEAD_SIZE]) for row in rows]
        read = await self.session.kernel.services.blobs.read_many(wanted)
        found: list[_Said] = []
        for row, (_, length), first in zip(rows, wanted, read, strict=True):
            data = await self._read_again(row, length) if isinstance(first, BlobGone) else first
            if data is not None:
                head = row[_LINES] + data[: row[_HEAD_SIZE]]
                body = data[row[_HEAD_SIZE] :] if level is Level.BODY else None
                found.append((row[0], SearchText(head, body)))
        return found

    async def _read_again(self, row: Row, length: int | None) -> bytes | None:
        """What may have been moved since its row was read."""

        async def look() -> str | None:
            items = await self.session.storage.items(self.mailbox, [(row[0], row[0])])
            return next((item.blob for item in items), None)

        try:
            return await StoredBlob(self.session.kernel.services.blobs, row[_BLOB], look).read(0, length)
        except BlobGone:
            _log.error("a message cannot be read", blob=row[_BLOB], exc_info=True)
            return None

    # -- the search --------------------------------------------------------------------------------

    async def find(self, criteria: Node, among: Indexes | None = None) -> set[int]:
        """The indexes of the messages that match. among: the only ones that are asked about."""
        asked = frozenset(range(len(self.uids))) if among is None else among
        if any(leaf.thread for leaf in leaves(criteria)):
            criteria = await self._threaded(criteria, sorted(asked))
        if (search := self.session.kernel.services.search) is not None and len(asked) > FEW:
            criteria = await narrowed(criteria, search, self.mailbox)
        tests = list(leaves(criteria))
        step = max(BATCH, TESTS // (len(tests) + 1))
        found, rest = set[int](), asked
        if not tests or any(leaf.level is Level.STATE for leaf in tests):
            found, rest = await self._split(criteria, asked, Level.STATE, step)
        if rest:
            rest = await self.load([column for leaf in tests for column in leaf.columns], rest)
            more, rest = await self._split(criteria, rest, Level.ROW, step)
            found |= more
        for level in (Level.HEAD, Level.BODY):
            if rest and any(leaf.level is level for leaf in tests):
                more, rest = await self._read_on(criteria, rest, level)
                found |= more
        return found

    async def _threaded(self, criteria: Node, asked: Sequence[int]) -> Node:
        """The same criteria, in which it is known which of these messages the threads have."""
        services, members = self.session.kernel.services, dict[bytes, set[int]]()
        for start in range(0, len(asked), ROWS):
            uids = [self.uids[at] for at in asked[start : start + ROWS]]
            threads = await thread_ids(services.storage, services.blobs, self.mailbox, uids)
            for uid, thread in threads.items():
                members.setdefault(thread, set()).add(uid)
            await self.session.out.flow()

        def change(leaf: Leaf) -> Node:
            return in_thread(members.get(leaf.thread, set())) if leaf.thread else leaf

        return rewritten(criteria, change)

    async def _split(
        self, criteria: Node, among: Indexes, level: Level, step: int
    ) -> tuple[set[int], Indexes]:
        found: set[int] = set()
        unknown: set[int] = set()
        for part in _parts(among, step):
            yes, rest = split(criteria, self, part, level)
            found |= yes
            unknown |= rest
            await self.session.out.flow()
        return found, unknown

    async def _read_on(self, criteria: Node, among: Indexes, level: Level) -> tuple[set[int], Indexes]:
        """Ask about messages one by one, in a reader thread."""
        places = {self.uids[at]: at for at in sorted(among)}
        found: set[int] = set()
        unknown: set[int] = set()
        seen: set[int] = set()
        async for batch in self._messages(list(places), level):
            decided = await asyncio.to_thread(self._decide, criteria, places, batch, level)
            for at, is_match in decided:
                seen.add(at)
                if is_match is None:
                    unknown.add(at)
                elif is_match:
                    found.add(at)
            await self.session.out.flow()
        self.gone |= among - seen
        return found, unknown

    def _decide(
        self,
        criteria: Node,
        places: Mapping[int, int],
        batch: Sequence[_Said],
        level: Level,
    ) -> list[tuple[int, bool | None]]:
        decided: list[tuple[int, bool | None]] = []
        for uid, self._text in batch:
            at = places[uid]
            yes, unknown = split(criteria, self, frozenset((at,)), level)
            decided.append((at, None if unknown else bool(yes)))
        return decided


def searched(session: ImapSession, view: View) -> Searched:
    """The selected mailbox."""
    return Searched(session, view.id, view.uids, view.flags, view.modseqs)


def _parts(among: Indexes, step: int) -> Iterator[Indexes]:
    if len(among) <= step:
        yield among
        return
    ordered = sorted(among)
    for start in range(0, len(ordered), step):
        yield frozenset(ordered[start : start + step])


def _batches(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of what is read together. sizes: octets of each message."""
    start = octets = 0
    for at, size in enumerate(sizes):
        if at > start and (at - start == BATCH or octets + size > BATCH_OCTETS):
            yield start, at
            start, octets = at, 0
        octets += size
    if start < len(sizes):
        yield start, len(sizes)


def _made(columns: Sequence[MessageColumn], batch: Sequence[_Said]) -> dict[MessageColumn, dict[int, Any]]:
    made: dict[MessageColumn, dict[int, Any]] = {column: {} for column in columns}
    with_keys = any(column in _FROM_KEYS for column in columns)
    for uid, text in batch:
        headers = text.headers
        keys = sort_keys(headers) if with_keys else None
        for column in columns:
            if column is MessageColumn.FIELDS:
                made[column][uid] = listed_fields(headers)
            elif keys is not None:
                made[column][uid] = _FROM_KEYS[column](keys)
    return made
