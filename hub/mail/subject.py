"""What a subject says beneath `Re:`, `Fwd:` and tags of mailing lists (RFC 5256 §2.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

_BLANKS = re.compile(r"[ \t\r\n]++")
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_REPLY = re.compile(r"(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?+:", re.IGNORECASE | re.ASCII)
_FORWARD: str = "[fwd:"
_TRAILER: str = "(fwd)"


class BaseSubject(NamedTuple):
    """text: what is left, in its own case. is_reply: whether a mark of a reply or forward was removed."""

    text: str
    is_reply: bool


def base_subject(subject: str) -> BaseSubject:
    """The base subject of a decoded subject. Linear, whatever it holds."""
    text = _BLANKS.sub(" ", subject)
    start, end = 0, len(text)
    is_reply = False
    while True:
        end, trimmed = _without_trailers(text, start, end)
        start, led = _without_leaders(text, start, end)
        is_reply = is_reply or trimmed or led
        forwarded = text[start : start + len(_FORWARD)].lower() == _FORWARD and text[end - 1 : end] == "]"
        if not forwarded or end - start <= len(_FORWARD):
            return BaseSubject(text[start:end], is_reply)
        start, end, is_reply = start + len(_FORWARD), end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """Step 2: where the text ends without blanks and `(fwd)`, and whether there was one."""
    found = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(start, end - len(_TRAILER)) : end].lower() == _TRAILER:
            end -= len(_TRAILER)
            found = True
        else:
            break
    return end, found


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5: where the text begins without `Re:` and blobs, and whether there was a `Re:`."""
    found = False
    while start < end:
        if text[start] == " ":
            start += 1
            continue
        last = behind = start
        while blob := _BLOB.match(text, behind, end):
            last, behind = behind, blob.end()
        if reply := _REPLY.match(text, behind, end):
            start, found = reply.end(), True
            continue
        # Nothing replies here: blobs go one by one, but the last stays where nothing else would be left.
        return (last if behind == end else behind), found
    return start, found
