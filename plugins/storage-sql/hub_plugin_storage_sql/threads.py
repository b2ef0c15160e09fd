"""Threads: each key of an account's messages with the thread that it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, func, insert, select, update

from hub_plugin_storage_sql.database import Reads, Statement, Writes
from hub_plugin_storage_sql.schema import COLLECTION, THREAD
from hub_plugin_storage_sql.transaction import Transaction

_b = bindparam
_AT_ONCE: Final = 1000
"""Keys that are looked for in one statement."""
_LARGE: Final = 1000
"""Keys of a thread that does not become part of another any more, so that no message costs more than that."""

_ACCOUNT_OF: Final = Statement(
    select(COLLECTION.c.account_id).where(COLLECTION.c.id == _b("mailbox")), "mailbox"
)
_ADD: Final = Statement(
    insert(THREAD).values({column: _b(f"new_{column.key}") for column in THREAD.c}),
    " ".join(f"new_{column.key}" for column in THREAD.c),
)
_IS_MESSAGE: Final = Statement(
    update(THREAD)
    .where(THREAD.c.account_id == _b("account"), THREAD.c.key == _b("own"))
    .values(is_message=True),
    "account own",
)
_OF_THREAD = (THREAD.c.account_id == _b("account")) & (THREAD.c.thread == _b("old"))
_SOME: Final = select(THREAD.c.key).where(_OF_THREAD).limit(_b("most")).subquery()
_SIZE: Final = Statement(select(func.count()).select_from(_SOME), "account old most")
_MERGE: Final = Statement(update(THREAD).where(_OF_THREAD).values(thread=_b("new")), "new account old")


def threads(db: Reads, mailbox: int, keys: Sequence[int]) -> Mapping[int, int]:
    """The thread of each of these messages that is in one."""
    row = db.row(_ACCOUNT_OF, mailbox)
    return {} if row is None else {key: thread for key, thread, is_own in _known(db, row[0], keys) if is_own}


def join(mailbox: int, messages: Sequence[Sequence[int]]) -> Callable[[Transaction], None]:
    """The work behind `Storage.join_threads`."""

    def work(tx: Transaction) -> None:
        joining = _Joining(tx.connection, tx.mailbox(mailbox).account_id, messages)
        for keys in messages:
            joining.add(keys)
        joining.write()

    return work


class _Joining:
    """What is known of the keys of some messages, and what becomes of it."""

    def __init__(self, db: Writes, account: int, messages: Sequence[Sequence[int]]) -> None:
        self._db = db
        self._account = account
        self._thread: dict[int, int] = {}
        self._read: dict[int, bool] = {}  # the keys that have a row, and whether they are messages
        self._own = {keys[-1] for keys in messages}
        self._into: dict[int, int] = {}  # threads that are part of others by now
        for key, thread, is_own in _known(db, account, list({key for keys in messages for key in keys})):
            self._thread[key], self._read[key] = thread, is_own

    def add(self, keys: Sequence[int]) -> None:
        """One message."""
        met = list(dict.fromkeys(self._now(self._thread[key]) for key in keys if key in self._thread))
        thread = met[0] if met else keys[0]
        for other in met[1:]:
            thread = self._merged(thread, other)
        for key in keys:
            self._thread.setdefault(key, thread)

    def write(self) -> None:
        """What is new."""
        rows = [
            (self._account, key, self._now(thread), key in self._own)
            for key, thread in sorted(self._thread.items())
            if key not in self._read
        ]
        self._db.many(_ADD, rows)
        found = [(self._account, key) for key in sorted(self._own) if self._read.get(key) is False]
        self._db.many(_IS_MESSAGE, found)

    def _now(self, thread: int) -> int:
        while thread in self._into:
            thread = self._into[thread]
        return thread

    def _merged(self, one: int, other: int) -> int:
        """Both as one, or the first if they are too large for that."""
        sizes = {each: self._db.rows(_SIZE, self._account, each, _LARGE + 1)[0][0] for each in (one, other)}
        if min(sizes.values()) > _LARGE:
            return one
        larger, smaller = (one, other) if sizes[one] >= sizes[other] else (other, one)
        self._db.run(_MERGE, larger, self._account, smaller)
        self._into[smaller] = larger
        return larger


def _known(db: Reads, account: int, keys: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """(key, thread, whether it is a message's own) of those that have a row."""
    for start in range(0, len(keys), _AT_ONCE):
        wanted = (THREAD.c.account_id == account) & THREAD.c.key.in_(keys[start : start + _AT_ONCE])
        query = select(THREAD.c.key, THREAD.c.thread, THREAD.c.is_message).where(wanted)
        yield from map(tuple, db.core.execute(query))
