"""What sorting and threading by RFC 5256 make of a header: base subjects, sent dates, message ids."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from email.utils import parsedate_tz
from typing import Final

from hub.mail.encoded import decode_words

MAX_SUBJECT: Final = 1000
"""Characters of a subject that are looked at."""
MAX_REFERENCES: Final = 8192
"""Octets of the ids that a message refers to; of more the newest are kept, which are next to it."""

_TRAILER = re.compile(r"\(fwd\)\Z", re.IGNORECASE)
_LEADER = re.compile(r"(?:\[[^\[\]]*+\] *+)*+(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?+: *+", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_ID = re.compile(rb"<([^<>\s@]++@[^<>\s]++)>")


def base_subject(value: bytes) -> tuple[str, bool]:
    """The subject without what replies and forwards add, and whether they have added something (§2.1)."""
    subject = " ".join(decode_words(value)[:MAX_SUBJECT].split())
    is_reply = False
    while True:
        subject, trailed = _without_trailers(subject)
        subject, led = _without_leaders(subject)
        is_reply = is_reply or trailed or led
        if not (subject[:5].lower() == "[fwd:" and subject[-1] == "]"):
            return subject, is_reply
        subject, is_reply = subject[5:-1], True


def _without_trailers(subject: str) -> tuple[str, bool]:
    found = False
    while True:
        subject = subject.rstrip(" ")
        if not _TRAILER.search(subject, max(len(subject) - 5, 0)):
            return subject, found
        subject, found = subject[:-5], True


def _without_leaders(subject: str) -> tuple[str, bool]:
    found = False
    subject = subject.lstrip(" ")
    while True:
        if leader := _LEADER.match(subject):
            subject, found = subject[leader.end() :], True
        elif (blob := _BLOB.match(subject)) and blob.end() < len(subject):
            subject = subject[blob.end() :]
        else:
            return subject, found


def sent_at(value: bytes) -> int | None:
    """Seconds since the epoch of a Date field; UTC without a zone, midnight without a time; None without a
    date (§2.2)."""
    try:
        parsed = parsedate_tz(value.decode("latin-1")[:200])
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    try:
        date(year, month, day)
    except (ValueError, OverflowError):
        return None
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        hour = minute = second = 0
    offset = parsed[9] or 0
    return timegm((year, month, day, hour, minute, second)) - (offset if abs(offset) <= 86400 else 0)


def message_ids(value: bytes) -> list[str]:
    """The ids in angle brackets, without quotes that are not needed; what is none is left out."""
    return [found.replace(b'"', b"").decode("latin-1") for found in _ID.findall(value)]


def ancestors(references: bytes, in_reply_to: bytes) -> str:
    """The ids of the messages before this one, the oldest first, with a space between (§3, REFERENCES)."""
    ids = message_ids(references) or message_ids(in_reply_to)[:1]
    joined = " ".join(ids)
    return joined if len(joined) <= MAX_REFERENCES else joined[-MAX_REFERENCES:].partition(" ")[2]
