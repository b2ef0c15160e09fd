"""What is done to both servers: commands of several sessions on the mailboxes of one script.

In a command `<box>` stands for the script's folder, `<uidvalidity>` and `<modseq>` for what the session was
told when it opened its mailbox, as servers choose these numbers themselves; `<next>` is what follows
`<modseq>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.dovecot.client import Answer, Session
from tests.dovecot.known import Known

BOX: Final = b"<box>"


@dataclass(frozen=True, slots=True)
class Step:
    """One command. session: its number; blind: sent before this session was told what others have done."""

    session: int
    command: bytes
    blind: bool = False

    @property
    def verb(self) -> str:
        """The command's name, such as UID FETCH."""
        words = self.command[:40].upper().decode("latin-1").split(" ")
        return " ".join(words[:2]) if words[0] == "UID" else words[0]

    def __str__(self) -> str:
        command = self.command if len(self.command) < 2000 else self.command[:2000] + b"..."
        return f"{self.session}{'!' if self.blind else ''}: {command!r}"


@dataclass(frozen=True, slots=True)
class Script:
    """messages: what lies in `<box>/a` at first, as APPEND's arguments behind it; steps: what follows."""

    messages: tuple[bytes, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join((f"{len(self.messages)} messages: {self.messages!r}"[:4000], *map(str, self.steps)))


class Stage:
    """The sessions of one script with one server, which has had the mailbox made."""

    def __init__(self, sessions: list[Session], box: bytes) -> None:
        self.sessions = sessions
        self.box = box

    def play(self, step: Step) -> tuple[Answer, Known]:
        """Send one command. Malformed."""
        session = self.sessions[step.session]
        known = session.known
        command = (
            step.command.replace(BOX, self.box)
            .replace(b"<uidvalidity>", b"%d" % known.uidvalidity)
            .replace(b"<modseq>", b"%d" % known.modseq)
            .replace(b"<next>", b"%d" % (known.modseq + 1))
        )
        return session.ask(command), known

    def prepare(self, messages: tuple[bytes, ...]) -> None:
        """Make `a`, `b` and their messages."""
        first = self.sessions[0]
        for name in (self.box, self.box + b"/a", self.box + b"/b"):
            first.ok(b"CREATE " + name)
        for message in messages:
            first.ok(b"APPEND %b/a %b" % (self.box, message))


def clear_away(session: Session, box: bytes) -> None:
    """Leave nothing behind that the next script could see."""
    for word in (b"LSUB", b"LIST"):
        answer = session.ok(b'%b "" %b/*' % (word, box))
        names = [each.words[3] for each in answer.untagged if each.name == word.decode()]
        for name in sorted(map(_octets, names), reverse=True):
            session.ask(b'%b "%b"' % (b"UNSUBSCRIBE" if word == b"LSUB" else b"DELETE", name))
    session.ask(b"DELETE " + box)


def _octets(name: object) -> bytes:
    return name if isinstance(name, bytes) else str(name).encode()
