"""Items copied and moved between mailboxes; the blobs are shared."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from sqlalchemy import BigInteger, bindparam, insert, select, update

from hub import AccountRef, ChangeKind, Copied, MailboxMissing, UidRanges
from hub_plugin_storage_sql.columns import SIZES, Columns
from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.flags import SEEN, decoded, encoded
from hub_plugin_storage_sql.items import count_unseen, keys_of, remove, selected
from hub_plugin_storage_sql.ranges import MAX_UID, Range, clipped, runs, within
from hub_plugin_storage_sql.schema import ACCOUNT, COPIED, ITEM, MESSAGE, SUMMARY
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import see, viewed, viewer_id, with_seen

_b = bindparam
_WITHIN = within(ITEM.c.id)

_SIZES = Statement(SIZES, "base low high")
_SIZES_SEEN = Statement(
    with_seen(select(ITEM.c.id, ITEM.c.flags, ITEM.c.size).where(_WITHIN).order_by(ITEM.c.id)),
    "low high viewer",
)
_SET_FLAGS = Statement(update(ITEM).where(_WITHIN).values(flags=_b("new_flags")), "new_flags low high")
_TENANT_OF = Statement(select(ACCOUNT.c.tenant_id).where(ACCOUNT.c.id == _b("account")), "account")
_NEW_MODSEQ = _b("new_modseq", type_=BigInteger)
_COPY = Statement(
    insert(ITEM).from_select(
        ["id", "modseq", "flags", "size"],
        select(ITEM.c.id + _b("shift", type_=BigInteger), _NEW_MODSEQ, ITEM.c.flags, ITEM.c.size).where(
            _WITHIN
        ),
    ),
    "shift new_modseq low high",
)

# What lies beside the items goes where they go.
_COPY_MESSAGES = Statement(
    insert(MESSAGE).from_select(
        ["id", "created_modseq", "saved_at", *[column.name for column in COPIED]],
        select(
            MESSAGE.c.id + _b("shift", type_=BigInteger),
            _NEW_MODSEQ,
            _b("saved", type_=BigInteger),
            *COPIED,
        ).where(within(MESSAGE.c.id)),
    ),
    "shift new_modseq saved low high",
)
_COPY_SUMMARIES = Statement(
    insert(SUMMARY).from_select(
        SUMMARY.c.keys(),
        select(
            SUMMARY.c.id + _b("shift", type_=BigInteger), *[each for each in SUMMARY.c if each.name != "id"]
        ).where(within(SUMMARY.c.id)),
    ),
    "shift low high",
)


def copy(
    mailbox_id: int,
    uids: UidRanges,
    target_id: int,
    viewer: AccountRef | None,
    *,
    moves: bool = False,
    kept: bool = False,
) -> Callable[[Transaction], Copied]:
    """The work behind `Storage.copy` and, if it moves, `Storage.move`. kept: who was not told can read it."""
    ranges = clipped(uids)

    def work(tx: Transaction) -> Copied:
        mailbox, target = tx.mailbox(mailbox_id), tx.mailbox(target_id)
        _require_one_tenant(tx, mailbox, target)
        watching = viewer_id(tx.connection, viewer, mailbox.account_id)
        shown = viewer_id(tx.connection, viewer, target.account_id)
        if watching is None and shown is None:
            items = selected(tx, _SIZES, mailbox, ranges)
            pairs = _copy(tx, mailbox, items, target)
        else:
            items, pairs = _copy_for(tx, mailbox, ranges, target, watching, shown)
        if moves:
            remove(tx, mailbox, items, kept=kept, moved=True)
        return Copied(target.uidvalidity, tuple(pairs))

    return work


def move_all(tx: Transaction, mailbox: MailboxRow, target: MailboxRow, *, kept: bool) -> None:
    """Every item of one mailbox into another of the same account."""
    items = selected(tx, _SIZES, mailbox, [(1, MAX_UID)])
    _copy(tx, mailbox, items, target)
    remove(tx, mailbox, items, kept=kept, moved=True)


def _copy(
    tx: Transaction, mailbox: MailboxRow, items: Columns[str], target: MailboxRow
) -> list[tuple[int, int]]:
    """items: with their sizes, and their flags as they will be counted."""
    if not items:
        return []
    first = target.take_uids(len(items))
    modseq = tx.touch(target, messages=len(items), unseen=count_unseen(items.flags), size=sum(items.figures))
    shifts = []  # of neighbours without a gap, so that no message of an expunged item is among them
    new = first
    for low, high in runs(items.uids):
        shifts.append((target.base + new - mailbox.base - low, mailbox.base + low, mailbox.base + high))
        new += high - low + 1
    tx.connection.many(_COPY, [(shift, modseq, low, high) for shift, low, high in shifts])
    tx.connection.many(
        _COPY_MESSAGES, [(shift, modseq, int(tx.now), low, high) for shift, low, high in shifts]
    )
    tx.connection.many(_COPY_SUMMARIES, shifts)
    tx.log(modseq, ChangeKind.APPENDED, target, (first, target.uidnext - 1))
    return list(zip(items.uids, range(first, target.uidnext), strict=True))


def _copy_for(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    target: MailboxRow,
    watching: int | None,
    shown: int | None,
) -> tuple[Columns[str], list[tuple[int, int]]]:
    """Copy what one sees who owns not both; the items as they were, and the pairs of UIDs.

    watching, shown: who it is in the mailbox and in the target, None for their owners.
    """
    tx.flush()
    items, states = _viewed(tx, mailbox, ranges, watching)
    kept = {SEEN} if shown is None else frozenset[str]()
    texts = [encoded(flags - {SEEN} | (flags & kept)) for flags in states]
    pairs = _copy(tx, mailbox, replace(items, flags=texts), target)
    new = [uid for _, uid in pairs]
    tx.connection.many(_SET_FLAGS, _alike(target, new, texts))
    if shown is not None:
        seen_uids = runs([uid for uid, flags in zip(new, states, strict=True) if SEEN in flags])
        see(tx.connection, shown, keys_of(target, seen_uids))
    return items, pairs


def _viewed(
    tx: Transaction, mailbox: MailboxRow, ranges: Sequence[Range], watching: int | None
) -> tuple[Columns[str], list[frozenset[str]]]:
    """Items with their sizes, and the flags of each as it is seen."""
    if watching is None:
        items = selected(tx, _SIZES, mailbox, ranges)
        return items, list(map(decoded, items.flags))
    rows = [
        row
        for low, high in keys_of(mailbox, ranges)
        for row in tx.connection.rows(_SIZES_SEEN, low, high, watching)
    ]
    items = Columns(
        array("I", [row[0] - mailbox.base for row in rows]),
        [row[1] for row in rows],
        array("Q", [row[2] for row in rows]),
    )
    return items, [viewed(text, seen is not None) for _, text, _, seen in rows]


def _alike(mailbox: MailboxRow, uids: Sequence[int], texts: Sequence[str]) -> list[tuple[str, int, int]]:
    """(flags, first id, last id) of neighbours that get the same; the UIDs have no gaps."""
    found = []
    for text, group in groupby(zip(texts, uids, strict=True), key=lambda pair: pair[0]):
        members = [uid for _, uid in group]
        found.append((text, mailbox.base + members[0], mailbox.base + members[-1]))
    return found


def _require_one_tenant(tx: Transaction, mailbox: MailboxRow, target: MailboxRow) -> None:
    """MailboxMissing where the target is another tenant's."""
    if mailbox.account_id == target.account_id:
        return
    tenants = [tx.connection.rows(_TENANT_OF, each.account_id)[0][0] for each in (mailbox, target)]
    if tenants[0] != tenants[1]:
        raise MailboxMissing(f"the mailbox with the id {target.id} is another tenant's")
