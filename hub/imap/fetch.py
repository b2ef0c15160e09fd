"""FETCH and UID FETCH (RFC 9051 §6.4.5, §6.4.9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from hub.imap.attributes import Attribute, Kind, parse_attributes, with_modseq, with_uid, without_flags
from hub.imap.command import Command, State
from hub.imap.contents import SMALL, Contents, Large, prefetched, send_large
from hub.imap.conversations import thread_ids
from hub.imap.enabled import Enabled
from hub.imap.envelopes import envelopes
from hub.imap.listing import Chunk, Listing, chunks, thread_value
from hub.imap.modifiers import parse_modifiers
from hub.imap.partial import cut_selection
from hub.imap.render import flag_list
from hub.imap.replies import EXPUNGE_ISSUED, UNREADABLE, Reply, ok
from hub.imap.resync import newer, tell_vanished
from hub.imap.sections import Which
from hub.imap.session import ImapSession
from hub.imap.sets import GAP, compress
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore
from hub.imap.values import value
from hub.imap.view import Selection, batches
from hub.log import get_logger
from hub.services.blobs import BlobGone
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode, Item
from hub.services.summary import MessageColumn, Row

BATCH: Final = 1024
_SEEN: Final = frozenset({"\\Seen"})
_OF_BODIES: Final = frozenset((Kind.BODY, Kind.BODYSTRUCTURE, Kind.PREVIEW, Kind.BINARY, Kind.BINARY_SIZE))
_WHOLE: Final = frozenset((Which.ALL, Which.TEXT))

_log = get_logger(area="imap")


async def _fetch(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_fetch(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    ranges = reader.sequence_set()
    reader.space()
    attributes = parse_attributes(reader)
    modifiers = parse_modifiers(reader, session, by_uid=by_uid)
    reader.end()
    selection: Selection = session.mailbox.choose(ranges, by_uid=by_uid)
    if by_uid and Enabled.UIDONLY not in session.enabled:
        attributes = with_uid(attributes)
    if modifiers.changed_since is not None:
        attributes = with_modseq(attributes)
        selection = newer(session.mailbox, selection, modifiers.changed_since)
    if any(attribute.kind is Kind.MODSEQ for attribute in attributes):
        enable_condstore(session)
    if modifiers.vanished:
        assert modifiers.changed_since is not None
        history = await session.storage.history(session.mailbox.id, modifiers.changed_since)
        await tell_vanished(session, history, session.mailbox.definite(ranges))
    if modifiers.partial is not None:
        selection = cut_selection(selection, modifiers.partial)
    fetching = await fetch_selection(session, selection, attributes, asked=True)
    if fetching.unreadable:
        return UNREADABLE
    return EXPUNGE_ISSUED if fetching.missing and not by_uid else ok(b"Fetched")


async def fetch_selection(
    session: ImapSession,
    selection: Selection,
    attributes: tuple[Attribute, ...],
    *,
    asked: bool = False,
) -> Fetching:
    """Tell of these messages, and give what there was to note. asked: a command is under way for it."""
    fetching = Fetching(session, attributes)
    done, total = 0, sum(end - start for start, end in selection)
    for places in batches(selection, BATCH):
        await fetching.batch(places)
        done += len(places)
        if asked:
            await session.progress(done, total)
        await session.out.flow()
    return fetching


class Fetching:
    """One command under way. missing: messages were expunged elsewhere; unreadable: some cannot be read."""

    def __init__(self, session: ImapSession, attributes: tuple[Attribute, ...]) -> None:
        view = session.mailbox
        self.missing = self.unreadable = False
        self._threads: Mapping[int, bytes] = MappingProxyType({})  # of the batch, if they are wanted
        self._session = session
        self._view = view
        self._by_uid = Enabled.UIDONLY in session.enabled
        self._word = b"UIDFETCH" if self._by_uid else b"FETCH"
        self._attributes = attributes
        may_set = not view.read_only and "s" in view.place.rights
        self._sets_seen = may_set and any(not attribute.peek for attribute in attributes)

    async def batch(self, places: Sequence[int]) -> None:
        """Tell of the messages at these indexes of the view."""
        attributes = self._attributes
        if any(attribute.kind is Kind.THREADID for attribute in attributes):
            services = self._session.kernel.services
            uids = [self._view.uids[at] for at in places]
            self._threads = await thread_ids(services.storage, services.blobs, self._view.id, uids)
        if self._sets_seen and await self._mark_seen(places):
            attributes = _with_change(attributes, self._session.enabled)
        if Listing.can(attributes):
            await self._list(Listing(attributes, self._word), places)
        else:
            await self._each(attributes, [self._view.uids[at] for at in places])

    async def _mark_seen(self, places: Sequence[int]) -> bool:
        """Set \\Seen where it is not; whether it was missing anywhere."""
        session, view = self._session, self._view
        unseen = [view.uids[at] for at in places if "\\Seen" not in view.flags[at]]
        if not unseen:
            return False
        states = await session.storage.store_flags(
            view.id, compress(unseen), FlagMode.ADD, _SEEN, viewer=view.place.viewer, known=view.known
        )
        view.stored(states)
        session.changed_view(ChangeKind.FLAGGED, states.uids)
        return True

    # -- many at once

    async def _list(self, listing: Listing, places: Sequence[int]) -> None:
        view = self._view
        uids = [view.uids[at] for at in places]
        rows: Sequence[Row] = [(uid,) for uid in uids]
        gone: Sequence[int] = ()
        if listing.columns:
            rows = await self._session.storage.columns(view.id, compress(uids, GAP), listing.columns)
            if [row[0] for row in rows] != uids:
                known = dict(zip(uids, places, strict=True))
                rows = [row for row in rows if row[0] in known]
                there = {row[0] for row in rows}
                gone = [uid for uid in uids if uid not in there]
                places = [known[row[0]] for row in rows]
        if listing.reads:
            lengths = listing.lengths(rows)
            for first, last in chunks(lengths):
                await self._chunk(listing, rows[first:last], places[first:last], lengths[first:last])
        else:
            await self._chunk(listing, rows, places, ())
        if gone:
            await self._each(listing.attributes, gone)

    async def _chunk(
        self, listing: Listing, rows: Sequence[Row], places: Sequence[int], lengths: Sequence[int]
    ) -> None:
        """What cannot be told with the others is told behind them. lengths: of octets, if any are wanted."""
        apart: set[int] = set()
        octets: Sequence[bytes] = ()
        if lengths:
            octets, apart = await self._read(listing, rows, lengths)
        if lacking := listing.incomplete(rows):
            rows, unread = await self._complete(listing, rows, lacking)
            apart |= unread
        left = {rows[number][0] for number in apart}
        if apart:
            kept = [number for number in range(len(rows)) if number not in apart]
            rows, places = [rows[number] for number in kept], [places[number] for number in kept]
            octets = [octets[number] for number in kept] if listing.reads else ()
        flags = [flag_list(self._view.flags[at]) for at in places]
        modseqs = [self._view.modseqs[at] for at in places]
        numbers = [row[0] for row in rows] if self._by_uid else [at + 1 for at in places]
        self._session.out.send(listing.render(Chunk(rows, numbers, flags, modseqs, octets, self._threads)))
        await self._session.out.flow()
        if left:
            await self._each(listing.attributes, sorted(left))

    async def _read(
        self, listing: Listing, rows: Sequence[Row], lengths: Sequence[int]
    ) -> tuple[list[bytes], set[int]]:
        """The octets of the messages, and the numbers of those that are large or cannot be read like this."""
        if lengths[0] > SMALL:
            return [b""], {0}
        blobs = listing.column(rows, MessageColumn.BLOB)
        found = await self._session.kernel.services.blobs.read_many(list(zip(blobs, lengths, strict=True)))
        octets = [each if isinstance(each, bytes) else b"" for each in found]
        if [*map(len, octets)] == lengths:
            return octets, set()
        return octets, {number for number, each in enumerate(octets) if len(each) != lengths[number]}

    async def _complete(
        self, listing: Listing, rows: Sequence[Row], lacking: dict[int, list[Kind]]
    ) -> tuple[list[Row], set[int]]:
        """The rows with what their summaries lack, and the numbers of those that cannot be read."""
        made = list(rows)
        session, view = self._session, self._view
        session.kernel.wanted.add(view.id, [rows[number][0] for number in lacking])
        is_lazy = any(each.lazy for each in listing.attributes)
        needed = {
            number: kinds
            for number, missed in lacking.items()
            if (kinds := [kind for kind in missed if not (is_lazy and kind is Kind.PREVIEW)])
        }
        values: dict[int, dict[Kind, bytes]] = {}
        whole = any(kind is not Kind.ENVELOPE for kinds in needed.values() for kind in kinds)
        numbers = {rows[number][0]: number for number in needed}
        if numbers and not whole:
            found = await envelopes(session, view.id, compress(numbers))
            values = {numbers[uid]: {Kind.ENVELOPE: octets} for uid, octets in found.items()}
            numbers = {uid: number for uid, number in numbers.items() if uid not in found}
        items = await session.storage.items(view.id, compress(sorted(numbers))) if numbers else ()
        async for contents in prefetched(session, items, whole=whole):
            number = numbers[contents.item.uid]
            try:
                values[number] = {kind: await _made(kind, contents) for kind in needed[number]}
            except BlobGone:
                continue
            await session.out.flow()
        for number in lacking:
            if number in values or number not in needed:
                made[number] = listing.completed(rows[number], values.get(number, {}))
        return made, needed.keys() - values.keys()

    # -- one after the other

    async def _each(self, attributes: Sequence[Attribute], uids: Sequence[int]) -> None:
        """Tell of messages of the view, by UID."""
        session, view = self._session, self._view
        items = await self._items(uids)
        self.missing = self.missing or len(items) < len(uids)
        async for contents in prefetched(session, items, whole=_reads_bodies(attributes)):
            at = view.index(contents.item.uid)
            assert at is not None
            try:
                await self._send(at, contents, attributes)
            except BlobGone:
                _log.error("a message cannot be read", blob=contents.item.blob, exc_info=True)
                self.unreadable = True
            await session.out.flow()

    async def _items(self, uids: Sequence[int]) -> Sequence[Item]:
        """By UID; what was expunged elsewhere is in the view, and told of, until the client has heard of it
        (RFC 3501 §7.4.1)."""
        session, view = self._session, self._view
        items = await session.storage.items(view.id, compress(uids))
        if len(items) == len(uids):
            return items
        there = {item.uid for item in items}
        gone = await session.storage.gone(view.id, compress([uid for uid in uids if uid not in there]))
        return sorted((*items, *gone), key=attrgetter("uid"))

    async def _send(self, at: int, contents: Contents, attributes: Sequence[Attribute]) -> None:
        """One FETCH response. Nothing of it is sent before all that is small has been read. BlobGone."""
        view, out = self._view, self._session.out
        values = [(each.label, await self._value(each, contents, at)) for each in attributes]
        out.send(b"* %d %b (" % (view.uids[at] if self._by_uid else at + 1, self._word))
        for index, (label, found) in enumerate(values):
            out.send(b" %b " % label if index else label + b" ")
            if isinstance(found, bytes):
                out.send(found)
            else:
                await send_large(self._session, found)
        out.send(b")\r\n")

    async def _value(self, attribute: Attribute, contents: Contents, at: int) -> bytes | Large:
        view = self._view
        match attribute.kind:
            case Kind.UID:
                return b"%d" % view.uids[at]
            case Kind.FLAGS:
                return flag_list(view.flags[at])
            case Kind.MODSEQ:
                return b"(%d)" % view.modseqs[at]
            case Kind.THREADID:
                return thread_value(self._threads, view.uids[at])
            case _:
                return await value(attribute, contents)


def _reads_bodies(attributes: Sequence[Attribute]) -> bool:
    """Whether more than header blocks is needed of messages that are read."""
    return any(
        each.kind in _OF_BODIES
        or (each.section is not None and (each.section.needs_structure or each.section.which in _WHOLE))
        for each in attributes
    )


def _with_change(attributes: tuple[Attribute, ...], enabled: Collection[Enabled]) -> tuple[Attribute, ...]:
    """What is told where \\Seen was set, beside what was asked for (RFC 3501 §6.4.5, RFC 7162 §3.1)."""
    if without_flags(attributes):
        attributes = (*attributes, Attribute(Kind.FLAGS))
    if Enabled.CONDSTORE in enabled:
        attributes = with_modseq(attributes)
    if Enabled.QRESYNC in enabled:
        attributes = with_uid(attributes)
    return attributes


async def _made(kind: Kind, contents: Contents) -> bytes:
    found = await value(Attribute(kind), contents)
    assert isinstance(found, bytes)  # no summary is sent as it is read
    return found


COMMANDS = (
    Command("FETCH", _fetch, State.SELECTED, renumbers=False),
    Command("UID FETCH", _uid_fetch, State.SELECTED, with_uid=True),
)
