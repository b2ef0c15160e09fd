"""Items copied and moved between mailboxes; the blobs are shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from sqlalchemy import BigInteger, bindparam, insert, select, update

from hub import AccountRef, ChangeKind, Copied, MailboxMissing, UidRanges
from hub_plugin_storage_sql.database import Row, Statement
from hub_plugin_storage_sql.flags import SEEN, encoded
from hub_plugin_storage_sql.items import count_unseen, keys_of, remove, selected
from hub_plugin_storage_sql.ranges import MAX_UID, Range, clipped, runs
from hub_plugin_storage_sql.schema import ACCOUNT, ITEM, SUMMARY
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import see, viewed, viewer_id, with_seen

_b = bindparam
_WITHIN = ITEM.c.id.between(_b("low"), _b("high"))

_SIZE = select(ITEM.c.id, ITEM.c.flags, ITEM.c.size).where(_WITHIN).order_by(ITEM.c.id)
_SIZES = Statement(_SIZE, "low high")
_SIZES_SEEN = Statement(with_seen(_SIZE), "low high viewer")
_SET_FLAGS = Statement(update(ITEM).where(_WITHIN).values(flags=_b("new_flags")), "new_flags low high")
_TENANT_OF = Statement(select(ACCOUNT.c.tenant_id).where(ACCOUNT.c.id == _b("account")), "account")
_NEW_MODSEQ = _b("new_modseq", type_=BigInteger)
_COPIED = [column for column in ITEM.c if column.name not in ("id", "modseq", "created_modseq", "saved_at")]
_COPY = Statement(
    insert(ITEM).from_select(
        ["id", "modseq", "created_modseq", "saved_at", *[column.name for column in _COPIED]],
        select(
            ITEM.c.id + _b("shift", type_=BigInteger),
            _NEW_MODSEQ,
            _NEW_MODSEQ,
            _b("saved", type_=BigInteger),
            *_COPIED,
        ).where(_WITHIN),
    ),
    "shift new_modseq saved low high",
)

# What lies beside the items goes where they go.
_COPY_SUMMARIES = Statement(
    insert(SUMMARY).from_select(
        SUMMARY.c.keys(),
        select(
            SUMMARY.c.id + _b("shift", type_=BigInteger), *[each for each in SUMMARY.c if each.name != "id"]
        ).where(SUMMARY.c.id.between(_b("low"), _b("high"))),
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
            rows = selected(tx, _SIZES, mailbox, ranges)
            pairs = _copy(tx, mailbox, rows, target)
        else:
            rows, pairs = _copy_for(tx, mailbox, ranges, target, watching, shown)
        if moves:
            remove(tx, mailbox, rows, kept=kept, moved=True)
        return Copied(target.uidvalidity, tuple(pairs))

    return work


def move_all(tx: Transaction, mailbox: MailboxRow, target: MailboxRow, *, kept: bool) -> None:
    """Every item of one mailbox into another of the same account."""
    rows = selected(tx, _SIZES, mailbox, [(1, MAX_UID)])
    _copy(tx, mailbox, rows, target)
    remove(tx, mailbox, rows, kept=kept, moved=True)


def _copy(
    tx: Transaction, mailbox: MailboxRow, rows: Sequence[Row], target: MailboxRow
) -> list[tuple[int, int]]:
    """rows: (UID, flags as they will be counted, size)."""
    if not rows:
        return []
    first = target.take_uids(len(rows))
    modseq = tx.touch(
        target, messages=len(rows), unseen=count_unseen(rows), size=sum(size for _, _, size in rows)
    )
    pairs = [(row[0], uid) for uid, row in enumerate(rows, first)]
    new_uid = dict(pairs)
    shifts = [
        (target.base + new_uid[low] - mailbox.base - low, mailbox.base + low, mailbox.base + high)
        for low, high in runs([uid for uid, _ in pairs])
    ]
    tx.connection.many(_COPY, [(shift, modseq, int(tx.now), low, high) for shift, low, high in shifts])
    tx.connection.many(_COPY_SUMMARIES, shifts)
    tx.log(modseq, ChangeKind.APPENDED, target, (first, target.uidnext - 1))
    return pairs


def _copy_for(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    target: MailboxRow,
    watching: int | None,
    shown: int | None,
) -> tuple[list[Row], list[tuple[int, int]]]:
    """Copy what one sees who owns not both; rows as they were, and the pairs of UIDs.

    watching, shown: who it is in the mailbox and in the target, None for their owners.
    """
    tx.flush()
    rows: list[Row] = []
    states: list[frozenset[str]] = []
    for low, high in keys_of(mailbox, ranges):
        for key, text, size, *seen in _rows(tx, low, high, watching):
            rows.append((key - mailbox.base, text, size))
            states.append(viewed(text, seen[0] is not None if seen else SEEN in text.split(" ")))
    kept = {SEEN} if shown is None else frozenset[str]()
    texts = [encoded(flags - {SEEN} | (flags & kept)) for flags in states]
    counted = [(uid, text, size) for (uid, _, size), text in zip(rows, texts, strict=True)]
    pairs = _copy(tx, mailbox, counted, target)
    new = [uid for _, uid in pairs]
    tx.connection.many(_SET_FLAGS, _alike(target, new, texts))
    if shown is not None:
        seen_uids = runs([uid for uid, flags in zip(new, states, strict=True) if SEEN in flags])
        see(tx.connection, shown, keys_of(target, seen_uids))
    return rows, pairs


def _rows(tx: Transaction, low: int, high: int, watching: int | None) -> list[Row]:
    if watching is None:
        return tx.connection.rows(_SIZES, low, high)
    return tx.connection.rows(_SIZES_SEEN, low, high, watching)


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
