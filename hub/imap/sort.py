"""SORT and UID SORT (RFC 5256 §2.2), by displayed names (RFC 5957), by relevancy (RFC 6203), with RETURN
(RFC 5267)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from hub.imap.command import Command, State
from hub.imap.criteria import Indexes
from hub.imap.kept import SortEntry
from hub.imap.replies import Reply, bad
from hub.imap.results import answer, check_relevancy, program_of, returns_of, saving
from hub.imap.searched import Searched, searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.services.summary import MessageColumn


class Scored(enum.Enum):
    """What is sorted by beside columns."""

    RELEVANCY = enum.auto()  # RFC 6203 §6: the highest score first


_COLUMNS: MappingProxyType[bytes, MessageColumn | Scored] = MappingProxyType(
    {
        b"ARRIVAL": MessageColumn.INTERNAL_DATE,
        b"CC": MessageColumn.CC,
        b"DATE": MessageColumn.SENT,
        b"DISPLAYFROM": MessageColumn.SENDER_NAME,
        b"DISPLAYTO": MessageColumn.TO_NAME,
        b"FROM": MessageColumn.SENDER,
        b"RELEVANCY": Scored.RELEVANCY,
        b"SIZE": MessageColumn.SIZE,
        b"SUBJECT": MessageColumn.SUBJECT,
        b"TO": MessageColumn.TO,
    }
)
_MAX_KEYS: Final = 50


SortKey = tuple[MessageColumn | Scored, bool]
"""What is compared, and whether in reverse."""


def read_sort_keys(reader: Reader) -> tuple[SortKey, ...]:
    """`(REVERSE DATE SUBJECT)`, without those that cannot decide any more."""
    reader.expect(b"(", "the keys to sort by in parentheses")
    found: dict[MessageColumn | Scored, bool] = {}
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
    order = sorted(await mailbox.load(_columns(keys), found))
    uids = mailbox.uids
    for key, reverse in reversed(keys):  # each sort leaves alone what the ones before it agree about
        values = await _values(mailbox, key, order)
        by_index = {at: values[uids[at]] for at in order}
        order.sort(key=by_index.__getitem__, reverse=reverse)
        await mailbox.session.out.flow()
    return order


async def sort_entries(keys: Sequence[SortKey], mailbox: Searched, indexes: Sequence[int]) -> list[SortEntry]:
    """What these messages are compared by, in their order: sorted, they stand as `in_order` puts them."""
    loaded = await mailbox.load(_columns(keys), frozenset(indexes))
    indexes = [at for at in indexes if at in loaded]
    uids = [mailbox.uids[at] for at in indexes]
    columns = []
    for key, reverse in keys:
        values = await _values(mailbox, key, indexes)
        columns.append([_Descending(values[uid]) if reverse else values[uid] for uid in uids])
    return list(zip(*columns, uids, strict=True))


@dataclass(frozen=True, slots=True)
class _Descending:
    """What is compared the other way round."""

    value: Any

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)


async def _values(
    mailbox: Searched, key: MessageColumn | Scored, indexes: Sequence[int]
) -> Mapping[int, Any]:
    """What messages have at a key, by UID."""
    uids = [mailbox.uids[at] for at in indexes]
    if key is MessageColumn.SENT:
        return sent_dates(mailbox, uids)
    if isinstance(key, MessageColumn):
        return mailbox.column(key)
    scores = await mailbox.relevancy(indexes)
    return {uid: -score for uid, score in zip(uids, scores, strict=True)}


def _columns(keys: Sequence[SortKey]) -> list[MessageColumn]:
    columns = [key for key, _ in keys if isinstance(key, MessageColumn)]
    if MessageColumn.SENT in columns:
        columns.append(MessageColumn.INTERNAL_DATE)  # for messages without a date
    return columns


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
    returns = returns_of(session, reader)
    with saving(session, returns):
        keys = read_sort_keys(reader)
        reader.space()
        program = program_of(session, reader)
        program.read_charset()
        criteria = program.read_keys()
        by_relevancy = any(key is Scored.RELEVANCY for key, _ in keys)
        check_relevancy(program, returns, sorts=by_relevancy)
        program.lasting = program.lasting and not by_relevancy  # a score depends on the other messages
        mailbox = searched(session, session.mailbox)
        order = await in_order(mailbox, await mailbox.find(criteria), keys)
    entries = partial(sort_entries, keys)
    return await answer(
        mailbox, order, program, criteria, returns, word=b"SORT", by_uid=by_uid, entries=entries
    )


COMMANDS = (
    Command("SORT", _sort, State.SELECTED, renumbers=False, attended=True),
    Command("UID SORT", _uid_sort, State.SELECTED, attended=True),
)
