"""STORE and EXPUNGE (RFC 3501 §6.4), UID STORE and UID EXPUNGE (RFC 4315): what changes messages that are
there."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from hub.imap.command import Command, State
from hub.imap.replies import EXPUNGE_ISSUED, READ_ONLY, Refused, Reply, bad, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import fetched_flags, tell_flags
from hub.imap.view import Selection
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode

_MODES = MappingProxyType({b"FLAGS": FlagMode.SET, b"+FLAGS": FlagMode.ADD, b"-FLAGS": FlagMode.REMOVE})


_COMBINED: MappingProxyType[FlagMode, Callable[[frozenset[str], frozenset[str]], frozenset[str]]] = (
    MappingProxyType(
        {
            FlagMode.SET: lambda old, given: given,
            FlagMode.ADD: frozenset.union,
            FlagMode.REMOVE: frozenset.difference,
        }
    )
)


async def _store(session: ImapSession, reader: Reader) -> Reply:
    return await _run_store(session, reader, by_uid=False)


async def _uid_store(session: ImapSession, reader: Reader) -> Reply:
    return await _run_store(session, reader, by_uid=True)


async def _run_store(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    ranges = reader.sequence_set()
    reader.space()
    word, _, silent = reader.word("FLAGS, +FLAGS or -FLAGS").partition(b".")
    mode = _MODES.get(word)
    if mode is None or silent not in (b"", b"SILENT"):
        raise bad("STORE takes FLAGS, +FLAGS or -FLAGS, each with or without .SILENT")
    reader.space()
    flags = reader.flags(bare=True)
    reader.end()
    view = session.mailbox
    if view.read_only:
        raise Refused(READ_ONLY)
    selection = view.choose(ranges, by_uid=by_uid)
    flags = view.spell(flags)
    if not selection:
        return ok(b"There was nothing to store")
    gone = await _change_flags(session, selection, mode, flags, tell=not silent, with_uid=by_uid)
    return EXPUNGE_ISSUED if gone and not by_uid else ok(b"Stored")


async def _change_flags(
    session: ImapSession,
    selection: Selection,
    mode: FlagMode,
    flags: frozenset[str],
    *,
    tell: bool,
    with_uid: bool,
) -> bool:
    """Store and tell; whether messages were gone already."""
    view, out = session.mailbox, session.out
    combine = _COMBINED[mode]
    states = await session.storage.store_flags(
        view.id, view.uid_ranges(selection), mode, flags, viewer=view.place.viewer
    )
    if view.learn(set[str]().union(*{state.flags for state in states})):
        tell_flags(out, view)
    changed = []
    for state in states:
        at = view.index(state.uid)
        if at is None:
            continue
        changed.append(state.uid)
        # .SILENT keeps to itself what this client has done, not what others did (RFC 3501 §6.4.6)
        told = tell or state.flags != combine(view.flags[at], flags)
        view.flags[at] = state.flags
        if told:
            out.send(fetched_flags(view, at, with_uid=with_uid))
        await out.flow()
    if changed:
        session.changed_view(ChangeKind.FLAGGED, tuple(changed))
    return len(changed) < sum(end - start for start, end in selection)


async def _expunge(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    return await _run_expunge(session, None)


async def _uid_expunge(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    ranges = reader.sequence_set()
    reader.end()
    return await _run_expunge(session, session.mailbox.by_uids(ranges))


async def _run_expunge(session: ImapSession, selection: Selection | None) -> Reply:
    view = session.mailbox
    if view.read_only:
        raise Refused(READ_ONLY)
    if selection is not None and not selection:
        return ok(b"There was nothing to expunge")
    ranges = None if selection is None else view.uid_ranges(selection)
    uids = await session.storage.expunge(view.id, ranges)
    if uids:
        session.changed_view(ChangeKind.EXPUNGED, tuple(uids))
    return ok(b"Expunged")


COMMANDS = (
    Command("STORE", _store, State.SELECTED, renumbers=False),
    Command("UID STORE", _uid_store, State.SELECTED, with_uid=True),
    Command("EXPUNGE", _expunge, State.SELECTED),
    Command("UID EXPUNGE", _uid_expunge, State.SELECTED),
)
