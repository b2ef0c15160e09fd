"""Changing what is installed, whole or not at all, each step one rename.

A folder is filled aside and then takes its place. Of two versions beside each other one is seen, until the
older one is hidden, and its folder is removed when nobody uses it any more: at no time is there none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hub.loading.sources import module_name
from hub.loading.trust import why_untrusted
from hub.registry.index import RegistryError

HIDDEN: Final = ".hidden"
"""Ends the name of the metadata of a plugin that is no more, in a folder that is still used."""


def prepare(folder: Path) -> None:
    """Make the plugin folder if need be, and see that we may write it and nobody else. RegistryError."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            owner = folder.stat().st_uid
            raise RegistryError(
                f"you cannot write the plugin folder {folder}: run this as {_user(owner)} or as root"
            )
        untrusted = why_untrusted(folder)
    except OSError as error:
        raise RegistryError(f"the plugin folder {folder} cannot be used: {error.strerror}") from None
    if untrusted:
        raise RegistryError(f"the plugin folder {folder} is refused: {untrusted}")


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Path]:
    """Alone among those who change a plugin folder; a folder in it that no catalogue sees, for the time.

    RegistryError if somebody else is at it.
    """
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RegistryError(f"somebody else is changing {folder} now") from None
        for left in (*folder.glob(".staging-*"), *(each.parent for each in folder.glob(f"*/.*{HIDDEN}"))):
            shutil.rmtree(left, ignore_errors=True)  # by who was killed
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
        try:
            staging.chmod(0o755)
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        os.close(descriptor)


def place(staged: Path, target: Path) -> Callable[[], object]:
    """Have the staged folder be `target`, which is not there yet. The undoing.

    All of it is on disk before that, so that a crash leaves all of it or nothing.
    """
    _sync(staged)
    staged.rename(target)
    _sync_folder(target.parent)
    return lambda: target.rename(staged)


def hide(folder: Path, plugin: str) -> Callable[[], object]:
    """Have no catalogue see the plugin that is installed in a folder, its files where they are. The undoing.

    Mail that is under way ends with the plugin that it began with, which may yet read or import them.
    """
    (known,) = folder.glob(f"{module_name(plugin)}-*.dist-info")
    hidden = folder / f".{known.name}{HIDDEN}"
    known.rename(hidden)
    return lambda: hidden.rename(known)


def _sync(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(parent, name), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        _sync_folder(Path(parent))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
