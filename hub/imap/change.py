"""STORE and EXPUNGE (RFC 3501 §6.4), UID STORE and UID EXPUNGE (RFC 4315), with modseqs (RFC 7162): what
changes messages that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.replies import EXPUNGE_ISSUED, NO_FLAG_RIGHT, READ_ONLY, Refused, Reply, bad, ok
from hub.imap.resync import parse_modseq
from hub.imap.rights import permitted_change
from hub.imap.session import ImapSession
from hub.imap.sets import compress, render_set
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore, tell, tell_flags, tell_states
from hub.imap.view import Selection
from hub.services.log import ChangeKind
from hub.services.states import NO_STATES, States
from hub.services.storage import FlagMode, UidRanges

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
    unchanged_since = _unchanged_since(reader)
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
    if unchanged_since is not None:
        enable_condstore(session)
    selection = view.choose(ranges, by_uid=by_uid)
    flags = view.spell(flags)
    changes = permitted_change(mode, flags, view.all_flags, view.place.rights)
    if not changes:
        raise Refused(NO_FLAG_RIGHT)
    if not selection:
        return ok(b"There was nothing to store")
    states = await _change(session, view.uid_ranges(selection), changes, unchanged_since)
    await _tell_stored(session, states, mode, flags, tell=not silent, with_uid=by_uid)
    if len(states) == sum(end - start for start, end in selection):
        return ok(b"Stored")
    stored = set(states.uids)
    asked = [view.uids[at] for start, end in selection for at in range(start, end)]
    left = [uid for uid in asked if uid not in stored]
    return await _not_stored(session, left, unchanged_since, by_uid=by_uid)


async def _change(
    session: ImapSession,
    uids: UidRanges,
    changes: Sequence[tuple[FlagMode, frozenset[str]]],
    unchanged_since: int | None,
) -> States:
    """The messages that were changed, as they are now."""
    view = session.mailbox
    states = NO_STATES
    for number, (mode, flags) in enumerate(changes):
        if number:
            uids, unchanged_since = compress(states.uids), None
        states = await session.storage.store_flags(
            view.id,
            uids,
            mode,
            flags,
            unchanged_since=unchanged_since,
            viewer=view.place.viewer,
            known=None if number else view.known,
        )
    return states


def _unchanged_since(reader: Reader) -> int | None:
    """The one modifier that STORE has, if it is there (RFC 7162 §3.1.3)."""
    if not reader.take(b"("):
        return None
    if reader.word("UNCHANGEDSINCE") != b"UNCHANGEDSINCE":
        raise bad("STORE has no modifier but UNCHANGEDSINCE")
    reader.space()
    modseq = parse_modseq(reader, least=0)
    reader.expect(b")", ") behind the modseq")
    reader.space()
    return modseq


async def _tell_stored(
    session: ImapSession,
    states: States,
    mode: FlagMode,
    flags: frozenset[str],
    *,
    tell: bool,
    with_uid: bool,
) -> None:
    """Tell what has become of the flags. .SILENT keeps to itself what this client has done, not what others
    did (RFC 3501 §6.4.6), nor the modseq that a client now waits for (RFC 7162 §3.1.3)."""
    view, out = session.mailbox, session.out
    if not states:
        return None
    before = view.flags
    indexes = view.stored(states)
    if view.keywords != view.told_keywords:
        tell_flags(out, view)
    session.changed_view(ChangeKind.FLAGGED, states.uids)
    if tell:
        return await tell_states(session, indexes, with_uid=with_uid)
    with_uid = with_uid or Enabled.QRESYNC in session.enabled
    expected = {old: _COMBINED[mode](old, flags) for old in {before[at] for at in indexes}}
    odd = [at for at in indexes if view.flags[at] != expected[before[at]]]
    await tell_states(session, odd, with_uid=with_uid)
    if Enabled.CONDSTORE in session.enabled:
        told = set(odd)
        rest = [at for at in indexes if at not in told]
        await tell_states(session, rest, flags=False, with_uid=with_uid)
    return None


async def _not_stored(
    session: ImapSession, uids: Sequence[int], unchanged_since: int | None, *, by_uid: bool
) -> Reply:
    """Messages that were left alone: they have changed meanwhile, or they are gone."""
    view = session.mailbox
    if unchanged_since is None:
        return ok(b"Stored") if by_uid else EXPUNGE_ISSUED
    view.stale = True
    await tell(session, expunged=False, with_uid=by_uid)
    there = await session.storage.items(view.id, compress(uids), view.place.viewer)
    left = [item.uid for item in there]
    if not left:
        return ok(b"Stored") if by_uid else EXPUNGE_ISSUED
    numbers = left if by_uid else [at + 1 for at in view.indexes(left)]
    code = b"MODIFIED %b" % render_set(compress(numbers))
    if len(left) < len(uids) and not by_uid:
        return Reply(b"NO", b"Some have changed meanwhile, and some were expunged", code)
    return ok(b"Those that have changed meanwhile were left alone", code)


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
    view.place.require("e")
    if selection is not None and not selection:
        return ok(b"There was nothing to expunge")
    ranges = None if selection is None else view.uid_ranges(selection)
    uids = await session.storage.expunge(view.id, ranges)
    if not uids:
        return ok(b"There was nothing to expunge")
    session.changed_view(ChangeKind.EXPUNGED, uids)
    if Enabled.CONDSTORE not in session.enabled:
        return ok(b"Expunged")
    await tell(session, expunged=True)
    return ok(b"Expunged", b"HIGHESTMODSEQ %d" % view.modseq)  # RFC 7162 §3.2.7


COMMANDS = (
    Command("STORE", _store, State.SELECTED, renumbers=False, attended=True),
    Command("UID STORE", _uid_store, State.SELECTED, with_uid=True, attended=True),
    Command("EXPUNGE", _expunge, State.SELECTED, attended=True),
    Command("UID EXPUNGE", _uid_expunge, State.SELECTED, attended=True),
)
