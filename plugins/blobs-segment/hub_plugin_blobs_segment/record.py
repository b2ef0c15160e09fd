"""The record around one message, and the reference that finds it again."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from zlib_ng.zlib_ng import crc32

from hub import BlobGone

MAGIC: Final = (
    b"\x89HuB"  # the first octet is in no UTF-8 text, so that no message looks like a record by chance
)
VERSION: Final = 1
PLAIN: Final = 0
NO_KEY: Final = 0
TRAILING: Final = (
    1  # the header stands behind the payload: the body was written before its header block was known
)

# magic, version, codec, flags, key, octets of recovery bytes, head and body, microseconds since the epoch,
# CRC-32 of head and of body, CRC-32 of all that and the recovery bytes.
_FIELDS: Final = struct.Struct("<4sBBHIIIQQII")
_CRC: Final = struct.Struct("<I")
HEADER_SIZE: Final = _FIELDS.size + _CRC.size
ORDINARY: Final = struct.Struct("<12sIIQ8xII")
"""The same of a record as nearly all are, as far as who reads many needs it: from magic to key in one, which
is `ORDINARY_KIND`, octets of recovery bytes, head and body, CRC-32 of head and of body."""
ORDINARY_KIND: Final = struct.pack("<4sBBHI", MAGIC, VERSION, PLAIN, 0, NO_KEY)
MAX_RECOVERY: Final = 1 << 20
MAX_HEAD: Final = (1 << 32) - 1

_NAME: Final = "[0-9a-z]{8}-[0-9a-z]{1,16}-[0-9a-z]{8}"
_PLACE: Final = ":([0-9]{1,15}):([0-9]{1,7}):([0-9]{1,15})"
_REFERENCE: Final = re.compile(rf"({_NAME}\.(?:seg|blob)){_PLACE}")
_IN_SEGMENTS: Final = re.compile(rf"^({_NAME}\.seg){_PLACE}$", re.MULTILINE)

Fields: TypeAlias = tuple[str, str, str, str]
"""Those of `Reference`, as they stand in its text."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a record says of itself; sizes in octets, time in seconds since the epoch."""

    head_size: int
    body_size: int
    head_crc: int
    body_crc: int
    time: float
    recovery: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a blob lies: from `offset` in a file, `skip` octets of record header, then the message."""

    file: str
    offset: int
    skip: int
    length: int

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}:{self.skip}:{self.length}"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """BlobGone if it is none of this driver's."""
        reference = cls.of(text)
        if reference is None:
            raise BlobGone(f"{text[:80]!r} is not a reference into segments")
        return reference

    @classmethod
    def of(cls, text: str) -> Reference | None:
        """None if it is none of this driver's."""
        found = _REFERENCE.fullmatch(text)
        return None if found is None else cls(found[1], int(found[2]), int(found[3]), int(found[4]))

    @property
    def store(self) -> str:
        """The name of the store that it was made by."""
        return store_of(self.file)

    @property
    def trailing(self) -> bool:
        """Whether it is a large message in a file of its own, whose header is the file's end."""
        return self.file.endswith(".blob")


def in_segments(texts: Sequence[str]) -> Sequence[Fields | None]:
    """The fields of each reference, None for what is no reference into a segment."""
    together = "\n".join(texts)
    found: list[Fields] = _IN_SEGMENTS.findall(together)
    if len(found) == len(texts) == together.count("\n") + 1:
        return found  # which is so but for the large ones: a third of the time
    matches = [_REFERENCE.fullmatch(text) for text in texts]
    return [
        cast(Fields, match.groups()) if match and not match[1].endswith(".blob") else None
        for match in matches
    ]


def store_of(file: str) -> str:
    """The name of the store that has made it."""
    return file[:8]


def check_sizes(head: bytes, recovery: bytes) -> None:
    """ValueError for what a record cannot hold, before it reaches the writer and with it a whole group."""
    if len(head) > MAX_HEAD or len(recovery) > MAX_RECOVERY:
        raise ValueError(
            f"a record holds {MAX_HEAD} octets of header block and {MAX_RECOVERY} of recovery bytes at most"
        )


def pack(header: Header, *, trailing: bool = False) -> bytes:
    """The octets of record header and recovery bytes, in the order in which they stand in the file."""
    fixed = _FIELDS.pack(
        MAGIC,
        VERSION,
        PLAIN,
        TRAILING if trailing else 0,
        NO_KEY,
        len(header.recovery),
        header.head_size,
        header.body_size,
        round(header.time * 1e6),
        header.head_crc,
        header.body_crc,
    )
    fixed += _CRC.pack(crc32(header.recovery, crc32(fixed)))
    return header.recovery + fixed if trailing else fixed + header.recovery


def recovery_size(fixed: bytes | memoryview) -> int | None:
    """How many recovery bytes belong to the fixed part of a header; None if it is none."""
    if len(fixed) < HEADER_SIZE or fixed[:4] != MAGIC:
        return None
    size: int = _FIELDS.unpack_from(fixed)[5]
    return size if size <= MAX_RECOVERY else None


def unpack(block: bytes | bytearray | memoryview, *, trailing: bool = False) -> Header:
    """Read what `pack` has made, whole; BlobGone if it is damaged, or of a kind that cannot be read."""
    at = len(block) - HEADER_SIZE if trailing else 0
    fixed = bytes(block[at : at + HEADER_SIZE]) if at >= 0 else b""
    expected = recovery_size(fixed)
    if expected is None or expected != len(block) - HEADER_SIZE:
        raise BlobGone("there is no record at that place")
    recovery = bytes(block[:at] if trailing else block[HEADER_SIZE:])
    (crc,) = _CRC.unpack_from(fixed, _FIELDS.size)
    if crc != crc32(recovery, crc32(fixed[: _FIELDS.size])):
        raise BlobGone("the record's header is damaged")
    _, version, codec, flags, key, _, head, body, time, head_crc, body_crc = _FIELDS.unpack_from(fixed)
    if (version, codec, key, bool(flags & TRAILING)) != (VERSION, PLAIN, NO_KEY, trailing):
        raise BlobGone(f"a record of version {version}, codec {codec}, key {key} cannot be read by this hub")
    return Header(head, body, head_crc, body_crc, time / 1e6, recovery)


def payload_places(reference: Reference, header: Header) -> tuple[int, int]:
    """Where in the file the header block and the body begin."""
    if reference.trailing:
        return reference.offset - header.head_size, reference.offset - header.head_size - header.body_size
    start = reference.offset + reference.skip
    return start, start + header.head_size
