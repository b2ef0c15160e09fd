"""PostgreSQL's errors as those that the callers of a store know."""

from __future__ import annotations

import errno
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from hub import StoreFull

CONFLICTS: Final = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
        "23505",  # unique violation: another hub has just made the same account, mailbox or key
        "0A000",  # a cached plan that a migration has made useless
    }
)
"""Codes (SQLSTATE) of transactions that may well succeed when they are run anew."""

_DISK_FULL: Final = "53100"
_MEANING: Final = {
    "25006": errno.EROFS,
    "53": errno.EAGAIN,  # insufficient resources
    "55P03": errno.EBUSY,
    "40": errno.EBUSY,
    "57014": errno.ETIMEDOUT,
    "58": errno.EIO,
}


def sqlstate(error: BaseException) -> str:
    """The server's code for an error, empty if it is none of the server's."""
    cause: object = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


def translated(error: BaseException) -> Exception:
    """StoreFull for a full disk, OSError for a failing, busy or lost database, any other error as it is."""
    code = sqlstate(error)
    if code == _DISK_FULL:
        return StoreFull(errno.ENOSPC, f"the disk of the database is full: {error}")
    if _is_lost(error, code):
        return ConnectionError(errno.ENOTCONN, f"the connection to the database is lost: {error}")
    meaning = _MEANING.get(code) or _MEANING.get(code[:2])
    if meaning is not None:
        return OSError(meaning, f"the database could not do it: {error}")
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"a piece of work ended with {error!r}")  # what no future can carry


def _is_lost(error: BaseException, code: str) -> bool:
    """Whether it says that there is no connection: connection exceptions, shutdowns, asyncpg's own words."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return code.startswith(("08", "57P")) or isinstance(error, asyncpg.InterfaceError)
