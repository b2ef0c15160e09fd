"""A span: something that took a while, as traces show it; the same for every system that keeps traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

Attribute: TypeAlias = str | int | tuple[str, ...]


def _none() -> Mapping[str, Attribute]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span. at: nanoseconds since the epoch."""

    at: int
    name: str
    attributes: Mapping[str, Attribute] = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Span:
    """One session, message, command, step of a plugin, commit, delivery or try to send a message on.

    trace_id has 128 bits, span_id and parent_id 64; parent_id is None at the root. remote: the parent is
    somebody else's. kind: `server` for sessions and messages, which others began. start, end: nanoseconds
    since the epoch. failed: why it counts as an error, None if it does not. links: (trace id, span id) of
    what it belongs to without being its child.
    """

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    kind: Literal["server", "internal"]
    start: int
    end: int
    failed: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=_none)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    remote: bool = False
