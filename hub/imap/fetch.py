"""FETCH and UID FETCH (RFC 3501 §6.4.5, §6.4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.imap.attributes import (
    Attribute,
    Kind,
    parse_attributes,
    render,
    with_modseq,
    with_uid,
    without_flags,
)
from hub.imap.command import Command, State
from hub.imap.contents import Contents, Large, send_large
from hub.imap.enabled import Enabled
from hub.imap.modifiers import parse_modifiers
from hub.imap.render import flag_list
from hub.imap.replies import EXPUNGE_ISSUED, UNREADABLE, Reply, ok
from hub.imap.resync import newer, tell_vanished
from hub.imap.session import ImapSession
from hub.imap.sets import compress
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore, fetch_word
from hub.imap.view import Selection, View, batches
from hub.log import get_logger
from hub.services.blobs import BlobGone
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode

BATCH: Final = 256
_SEEN: Final = frozenset({"\\Seen"})
_STATE: Final = (Kind.UID, Kind.FLAGS, Kind.MODSEQ)

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
    selection = session.mailbox.choose(ranges, by_uid=by_uid)
    if by_uid and Enabled.UIDONLY not in session.enabled:
        attributes = with_uid(attributes)
    if modifiers.changed_since is not None:
        attributes = with_modseq(attributes)
        selection = newer(session.mailbox, selection, modifiers.changed_since)
    if any(attribute.kind is Kind.MODSEQ for attribute in attributes):
        enable_condstore(session)
    if modifiers.vanished:
        assert modifiers.changed_since is not None
        await tell_vanished(session, modifiers.changed_since, session.mailbox.definite(ranges))
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
        out.send(
            b"".join(
                [
                    b"%b (%b)\r\n" % (fetch_word(view, at), b" ".join(_states(view, at, attributes)))
                    for at in range(start, end)
                ]
            )
        )
        await out.flow()


def _states(view: View, at: int, attributes: Sequence[Attribute]) -> list[bytes]:
    return [_state(view, at, attribute.kind) for attribute in attributes]


def _state(view: View, at: int, kind: Kind) -> bytes:
    if kind is Kind.UID:
        return b"UID %d" % view.uids[at]
    if kind is Kind.MODSEQ:
        return b"MODSEQ (%d)" % view.modseqs[at]
    return b"FLAGS " + flag_list(view.flags[at])


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
                if Enabled.CONDSTORE in session.enabled:
                    wanted = with_modseq(wanted)
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
    marked = frozenset(view.stored(states))
    session.changed_view(ChangeKind.FLAGGED, tuple(state.uid for state in states))
    return marked


async def _send(session: ImapSession, at: int, contents: Contents, attributes: Sequence[Attribute]) -> None:
    """One FETCH response. Nothing of it is sent before all that is small has been read. BlobGone."""
    view, out = session.mailbox, session.out
    values: list[bytes | Large] = []
    for attribute in attributes:
        if attribute.kind in _STATE:
            values.extend(_states(view, at, (attribute,)))
        else:
            values.append(await render(attribute, contents))
    out.send(fetch_word(view, at) + b" (")
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
