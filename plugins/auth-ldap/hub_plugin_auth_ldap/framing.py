"""Where a message ends in the octets that came, and whether it may be read at all.

The reader of messages trusts who sends them: it takes lengths of any size, and a tag of many octets costs it
their square (19 s for 250 KB). So it is shown whole messages alone, none of them too long, and no such tags.
"""

from __future__ import annotations

import re
from typing import Final

MAX_MESSAGE: Final = 256 << 10
"""Octets of one answer: a list with five thousand members, which takes 50 ms to read."""
_SEQUENCE: Final = 0x30
_LONG: Final = 0x80
# Every octet of a long tag but the last has this bit. No name, address or DN has so many without a blank.
_LONG_TAG: Final = re.compile(rb"[\x80-\xff]{512}")


def take_message(buffer: bytearray) -> bytes | None:
    """Take the first message (RFC 4511 §5.1) out of the buffer; None if it is not whole. ValueError."""
    if buffer and buffer[0] != _SEQUENCE:
        raise ValueError("it does not begin as a message does")
    if len(buffer) < 2:
        return None
    header, length = 2, buffer[1]
    if length >= _LONG:
        octets = length - _LONG
        if not 1 <= octets <= 4:
            raise ValueError("its length is written in no way that LDAP has")
        header += octets
        if len(buffer) < header:
            return None
        length = int.from_bytes(buffer[2:header], "big")
    if header + length > MAX_MESSAGE:
        raise ValueError(f"it is too long, {length} octets")
    if len(buffer) < header + length:
        return None
    message = bytes(buffer[: header + length])
    del buffer[: header + length]
    if _LONG_TAG.search(message):
        raise ValueError("it has a tag that LDAP has not")
    return message
