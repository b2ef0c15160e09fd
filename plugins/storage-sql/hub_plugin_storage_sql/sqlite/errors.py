"""SQLite's errors as those that the callers of a store know."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

from hub import StoreFull

_MEANING = {
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


def translated(error: BaseException) -> Exception:
    """StoreFull for a full disk, OSError for a failing or a busy one, any other error as it is."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        # An error of Python's module itself has no code. The low octet is the primary code.
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return StoreFull(errno.ENOSPC, f"the disk of the index is full: {cause}")
        if code in _MEANING:
            return OSError(_MEANING[code], f"the index could not be written: {cause}")
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"a piece of work ended with {error!r}")  # what no future can carry
