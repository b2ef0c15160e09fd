"""Plays a script to both servers, command by command, and says where they disagree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pprint import pformat
from textwrap import indent
from typing import Final, TypeVar

from tests.dovecot.client import Ended, Session
from tests.dovecot.differences import GONE, CutShort, levelled
from tests.dovecot.known import Known
from tests.dovecot.observed import Observed, observed
from tests.dovecot.parser import Malformed
from tests.dovecot.script import Script, Stage, Step, clear_away

Key = TypeVar("Key")

SESSIONS: Final = 2
_LAST: Final = b"FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)"
_TREE: Final = (
    b"STATUS <box>/a (MESSAGES UIDNEXT UNSEEN)",
    b"STATUS <box>/b (MESSAGES UIDNEXT UNSEEN)",
    b'LIST "" <box>/*',
    b'LSUB "" <box>/*',
)


class Disagreement(AssertionError):
    """The servers differ, and no entry of the table says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and who has a mailbox there."""

    name: str
    port: int
    user: str
    password: str

    def session(self) -> Session:
        """A new connection, logged in."""
        return Session(self.port, self.user, self.password)


@dataclass(slots=True)
class Oracle:
    """Two servers that must agree. seen: how often each difference of the table was met."""

    ours: Server
    theirs: Server
    seen: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def capabilities(self) -> frozenset[str]:
        """What both can do."""
        found = []
        for server in (self.ours, self.theirs):
            session = server.session()
            found.append(session.capabilities())
            session.close()
        return found[0] & found[1]

    def compare(self, script: Script) -> None:
        """Play it to both. Disagreement, with everything that was done up to there."""
        box = b"s%d" % next(self._numbers)
        done: list[Step] = []
        with ExitStack() as stack:
            stages = [stack.enter_context(_stage(server, box)) for server in (self.ours, self.theirs)]
            for stage in stages:
                stage.prepare(script.messages)
            try:
                self._play(script, stages, done)
            except CutShort as reason:
                self._met(str(reason))

    def _met(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def _play(self, script: Script, stages: Sequence[Stage], done: list[Step]) -> None:
        last = 0
        for step in script.steps:
            if step.session != last and not step.blind:
                self._both(script, stages, Step(step.session, b"NOOP"), done)
                self._learn(script, stages, step.session, done)
            last = step.session
            self._both(script, stages, step, done)
            if step.blind:  # what it has told of others is told by one server now, by the other before
                self._both(script, stages, Step(step.session, b"NOOP", blind=True), done)
            self._learn(script, stages, step.session, done)
        for number in range(SESSIONS):
            self._both(script, stages, Step(number, b"NOOP"), done)
            self._learn(script, stages, number, done)
            before = [_told(stage, number) for stage in stages]
            self._both(script, stages, Step(number, _LAST), done)
            for stage, told in zip(stages, before, strict=True):
                if told != (after := _told(stage, number)):
                    raise Disagreement(
                        f"{_tell(script, done)}\nSession {number} was told {told}, but there is {after}"
                    )
        for command in _TREE:
            self._both(script, stages, Step(0, command), done)

    def _learn(self, script: Script, stages: Sequence[Stage], session: int, done: list[Step]) -> None:
        """What every client asks about messages that are new to it, and such as it has silently changed: one
        server may tell of those what another session has changed too, the other need not."""
        first = [stage.sessions[session].known.first_unknown for stage in stages]
        if unknown := [number for number in first if number is not None]:
            self._both(script, stages, Step(session, b"FETCH %d:* (UID FLAGS)" % min(unknown)), done)

    def _both(self, script: Script, stages: Sequence[Stage], step: Step, done: list[Step]) -> None:
        done.append(step)
        answers: list[Observed] = []
        for server, stage in zip((self.ours, self.theirs), stages, strict=True):
            try:
                answer, known = stage.play(step)
                answers.append(observed(answer, known, stage.box))
            except Ended:
                answers.append({"condition": GONE})
            except Malformed as error:
                raise Disagreement(f"{_tell(script, done)}\n{server.name}: {error}") from None
        ours, theirs = levelled(step, answers[0], answers[1], self._met)
        if ours != theirs:
            raise Disagreement(f"{_tell(script, done)}\n{_apart(ours, theirs)}")


def _told(stage: Stage, session: int) -> list[tuple[int | None, frozenset[str] | None]]:
    known: Known = stage.sessions[session].known
    return [(message.uid, message.flags) for message in known.messages]


def _tell(script: Script, done: Sequence[Step]) -> str:
    lines = [f"\n{len(script.messages)} messages:"]
    lines += [f"    {at}: {message[:3000]!r}" for at, message in enumerate(script.messages, 1)]
    return "\n".join((*lines, "commands:", *(f"    {step}" for step in done)))


def _apart(ours: Mapping[Key, object], theirs: Mapping[Key, object]) -> str:
    lines = []
    for key in sorted({*ours, *theirs}, key=str):
        here, there = ours.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict) and here != there:
            lines.append(f"  {key}:\n{indent(_apart(here, there), '  ')}")
        elif here != there:
            lines.append(f"  {key}:\n    ours    {pformat(here)[:3000]}\n    Dovecot {pformat(there)[:3000]}")
    return "\n".join(lines)


@contextmanager
def _stage(server: Server, box: bytes) -> Iterator[Stage]:
    """The sessions of one script with a server; at the end nothing of it is left."""
    sessions = [server.session() for _ in range(SESSIONS)]
    try:
        yield Stage(sessions, box)
    finally:
        for session in sessions:
            session.close()
    cleaner = server.session()
    clear_away(cleaner, box)
    cleaner.close()
