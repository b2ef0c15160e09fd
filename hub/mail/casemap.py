"""The comparator i;unicode-casemap (RFC 5051), by which SEARCH, SORT and THREAD compare (RFC 5255 §4)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def casemap(text: str) -> bytes:
    """Titlecase and decomposed, in UTF-8: equal, ordered and contained as octets are.

    `u` is in `Ü`, for a decomposed letter begins with its base. The letters that a ligature is made of are
    capitals too.
    """
    if not text.isascii():
        text = _BEYOND_ASCII.sub(_mapped, text)
    return text.encode("utf-8", "surrogatepass").upper()  # only what is ASCII


def _mapped(found: re.Match[str]) -> str:
    return _titlecase(found[0])


@lru_cache(maxsize=1 << 16)
def _titlecase(letter: str) -> str:
    title = letter.title()
    # Only mappings of one letter to one are meant (RFC 5051 §2), so ß stays what it is.
    return unicodedata.normalize("NFKD", title if len(title) == 1 else letter)
