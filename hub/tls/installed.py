"""Certificates that plugins install, each a folder in `<data>/certificates`; a person may put one there too.

    <name>/chain.pem, <name>/key.pem    for who asks for a name of the certificate
    <name>@acme-tls%2F1/…               for who offers that protocol for that name, and for nobody else

A folder that the hub wrote is a symbolic link to a version of it beside it: both files change at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hub.tls.pair import Pair, PairError, read_pair

FOLDER: Final = "certificates"
"""In the data folder."""
CHAIN: Final = "chain.pem"
KEY: Final = "key.pem"

_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?")


def folder_of(data: Path, name: str, alpn: str | None = None) -> Path:
    """Where a certificate of this name lies. ValueError if it cannot be a name."""
    name = name.lower().rstrip(".")
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"'{name}' cannot name a certificate: a host name in ASCII letters can, or *.name")
    return data / FOLDER / (f"{name}@{quote(alpn, safe='')}" if alpn else name)


def installed(data: Path) -> Iterator[Path]:
    """The folders of the certificates that are served by their names, in order."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for each in sorted((data / FOLDER).iterdir()):
            if not each.name.startswith(".") and "@" not in each.name and each.is_dir():
                yield each


def read_installed(folder: Path) -> Pair:
    """The pair in a folder. PairError; blocks."""
    with contextlib.suppress(OSError):
        real = folder.resolve(strict=True)  # once, or the two files might be of two versions
        return read_pair(f"{FOLDER}/{folder.name}", real / CHAIN, real / KEY)
    raise PairError("certificate", f"{folder}: it cannot be read")


def install(data: Path, name: str, chain: bytes, key: bytes, alpn: str | None = None) -> None:
    """Put a certificate in the place of the one of this name. ValueError if it cannot be used; blocks.

    The files are on the disk when it returns, and for the hub's user alone. What is there already is left
    alone, so that each worker may see to it that all have it.
    """
    place = folder_of(data, name, alpn)
    with contextlib.suppress(OSError):
        if ((place / CHAIN).read_bytes(), (place / KEY).read_bytes()) == (chain, key):
            return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        for file, content in ((CHAIN, chain), (KEY, key)):
            _write(fresh / file, content)
        read_pair(name, fresh / CHAIN, fresh / KEY)
        old = _version(place)
        if old is None and place.is_dir():  # a person's own folder
            old = fresh.with_name(f"{fresh.name}.old")
            place.rename(old)
        link = fresh.with_name(f"{fresh.name}.link")
        link.symlink_to(fresh.name)
        link.replace(place)
        _sync(place.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def remove(data: Path, name: str, alpn: str | None = None) -> None:
    """Serve the certificate of this name no more; nothing happens if there is none. Blocks."""
    place = folder_of(data, name, alpn)
    old = _version(place)
    if old is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    place.unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)
    _sync(place.parent)


def _version(place: Path) -> Path | None:
    """The folder that the hub wrote for it."""
    return place.parent / place.readlink() if place.is_symlink() else None


def _write(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
