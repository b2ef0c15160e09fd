"""Commands that plugins add: found anew for each, so that they come and go while sessions are open."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from hub.dispatch.failure import Failure
from hub.hooks.imapcommand import ImapAnswer, ImapState
from hub.imap.command import Command, State
from hub.imap.replies import UNAVAILABLE, Refused, Reply, bad
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader

Argument: TypeAlias = "str | tuple[Argument, ...]"

_STATES: Final[MappingProxyType[ImapState, State]] = MappingProxyType(
    {
        "any": State.ANY,
        "not-authenticated": State.NOT_AUTHENTICATED,
        "authenticated": State.AUTHENTICATED,
        "selected": State.SELECTED,
    }
)
_MAX_DEPTH: Final = 10


def find_added(session: ImapSession, name: str) -> Command | None:
    """What the plugins that serve now do under this name."""
    found = session.kernel.generations.current.imap_commands.get(name)
    return None if found is None else Command(name, partial(_run, name), _STATES[found.command.state])


def added_capabilities(session: ImapSession) -> list[bytes]:
    """Their words, sorted."""
    added = session.kernel.generations.current.imap_commands.values()
    return sorted({each.command.capability.encode("ascii") for each in added if each.command.capability})


async def _run(name: str, session: ImapSession, reader: Reader) -> Reply:
    """By the plugins of the pinned generation: they may have changed since the name was read."""
    added = session.pin.generation.imap_commands.get(name)
    if added is None:
        raise bad(f"There is no command {name} any more")
    arguments = _arguments(reader)
    outcome = await added.step.run(session.trace, {"session": session, "arguments": arguments})
    if outcome is None or isinstance(outcome, Failure):
        raise Refused(UNAVAILABLE)
    answer = cast(ImapAnswer, outcome)
    for line in answer.untagged:
        session.out.send(b"* %b\r\n" % line.encode("ascii"))
        await session.out.flow()
    return Reply(answer.condition.encode(), answer.text.encode("ascii"), answer.code.encode("ascii"))


def _arguments(reader: Reader) -> tuple[Argument, ...]:
    found: list[Argument] = []
    while not reader.at_end():
        reader.space()
        found.append(_argument(reader, 0))
    return tuple(found)


def _argument(reader: Reader, depth: int) -> Argument:
    if not reader.take(b"("):
        return reader.text("an atom, a string, or a list in parentheses")
    if depth >= _MAX_DEPTH:
        raise bad(f"Lists are nested more than {_MAX_DEPTH} deep")
    found: list[Argument] = []
    while not reader.take(b")"):
        found.append(_argument(reader, depth + 1))
        if reader.peek() != b")":
            reader.space()
    return tuple(found)
