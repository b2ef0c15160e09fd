"""The one id that a message has from MAIL on: queue id, trace id and the word after `delivered as`."""

from __future__ import annotations

import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # base 32 without i, l, o, u: read over the telephone
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{18}\Z")


def new_id() -> str:
    """18 characters: 10 of the time in milliseconds, so that ids sort by age, and 8 (40 bits) of chance."""
    number = (time.time_ns() // 1_000_000) << 40 | int.from_bytes(os.urandom(5), "big")
    return "".join([_ALPHABET[(number >> shift) & 31] for shift in range(85, -1, -5)])


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id."""
    return _ID.match(text) is not None
