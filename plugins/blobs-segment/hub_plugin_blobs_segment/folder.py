"""The folder of a store: its name, the names of its files, and what dead processes have left in it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub import StoreFull

_NAME_FILE: Final = "store"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def store_name(folder: Path) -> str:
    """The 8 characters that every file and reference of this store begins with; made at its first use."""
    path = folder / _NAME_FILE
    while True:
        try:
            name = path.read_text("ascii").strip()
        except FileNotFoundError:
            _make_name(folder, path)
            continue
        if len(name) == 8 and name.isalnum() and name == name.lower():
            return name
        raise ValueError(f"{path} should hold the store's name, 8 letters and digits, not {name[:20]!r}")


def _make_name(folder: Path, path: Path) -> None:
    """Segments that are there without it, from a backup perhaps, keep their name."""
    known = {file.name[:8] for file in files(folder, ".seg", ".blob")}
    if len(known) > 1:
        raise ValueError(
            f"{path} is missing and its neighbours belong to several stores: {', '.join(sorted(known))}"
        )
    draft = folder / f".{_NAME_FILE}-{secrets.token_hex(8)}"
    draft.write_text((known.pop() if known else secrets.token_hex(4)) + "\n", "ascii")
    try:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, path)  # never replaces the name that another process has made meanwhile
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_folder(folder)


def files(folder: Path, *suffixes: str) -> list[Path]:
    """Those of the store's files, the oldest first."""
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.name.count("-") == 2)


def file_sizes(folder: Path) -> dict[Path, int]:
    """Every file with messages that is kept, the oldest first, and its octets."""
    found: dict[Path, int] = {}
    for path in files(folder, ".seg", ".blob"):
        try:
            found[path] = path.stat().st_size
        except FileNotFoundError:  # somebody collects garbage
            continue
    return found


def new_name(store: str) -> str:
    """A file name without suffix, never used before; names sort by age."""
    return f"{store}-{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(4)}"


def sync_folder(folder: Path) -> None:
    """Make durable which files are in the folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create_locked(folder: Path, store: str, suffix: str) -> tuple[int, Path]:
    """A new file, open for reading and writing and locked; the caller makes its name durable."""
    while True:
        path = folder / (new_name(store) + suffix)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Between the two calls another process may take it for left behind; then it is theirs.
        if lock(fd) and os.fstat(fd).st_nlink:
            return fd, path
        os.close(fd)


def lock(fd: int) -> bool:
    """Lock a file for as long as it is open; False if a living process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def left_behind(folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Writable files whose writer is gone, locked, the newest first; the taker closes them."""
    for path in reversed(files(folder, suffix)):
        try:
            if not path.stat().st_mode & 0o200:
                continue
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue
        status = os.fstat(fd)
        if not lock(fd) or not os.fstat(fd).st_mode & 0o200 or not status.st_nlink:
            os.close(fd)  # its writer lives, or has sealed or renamed it meanwhile
            continue
        yield fd, path


def remove_parts(folder: Path) -> int:
    """Remove large messages that were never kept; how many there were."""
    count = 0
    for fd, path in left_behind(folder, ".part"):
        path.unlink(missing_ok=True)
        os.close(fd)
        count += 1
    return count


def check_space(folder: Path, wanted: int, keep_free: int) -> int:
    """Octets that writing `wanted` leaves besides `keep_free`; StoreFull if it leaves less than that."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free - wanted < keep_free:
        raise StoreFull(
            errno.ENOSPC,
            f"{free // 1_000_000} MB are free, the last {keep_free // 1_000_000} MB are not for new mail",
            str(folder),
        )
    return free - wanted - keep_free


def as_store_error(error: OSError) -> OSError:
    """StoreFull for an error that says so, else the error itself."""
    if error.errno in _FULL and not isinstance(error, StoreFull):
        return StoreFull(error.errno, os.strerror(error.errno or 0))
    return error
