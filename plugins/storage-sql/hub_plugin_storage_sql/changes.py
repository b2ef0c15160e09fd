"""The states of a mailbox, and what has happened in it: what is short is read on the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import BigInteger, bindparam, select

from hub import (
    NO_STATES,
    AccountRef,
    ChangeKind,
    ItemState,
    MailboxChanges,
    MailboxHistory,
    States,
)
from hub_plugin_storage_sql.columns import STATES, columns
from hub_plugin_storage_sql.database import MAX_POSITION, Reads, Row, Statement
from hub_plugin_storage_sql.flags import decoded
from hub_plugin_storage_sql.ranges import GAP, MAX_UID, Range, merged, within
from hub_plugin_storage_sql.reading import require_mailbox
from hub_plugin_storage_sql.schema import ITEM, LOG, UID_BITS
from hub_plugin_storage_sql.viewing import viewed, viewer_id, with_seen

_b = bindparam

_STATES = Statement(STATES, "base low high")
_CHANGED = Statement(STATES.where(ITEM.c.modseq > _b("since")), "base low high since")
_WITHIN = within(ITEM.c.id)
_STATE = select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq).where(_WITHIN).order_by(ITEM.c.id)
_STATES_SEEN = Statement(with_seen(_STATE), "low high viewer")
_CHANGED_SEEN = Statement(with_seen(_STATE.where(ITEM.c.modseq > _b("since"))), "low high since viewer")
_TOUCHED = Statement(
    select(LOG.c.kind, LOG.c.first_uid, LOG.c.last_uid)
    .where(LOG.c.collection_id == _b("mailbox"), LOG.c.modseq > _b("since"), LOG.c.first_uid > 0)
    .limit(_b("most")),
    "mailbox since most",
)
_BASE = _b("base", type_=BigInteger)
_FEW = (
    select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq)
    .distinct()
    .join_from(LOG, ITEM, ITEM.c.id.between(_BASE + LOG.c.first_uid, _BASE + LOG.c.last_uid))
    .where(
        LOG.c.collection_id == _b("mailbox"),
        LOG.c.modseq > _b("since"),
        LOG.c.first_uid > 0,
        ITEM.c.modseq > _b("since"),
    )
    .order_by(ITEM.c.id)
)
_FEW_CHANGED = Statement(_FEW, "base mailbox since")
_FEW_CHANGED_SEEN = Statement(with_seen(_FEW), "base mailbox since viewer")
_ENTRIES: Final = 256
_ITEMS_AT_ONCE: Final = 2000
"""Entries of the log, and items, that are read on the event loop: a fraction of a millisecond either way."""


def states(db: Reads, mailbox: int, viewer: AccountRef | None = None) -> States:
    """Every item of a mailbox. MailboxMissing."""
    watching = _viewer(db, require_mailbox(db, mailbox), viewer)
    return _states(db, mailbox, [(1, MAX_UID)], watching)


def changes(db: Reads, mailbox: int, since: int, viewer: AccountRef | None = None) -> MailboxChanges:
    """What has happened in a mailbox: from the log or, for one who is older, the items. MailboxMissing."""
    marks = require_mailbox(db, mailbox)
    highest_modseq, uidnext, logged_since, *_ = marks
    if since >= highest_modseq:
        return MailboxChanges(highest_modseq, uidnext, NO_STATES, ())
    watching = _viewer(db, marks, viewer)
    if since < logged_since:
        found = _changed(db, mailbox, [(1, MAX_UID)], since, watching)
        present = found if since == 0 else states(db, mailbox)
        return MailboxChanges(highest_modseq, uidnext, found, tuple(_gaps(present.uids, uidnext)))
    logged = _told(db.rows(_TOUCHED, mailbox, since, MAX_POSITION))
    found = _changed(db, mailbox, merged(logged.touched, GAP), since, watching)
    return MailboxChanges(highest_modseq, uidnext, found, tuple(logged.vanished))


def few_changes(
    db: Reads, mailbox: int, since: int, viewer: AccountRef | None = None
) -> MailboxChanges | None:
    """The same if it is soon read, else None. MailboxMissing."""
    marks = require_mailbox(db, mailbox)
    highest_modseq, uidnext, logged_since, *_ = marks
    if since >= highest_modseq:
        return MailboxChanges(highest_modseq, uidnext, NO_STATES, ())
    entries = _entries(db, mailbox, since) if since >= logged_since else None
    if entries is None:
        return None
    expunged = ChangeKind.EXPUNGED.value
    if sum(last - first + 1 for kind, first, last in entries if kind != expunged) > _ITEMS_AT_ONCE:
        return None
    found = _few_changed(db, mailbox, since, _viewer(db, marks, viewer))
    return MailboxChanges(highest_modseq, uidnext, found, tuple(_told(entries).vanished))


def history(db: Reads, mailbox: int, since: int) -> MailboxHistory:
    """Where that has happened: from the log or, for one who is older, the items that are not there.

    MailboxMissing.
    """
    _, uidnext, logged_since, *_ = require_mailbox(db, mailbox)
    if since < logged_since:
        return MailboxHistory([(1, MAX_UID)], _gaps(states(db, mailbox).uids, uidnext))
    return _told(db.rows(_TOUCHED, mailbox, since, MAX_POSITION))


def short_history(db: Reads, mailbox: int, since: int) -> MailboxHistory | None:
    """The same if it is soon read, else None. MailboxMissing."""
    logged_since = require_mailbox(db, mailbox)[2]
    entries = _entries(db, mailbox, since) if since >= logged_since else None
    return None if entries is None else _told(entries)


def _entries(db: Reads, mailbox: int, since: int) -> Sequence[Row] | None:
    """What the log has, None if that is too much to be read at once."""
    rows = db.rows(_TOUCHED, mailbox, since, _ENTRIES)
    return rows if len(rows) < _ENTRIES else None


def _told(entries: Iterable[Row]) -> MailboxHistory:
    touched: list[Range] = []
    vanished: list[Range] = []
    for kind, first, last in entries:
        (vanished if kind == ChangeKind.EXPUNGED.value else touched).append((first, last))
    return MailboxHistory(merged(touched), merged(vanished))


def _viewer(db: Reads, marks: Row, viewer: AccountRef | None) -> int | None:
    return None if viewer is None else viewer_id(db, viewer, marks[4])


def _states(db: Reads, mailbox: int, ranges: Sequence[Range], viewer: int | None) -> States:
    if viewer is None:
        return _found(db, _STATES, mailbox, ranges)
    return _found_seen(db, _STATES_SEEN, mailbox, ranges, viewer)


def _changed(db: Reads, mailbox: int, ranges: Sequence[Range], since: int, viewer: int | None) -> States:
    if viewer is None:
        return _found(db, _CHANGED, mailbox, ranges, since)
    return _found_seen(db, _CHANGED_SEEN, mailbox, ranges, since, viewer)


def _few_changed(db: Reads, mailbox: int, since: int, viewer: int | None) -> States:
    """As `_changed`, of what the log names, item by item."""
    base = mailbox << UID_BITS
    if viewer is None:
        rows = db.rows(_FEW_CHANGED, base, mailbox, since)
        return States.of(ItemState(key - base, decoded(flags), modseq) for key, flags, modseq in rows)
    return States.of(
        ItemState(key - base, viewed(flags, seen is not None), modseq)
        for key, flags, modseq, seen in db.rows(_FEW_CHANGED_SEEN, base, mailbox, since, viewer)
    )


def _found(db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int) -> States:
    found = columns(db, statement, mailbox, ranges, *more)
    sets = {text: decoded(text) for text in set(found.flags)}
    return States(found.uids, list(map(sets.__getitem__, found.flags)), found.figures)


def _found_seen(db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int) -> States:
    base = mailbox << UID_BITS
    return States.of(
        ItemState(key - base, viewed(flags, seen is not None), modseq)
        for first, last in ranges
        for key, flags, modseq, seen in db.rows(statement, base + first, base + last, *more)
    )


def _gaps(present: Sequence[int], uidnext: int) -> list[Range]:
    """The UIDs below uidnext that no item has."""
    found: list[Range] = []
    expected = 1
    for uid in present:
        if uid > expected:
            found.append((expected, uid - 1))
        expected = uid + 1
    if expected < uidnext:
        found.append((expected, uidnext - 1))
    return found
