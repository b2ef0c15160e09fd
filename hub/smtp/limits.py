"""How many sessions there may be, and how much of one a client may use up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps

from hub.accepting.arrival import Arrival
from hub.config.tables.sessions import SmtpTable
from hub.loading.census import SMTP, Full
from hub.smtp import replies
from hub.smtp.dialogue import Answer, Command, Dialogue, State
from hub.smtp.incoming import Intake
from hub.smtp.replies import Reply


def enter(dialogue: Dialogue, arrival: Arrival | None) -> Reply | None:
    """Count the session as its client's; or why there is no room for it, and it closes."""
    kernel = dialogue.kernel
    if arrival is not None and arrival.counted is not None:
        dialogue.counted = arrival.counted
        return None
    found = kernel.commons.census.enter(SMTP, dialogue.session.peer[0], kernel.settings.smtp)
    if isinstance(found, int):
        dialogue.counted = found
        return None
    dialogue.state = State.CLOSING
    return replies.TOO_MANY_SESSIONS if found is Full.TOTAL else replies.TOO_MANY_FROM_ADDRESS


def leave(dialogue: Dialogue) -> None:
    """The session is over, or becomes somebody else's."""
    cell, dialogue.counted = dialogue.counted, None
    if cell is not None:
        dialogue.kernel.commons.census.leave(SMTP, cell)


def counted(command: Command) -> Command:
    """A command that brings no mail forward: a session has so many of them for each message."""

    @wraps(command)
    def count(dialogue: Dialogue, argument: bytes) -> Answer:
        return count_command(dialogue) or command(dialogue, argument)

    return count


def count_command(dialogue: Dialogue) -> Reply | None:
    """Count one that brings no mail forward; or why it was one too many, and the session closes."""
    dialogue.commands += 1
    if dialogue.commands <= dialogue.kernel.settings.smtp.max_commands * (1 + dialogue.messages):
        return None
    dialogue.state = State.CLOSING
    return replies.TOO_MANY_COMMANDS


def message_ended(dialogue: Dialogue) -> bool:
    """Count a message; whether it was the last one of the session, which closes."""
    dialogue.messages += 1
    if dialogue.messages != dialogue.kernel.settings.smtp.max_messages:
        return False
    dialogue.state = State.CLOSING
    return True


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a message comes in. came: its octets so far; patience: seconds that are left for it."""

    incoming: Intake
    came: int
    at: float
    patience: float


def paced(before: Pace | None, incoming: Intake, came: int, now: float, settings: SmtpTable) -> Pace:
    """The pace now. Time uses patience up, octets above the least rate give it back."""
    if before is None or before.incoming is not incoming:
        return Pace(incoming, came, now, settings.timeout)
    earned = (came - before.came) / settings.min_rate
    patience = min(settings.timeout, before.patience + earned) - (now - before.at)
    return Pace(incoming, came, now, patience)
