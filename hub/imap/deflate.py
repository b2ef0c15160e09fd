"""Streams of DEFLATE (RFC 1951) both ways, bounded in memory (RFC 4978)."""

from __future__ import annotations

import zlib
from typing import Final

_RAW: Final = -15  # neither header nor checksum (RFC 4978 §3)
_LEVEL: Final = 4  # of nine: twice as fast as the usual six and little larger


class Inflater:
    """What a client sends. It keeps the last 32 KiB of it, which the client may refer to."""

    __slots__ = ("_deflated", "_inflate", "pending")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_RAW)
        self._deflated = b""
        self.pending = False

    def feed(self, data: bytes) -> None:
        """Octets have arrived."""
        self._deflated += data
        self.pending = True

    def take(self, size: int) -> bytes:
        """At most so many of the inflated octets; `pending` says whether there may be more. zlib.error."""
        octets = self._inflate.decompress(self._deflated, size)
        self._deflated = self._inflate.unconsumed_tail
        self.pending = bool(self._deflated) or len(octets) == size
        if self._inflate.eof:
            raise zlib.error("the stream has ended before the connection")
        return octets


class Deflater:
    """What a client gets. Each flush ends on an octet, and so another compressor may go on: 256 KiB of tables
    are held only while there is something to say."""

    __slots__ = ("_deflate",)

    def __init__(self) -> None:
        self._deflate: zlib._Compress | None = None

    def deflate(self, octets: bytes) -> bytes:
        """All that the client needs to read these."""
        if self._deflate is None:
            self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        return self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def rest(self) -> None:
        """Let go of the tables."""
        self._deflate = None
