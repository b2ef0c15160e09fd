"""What a hub does, kept for a test to look at: every call of a plugin, and every record of its traces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hub.dispatch.failure import Failure
from hub.dispatch.step import Step
from hub.trace.record import Record, Trace

PATIENCE: Final = 20.0
"""Seconds until something that a test waits for counts as not happening."""


@dataclass(frozen=True, slots=True)
class Call:
    """One plugin asked by one hook.

    arguments: those that it names, `plugin` aside. result: what it gave; failure: why it gave nothing.
    """

    hook: str
    plugin: str
    arguments: Mapping[str, object]
    result: object
    failure: Failure | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Span:
    """One thing that happened in a session, as `hub trace` shows it.

    kind: `session`, `command`, `hook`, `commit`, `delivery` or `note`. name: the command, the hook, the
    mailbox … message: the id of the message that it belongs to. seconds: how long it took.
    """

    session: str
    kind: str
    name: str
    plugin: str | None
    outcome: str
    detail: str
    message: str | None
    seconds: float


@dataclass(slots=True)
class Observed:
    """Told by the hub of what happens; keeps all of it, so nothing for long runs.

    on_call: called after each call was noted.
    """

    calls: list[Call] = field(default_factory=list)
    on_call: Callable[[Call], None] = lambda call: None
    _ended: list[Span] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, step: Step, arguments: Mapping[str, object], outcome: object, seconds: float) -> None:
        """A step has run."""
        given = {name: value for name, value in arguments.items() if name != "plugin"}
        failure = outcome if isinstance(outcome, Failure) else None
        call = Call(step.hook, step.plugin, given, None if failure else outcome, failure, seconds)
        self.calls.append(call)
        self.on_call(call)
        self._news.set()

    def tell(self, trace: Trace) -> None:
        """A session, or a part of it, is about to be written."""
        self._ended += spans_of(trace)

    def forget(self) -> None:
        """Let go of everything so far."""
        self.calls.clear()
        self._ended.clear()

    def spans(self, open_sessions: Mapping[str, Trace]) -> list[Span]:
        """Everything so far, of sessions that have ended first."""
        return [*self._ended, *(span for trace in open_sessions.values() for span in spans_of(trace))]

    def called(self, hook: str) -> list[Call]:
        """Every call by that hook so far."""
        return [call for call in self.calls if call.hook == hook]

    async def until_called(self, hook: str, times: int = 1) -> list[Call]:
        """The same, once there are so many. TimeoutError after twenty seconds."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.called(hook)) < times:
                self._news.clear()
                await self._news.wait()
        return found


def spans_of(trace: Trace) -> list[Span]:
    """What the trace holds now, in order."""
    return [_span(trace.session_id, record) for record in trace.records]


def _span(session: str, record: Record) -> Span:
    _, message, kind, name, plugin, outcome, microseconds, detail = record
    return Span(session, kind, name, plugin, outcome, detail, message, microseconds / 1e6)
