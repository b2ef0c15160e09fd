"""SORT and UID SORT (RFC 5256 §2.2), by displayed names (RFC 5957), with RETURN (RFC 5267)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from hub.imap.command import Command, State
from hub.imap.criteria import Indexes
from hub.imap.replies import Reply, bad
from hub.imap.results import answer, program_of, saving
from hub.imap.returns import read_returns
from hub.imap.searched import Searched, searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.services.summary import MessageColumn

_COLUMNS = MappingProxyType(
    {
        b"ARRIVAL": MessageColumn.INTERNAL_DATE,
        b"CC": MessageColumn.CC,
        b"DATE": MessageColumn.SENT,
        b"DISPLAYFROM": MessageColumn.SENDER_NAME,
        b"DISPLAYTO": MessageColumn.TO_NAME,
        b"FROM": MessageColumn.SENDER,
        b"SIZE": MessageColumn.SIZE,
        b"SUBJECT": MessageColumn.SUBJECT,
        b"TO": MessageColumn.TO,
    }
)
_MAX_KEYS: Final = 50

SortKey = tuple[MessageColumn, bool]
"""What is compared, and whether in reverse."""


def read_sort_keys(reader: Reader) -> tuple[SortKey, ...]:
    """`(REVERSE DATE SUBJECT)`, without those that cannot decide any more."""
    reader.expect(b"(", "the keys to sort by in parentheses")
    found: dict[MessageColumn, bool] = {}
    for _ in range(_MAX_KEYS):
        word = reader.word("a key to sort by")
        reverse = word == b"REVERSE"
        if reverse:
            reader.space()
            word = reader.word("a key to sort by")
        if word not in _COLUMNS:
            known = b" ".join(_COLUMNS).decode()
            raise bad(f"SORT takes {known}, each with or without REVERSE before it, not {word.decode()[:40]}")
        found.setdefault(_COLUMNS[word], reverse)
        if reader.take(b")"):
            return tuple(found.items())
        reader.space()
    raise bad(f"SORT takes at most {_MAX_KEYS} keys")


async def in_order(mailbox: Searched, found: Indexes, keys: Sequence[SortKey]) -> list[int]:
    """The indexes sorted; what is equal, by sequence number."""
    columns = [column for column, _ in keys]
    if MessageColumn.SENT in columns:
        columns.append(MessageColumn.INTERNAL_DATE)  # for messages without a date
    order = sorted(await mailbox.load(columns, found))
    uids = mailbox.uids
    for column, reverse in reversed(keys):  # each sort leaves alone what the ones before it agree about
        is_date = column is MessageColumn.SENT
        values = sent_dates(mailbox, [uids[at] for at in order]) if is_date else mailbox.column(column)
        by_index = {at: values[uids[at]] for at in order}
        order.sort(key=by_index.__getitem__, reverse=reverse)
        await mailbox.session.out.flow()
    return order


def sent_dates(mailbox: Searched, uids: Iterable[int]) -> dict[int, int]:
    """When each message was sent, or without a readable Date has arrived (RFC 5256 §2.2); by UID."""
    arrived, sent = mailbox.column(MessageColumn.INTERNAL_DATE), mailbox.column(MessageColumn.SENT)
    return {uid: arrived[uid] if (date := sent[uid]) is None else date for uid in uids}


async def _sort(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_sort(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    returns = read_returns(reader)
    with saving(session, returns):
        keys = read_sort_keys(reader)
        reader.space()
        program = program_of(session, reader)
        program.read_charset()
        criteria = program.read_keys()
        mailbox = searched(session, session.mailbox)
        order = await in_order(mailbox, await mailbox.find(criteria), keys)
    return await answer(mailbox, order, program, returns, word=b"SORT", by_uid=by_uid)


COMMANDS = (
    Command("SORT", _sort, State.SELECTED, renumbers=False, attended=True),
    Command("UID SORT", _uid_sort, State.SELECTED, attended=True),
)
