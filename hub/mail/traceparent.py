"""Where a message stands in a trace: W3C Trace Context (Recommendation of 2021-11-23, §3.2) for mail.

A message is in a trace of its own, whose ids follow from the message's id, so that nobody has to share them;
unless who sent it may say in which trace it is, in a `traceparent` field. Then, and whenever its spans are
exported, the hub keeps `X-Hub-Trace: <traceparent>` with it, a field that no stranger can write, and by which
the next hub goes on in the trace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from hub.mail.headers import Headers

FIELD: Final = "X-Hub-Trace"
"""The header field that is kept with a message."""

# Versions above 00 may have more at the end (§4.3); ff is none, and ids of zeros are none (§3.2.2).
_TEXT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-[ -~]*+)?\Z"
)
_OCTETS: Final = 24
"""Of a trace id and a span id."""


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span, by its ids, and whether it is recorded where it comes from."""

    trace_id: int
    span_id: int
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"


def parse_traceparent(text: bytes | None) -> TraceParent | None:
    """What a `traceparent` says; None if it says nothing that the recommendation allows."""
    found = _TEXT.match(text) if text else None
    if found is None or (found[1] == b"00" and found.end(4) != found.end()):
        return None
    return TraceParent(int(found[2], 16), int(found[3], 16), bool(int(found[4], 16) & 1))


def own_trace_id(name: str) -> int:
    """The trace that follows from the id of a message or a session."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_OCTETS).digest()[:16]) or 1


def own_context(name: str, *, sampled: bool = False) -> TraceParent:
    """That trace and its root span."""
    digest = blake2b(name.encode(), digest_size=_OCTETS).digest()
    return TraceParent(own_trace_id(name), int.from_bytes(digest[16:]) or 1, sampled)


def message_context(message_id: str, parent: TraceParent | None, *, sampled: bool) -> TraceParent:
    """A message's root span: in the parent's trace if it has one, else in its own."""
    own = own_context(message_id, sampled=sampled)
    return own if parent is None else TraceParent(parent.trace_id, own.span_id, sampled)


def traceparent_of(message_id: str, headers: Headers | None = None) -> str:
    """The W3C `traceparent` for what is done on behalf of a message, such as a request to a web server.

    headers: those of the message as it is stored. Without them, or if they have no trace, it is the trace
    that follows from the message's id, not sampled: nobody exports that message's spans.
    """
    kept = parse_traceparent(headers.raw(FIELD)) if headers is not None else None
    return str(kept or own_context(message_id))
