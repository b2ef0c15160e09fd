"""FETCH and UID FETCH (RFC 3501 §6.4.5, §6.4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.imap.attributes import Attribute, Kind, parse_attributes, render, with_uid, without_flags
from hub.imap.command import Command, State
from hub.imap.contents import Contents, Large, send_large
from hub.imap.render import flag_list
from hub.imap.replies import EXPUNGE_ISSUED, UNREADABLE, Reply, ok
from hub.imap.session import ImapSession
from hub.imap.sets import compress
from hub.imap.tokens import Reader
from hub.imap.view import Selection, View, batches
from hub.log import get_logger
from hub.services.blobs import BlobGone
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode

BATCH: Final = 256
_SEEN: Final = frozenset({"\\Seen"})
_STATE: Final = (Kind.UID, Kind.FLAGS)

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
    reader.end()
    selection = session.mailbox.choose(ranges, by_uid=by_uid)
    if by_uid:
        attributes = with_uid(attributes)
    if all(attribute.kind in _STATE for attribute in attributes):
        await _fetch_states(session, selection, attributes)
        return ok(b"Fetched")
    missing, unreadable = await _fetch_messages(session, selection, attributes)
    if unreadable:
        return UNREADABLE
    return EXPUNGE_ISSUED if missing and not by_uid else ok(b"Fetched")


async def _fetch_states(session: ImapSession, selection: Selection, attributes: Sequence[Attribute]) -> None:
    """What the view knows by itself."""
    view, out = session.mailbox, session.out
    for start, end in batches(selection, BATCH):
        out.send(b"".join([_line(b" ".join(_states(view, at, attributes)), at) for at in range(start, end)]))
        await out.flow()


def _line(values: bytes, at: int) -> bytes:
    return b"* %d FETCH (%b)\r\n" % (at + 1, values)


def _states(view: View, at: int, attributes: Sequence[Attribute]) -> list[bytes]:
    return [
        b"UID %d" % view.uids[at] if attribute.kind is Kind.UID else b"FLAGS " + flag_list(view.flags[at])
        for attribute in attributes
    ]


async def _fetch_messages(
    session: ImapSession, selection: Selection, attributes: tuple[Attribute, ...]
) -> tuple[bool, bool]:
    """Fetch batch by batch; whether messages were missing, and whether some could not be read."""
    view = session.mailbox
    sets_seen = not view.read_only and any(not attribute.peek for attribute in attributes)
    missing = unreadable = False
    for start, end in batches(selection, BATCH):
        marked = await _mark_seen(session, start, end) if sets_seen else frozenset()
        items = await session.storage.items(
            view.id, [(view.uids[start], view.uids[end - 1])], view.place.viewer
        )
        missing = missing or len(items) < end - start
        for item in items:
            at = view.index(item.uid)
            if at is None:
                continue
            wanted = attributes
            if at in marked and without_flags(attributes):
                wanted = (*attributes, Attribute(Kind.FLAGS))
            try:
                await _send(session, at, Contents(session, item), wanted)
            except BlobGone:
                _log.error("a message cannot be read", blob=item.blob, exc_info=True)
                unreadable = True
            await session.out.flow()
    return missing, unreadable


async def _mark_seen(session: ImapSession, start: int, end: int) -> frozenset[int]:
    """Set \\Seen where it is not; the indexes of these messages."""
    view = session.mailbox
    unseen = [view.uids[at] for at in range(start, end) if "\\Seen" not in view.flags[at]]
    if not unseen:
        return frozenset()
    states = await session.storage.store_flags(
        view.id, compress(unseen), FlagMode.ADD, _SEEN, viewer=view.place.viewer
    )
    marked = set()
    for state in states:
        at = view.index(state.uid)
        if at is not None:
            view.flags[at] = state.flags
            marked.add(at)
    session.changed_view(ChangeKind.FLAGGED, tuple(state.uid for state in states))
    return frozenset(marked)


async def _send(session: ImapSession, at: int, contents: Contents, attributes: Sequence[Attribute]) -> None:
    """One FETCH response. Nothing of it is sent before all that is small has been read. BlobGone."""
    view, out = session.mailbox, session.out
    values: list[bytes | Large] = []
    for attribute in attributes:
        if attribute.kind in _STATE:
            values.extend(_states(view, at, (attribute,)))
        else:
            values.append(await render(attribute, contents))
    out.send(b"* %d FETCH (" % (at + 1))
    for index, value in enumerate(values):
        if index:
            out.send(b" ")
        if isinstance(value, bytes):
            out.send(value)
        else:
            await send_large(session, value)
    out.send(b")\r\n")


COMMANDS = (
    Command("FETCH", _fetch, State.SELECTED, renumbers=False),
    Command("UID FETCH", _uid_fetch, State.SELECTED, with_uid=True),
)
