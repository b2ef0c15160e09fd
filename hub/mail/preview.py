"""The first words of a message (RFC 8970), for a list of mail."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from hub.mail.structure import Part, text

MAX_PREVIEW: Final = 200
"""Characters (RFC 8970 §3.2)."""
_LOOKED_AT: Final = MappingProxyType({"text/plain": 2 << 10, "text/html": 16 << 10})
"""Octets of a part in which they are looked for."""

_UNSEEN = frozenset(("head", "script", "style", "title", "template"))
# One pass, and what is not closed reaches to the end.
_MARKUP = re.compile(
    r"<!--(?:[^-]++|-(?!->))*+(?:-->|\Z)|<(?:(/?)([A-Za-z][A-Za-z0-9]*+)|[!?])[^>]*+(?:>|\Z)", re.DOTALL
)


def preview(root: Part, data: bytes | memoryview) -> str:
    """At most 200 characters on one line; empty where there is nothing to read."""
    for kind in _LOOKED_AT:
        for part in _readable(root):
            if part.content_type == kind:
                found = _first_words(part, data)
                if found:
                    return found
    return ""


def _readable(root: Part) -> Iterator[Part]:
    """What a reader shows first: not attachments, and not what stands in messages that are carried."""
    stack = [root]
    while stack:
        part = stack.pop()
        if (part.disposition or b"").lower() == b"attachment":
            continue
        yield part
        if part.is_multipart:
            stack.extend(reversed(part.children))


def _first_words(part: Part, data: bytes | memoryview) -> str:
    end = min(part.body_end, part.body_start + _LOOKED_AT[part.content_type])
    begins = replace(part, body_end=end)
    found = text(begins, data)
    if part.content_type == "text/html":
        found = html.unescape(_without_markup(found))
    line = " ".join(found.split())[: 2 * MAX_PREVIEW]
    if not line.isprintable():
        line = "".join([each for each in line if each.isprintable()])
    return line[:MAX_PREVIEW].rstrip()


def _without_markup(source: str) -> str:
    pieces: list[str] = []
    at = 0
    hidden = ""  # the element whose contents nobody sees
    for mark in _MARKUP.finditer(source):
        if not hidden:
            pieces.append(source[at : mark.start()])
            pieces.append(" ")
        at = mark.end()
        name = (mark[2] or "").lower()
        if hidden:
            hidden = "" if mark[1] and name == hidden else hidden
        elif name in _UNSEEN and not mark[1]:
            hidden = name
    if not hidden:
        pieces.append(source[at:])
    return "".join(pieces)
