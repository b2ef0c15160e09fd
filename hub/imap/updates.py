"""Telling a client what has happened to its mailbox: EXPUNGE or VANISHED, EXISTS, FLAGS, FETCH (RFC 3501
§7.3, §7.4, RFC 7162 §3.2.10, RFC 9586 §3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeVar

from hub.imap.enabled import Enabled
from hub.imap.events import Event
from hub.imap.output import Output
from hub.imap.places import still_readable
from hub.imap.render import SYSTEM_FLAGS, flag_list, ordered
from hub.imap.session import ImapSession
from hub.imap.sets import compress, render_set
from hub.imap.view import Update, View

T = TypeVar("T")

_BATCH: Final = 2048
"""Lines that are written at once: less than a millisecond."""


async def tell(session: ImapSession, *, expunged: bool, with_uid: bool = False) -> None:
    """Bring the view up to date and the client with it. expunged: sequence numbers may change now."""
    view = session.view
    if view is None or not await still_readable(session):
        return
    update = await view.catch_up(renumber=expunged)
    if view.keywords != view.told_keywords:
        tell_flags(session.out, view)
    if view.contexts is not None:
        await view.contexts.tell_expunged(session, update)
    await _tell_expunged(session, update)
    notification = session.notification
    if update.added:
        tell_exists(session)
        if notification is not None and notification.fetch_new is not None:
            await notification.fetch_new(len(view) - update.added)
    # RFC 7162 §3.2.4 and RFC 9051 §7.5.2: who can count on UIDs gets them with what it has not asked for
    with_uid = with_uid or not session.enabled.isdisjoint((Enabled.QRESYNC, Enabled.IMAP4REV2))
    changed = update.touched if Enabled.CONDSTORE in session.enabled else update.flagged
    if notification is None or notification.selected is None or notification.tells(Event.FLAG_CHANGE):
        await tell_states(session, changed, with_uid=with_uid)
    if view.contexts is not None:
        await view.contexts.tell_changed(session, update)


def tell_flags(out: Output, view: View) -> None:
    """Which flags the mailbox has: all system flags and the keywords in use."""
    view.told_keywords = view.keywords
    out.send(b"* FLAGS (%b)\r\n" % known_flags(view))


def known_flags(view: View) -> bytes:
    """The names of all flags of the mailbox."""
    return " ".join((*SYSTEM_FLAGS, *ordered(view.keywords.values()))).encode("ascii", "replace")


def tell_exists(session: ImapSession) -> None:
    """How many messages there are; nothing is ever recent (RFC 9051 §1.3)."""
    recent = b"" if Enabled.IMAP4REV2 in session.enabled else b"* 0 RECENT\r\n"
    session.out.send(b"* %d EXISTS\r\n%b" % (len(session.mailbox), recent))


async def tell_states(
    session: ImapSession, indexes: Sequence[int], *, flags: bool = True, with_uid: bool = False
) -> None:
    """An untagged FETCH for each of these messages, with its modseq for who knows what that is.

    flags: whether they are told, too.
    """
    view, out = session.mailbox, session.out
    by_uid = Enabled.UIDONLY in session.enabled  # then it stands in front (RFC 9586 §3.3)
    with_uid = with_uid and not by_uid
    with_modseq = Enabled.CONDSTORE in session.enabled

    def form(*told: bytes) -> bytes:
        items = b" ".join((*[b"UID %d"] * with_uid, *told, *[b"MODSEQ (%d)"] * with_modseq))
        return b"* %%d %b (%b)\r\n" % (b"UIDFETCH" if by_uid else b"FETCH", items)

    for start in range(0, len(indexes), _BATCH):
        some = indexes[start : start + _BATCH]
        columns: list[Sequence[int]] = [_at(view.uids, some) if by_uid else _numbers(some)]
        if with_uid:
            columns.append(_at(view.uids, some))
        if with_modseq:
            columns.append(_at(view.modseqs, some))
        # All lines are one form, made of the few that differ: each line on its own costs three times as much.
        if flags:
            sets = _at(view.flags, some)
            forms = {each: form(b"FLAGS " + _literally(each)) for each in set(sets)}
            lines = b"".join(map(forms.__getitem__, sets))
        else:
            lines = form() * len(some)
        out.send(lines % tuple(chain.from_iterable(zip(*columns, strict=True))))
        await out.flow()


def _literally(flags: frozenset[str]) -> bytes:
    """Flags as they stand in a form: a keyword may hold `%`."""
    return flag_list(flags).replace(b"%", b"%%")


def _numbers(indexes: Sequence[int]) -> Sequence[int]:
    if isinstance(indexes, range):
        return range(indexes.start + 1, indexes.stop + 1)
    return [at + 1 for at in indexes]


def _at(column: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    if isinstance(places, range):  # all neighbours: mostly the whole mailbox
        return column[places.start : places.stop]
    return [column[place] for place in places]


def enable_condstore(session: ImapSession) -> None:
    """For every command that only a client sends which knows of modseqs (RFC 7162 §3.1)."""
    if Enabled.CONDSTORE in session.enabled:
        return
    session.enabled.add(Enabled.CONDSTORE)
    if session.view is not None:
        tell_highest_modseq(session)


def tell_highest_modseq(session: ImapSession) -> None:
    """Up to where the client has been told everything of the selected mailbox."""
    session.out.send(b"* OK [HIGHESTMODSEQ %d] The latest change\r\n" % session.mailbox.modseq)


async def _tell_expunged(session: ImapSession, update: Update) -> None:
    if not update.expunged:
        return
    out = session.out
    if not session.enabled.isdisjoint((Enabled.QRESYNC, Enabled.UIDONLY)):
        out.send(b"* VANISHED %b\r\n" % render_set(compress(update.expunged_uids)))
        return
    numbers = [at + 1 for at in reversed(update.expunged)]
    for start in range(0, len(numbers), _BATCH):
        out.send(b"".join(map(b"* %d EXPUNGE\r\n".__mod__, numbers[start : start + _BATCH])))
        await out.flow()
