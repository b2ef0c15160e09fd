"""i;unicode-casemap (RFC 5051): texts that are the same but for case and compatibility forms."""

from __future__ import annotations

from unicodedata import normalize


def casemapped(text: str) -> str:
    """Two texts are equal to the collation when these are, and sort as these do by code point."""
    if text.isascii():
        return text.upper()
    # The simple mapping of one character to one; `title` also knows those to several.
    titled = [mapped if len(mapped := character.title()) == 1 else character for character in text]
    return normalize("NFKD", "".join(titled))
