"""Whose certificates are believed: files of the operator's, read again when they have changed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeAlias

from hub.log import get_logger

_Stamp: TypeAlias = tuple[int, int, int] | None

_log = get_logger(area="relay")


class Trusts:
    """The contexts of one process."""

    def __init__(self) -> None:
        self._known: dict[Path | None, tuple[_Stamp, ssl.SSLContext]] = {}

    def of(self, path: Path | None) -> ssl.SSLContext:
        """One that wants the name, certified by an authority in the file; without, of the system.

        A file that has become unreadable counts as it was. OSError if it was never readable.
        """
        known, stamp = self._known.get(path), _stamp(path)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            context = ssl.create_default_context(cafile=path)
        except OSError as error:  # of ssl too
            if known is None:
                raise
            context = known[1]
            _log.error("certificates to trust cannot be read", file=str(path), reason=str(error))
        self._known[path] = stamp, context
        return context


def _stamp(path: Path | None) -> _Stamp:
    """What differs when a file was written; None if there is none."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
