"""The small pieces of responses as octets (RFC 3501 §9): strings, flags, dates, address lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

NIL = b"NIL"
_PLAIN = re.compile(rb'[^\x00\r\n"\\\x80-\xff]{0,4096}+')
_UNQUOTABLE = re.compile(rb"[\x00\r\n\x80-\xff]")
_TO_ESCAPE = re.compile(rb'(["\\])')
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def string(octets: bytes) -> bytes:
    """Quoted, or a literal where quoting cannot hold it. NUL, which no string may hold, becomes 0x80."""
    if _PLAIN.fullmatch(octets):
        return b'"%b"' % octets
    if _UNQUOTABLE.search(octets) or len(octets) > 4096:
        return b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"\x80"))
    return quoted(octets)


def quoted(octets: bytes) -> bytes:
    """Octets in quotes, which must not hold NUL, CR or LF; beyond ASCII for who has enabled UTF-8 alone."""
    if b'"' in octets or b"\\" in octets:
        octets = _TO_ESCAPE.sub(rb"\\\1", octets)
    return b'"%b"' % octets


def nstring(octets: bytes | None) -> bytes:
    """The string, or NIL for None."""
    return NIL if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    """An atom where the octets are one, else a string."""
    return octets if _ATOM.fullmatch(octets) and octets.upper() != NIL else string(octets)


@lru_cache(maxsize=4096)
def flag_list(flags: frozenset[str]) -> bytes:
    """`(\\Seen $Label)`, system flags first."""
    return b"(%b)" % b" ".join([flag.encode("ascii", "replace") for flag in ordered(flags)])


def ordered(flags: Iterable[str]) -> list[str]:
    """System flags first, each kind by name."""
    return sorted(flags, key=lambda flag: (not flag.startswith("\\"), flag))


def internal_date(seconds: int) -> bytes:
    """`"01-Jan-2026 12:00:00 +0000"` (RFC 3501 §9 date-time)."""
    when = datetime.fromtimestamp(seconds, UTC)
    return b'"%02d-%b-%04d %02d:%02d:%02d +0000"' % (
        when.day,
        MONTHS[when.month - 1],
        when.year,
        when.hour,
        when.minute,
        when.second,
    )
