"""The one id that a message has from MAIL on: queue id, trace id and the word after `delivered as`."""

from __future__ import annotations

import random
import re
import time
from typing import Final

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # base 32 without i, l, o, u: read over the telephone
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{18}\Z")


def new_id() -> str:
    """18 characters: 10 of the time in milliseconds, so that ids sort by age, and 8 (40 bits) of chance."""
    now, chance = time.time_ns() // 1_000_000, random.getrandbits(40)  # unique, and nobody's secret
    return (
        _PAIRS[now >> 40 & 1023]
        + _PAIRS[now >> 30 & 1023]
        + _PAIRS[now >> 20 & 1023]
        + _PAIRS[now >> 10 & 1023]
        + _PAIRS[now & 1023]
        + _PAIRS[chance >> 30]
        + _PAIRS[chance >> 20 & 1023]
        + _PAIRS[chance >> 10 & 1023]
        + _PAIRS[chance & 1023]
    )


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id."""
    return _ID.match(text) is not None
