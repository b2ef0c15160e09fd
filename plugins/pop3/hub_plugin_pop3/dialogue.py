"""One session from its greeting to its end: which commands there are, and what each is answered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeAlias

from hub import LineTooLong, ListenerSession, Plugin
from hub_plugin_pop3.locks import Locks
from hub_plugin_pop3.maildrop import Maildrop, NoSuchMessage
from hub_plugin_pop3.replies import TOO_LONG, TOO_MANY_ERRORS, err
from hub_plugin_pop3.settings import Settings

LONGEST: Final = 512
"""Octets of a command's line; RFC 2449 §4 wants 255."""
LONGEST_LOGIN: Final = 13 << 10
"""Before somebody has logged in: AUTH with the tokens that there are (RFC 5034 §4, RFC 4954 §4)."""
MAX_ERRORS: Final = 20


@dataclass(slots=True)
class Dialogue:
    """What is known of one session. user: what USER said. drop: the maildrop, once somebody has logged in.

    utf8: whether UTF8 was said (RFC 6856 §2). over: the session ends after this answer.
    """

    plugin: Plugin
    session: ListenerSession
    settings: Settings
    locks: Locks
    user: str | None = None
    drop: Maildrop | None = None
    utf8: bool = False
    over: bool = False

    @property
    def maildrop(self) -> Maildrop:
        """The maildrop of who has logged in."""
        assert self.drop is not None
        return self.drop


Answer: TypeAlias = Callable[[Dialogue, str], Awaitable[bytes]]
"""Runs a command: given what stands behind its name, it gives the answer, or what is left of it.

BadCommand, NoSuchMessage.
"""


class BadCommand(ValueError):
    """A command that cannot be run; the text says how it is written."""


async def talk(dialogue: Dialogue, before: Mapping[str, Answer], after: Mapping[str, Answer]) -> None:
    """Answer commands until the session ends. before, after: the commands before and after the login.

    SessionOver.
    """
    session, errors = dialogue.session, 0
    while not dialogue.over:
        name, began = "", perf_counter()
        try:
            line = await session.readline(LONGEST_LOGIN if dialogue.drop is None else LONGEST)
            began = perf_counter()
            name, _, rest = line.decode("utf-8").partition(" ")
            name = name.upper()
            answer = await _choose(dialogue, name, before, after)(dialogue, rest)
        except LineTooLong:
            answer = TOO_LONG
        except UnicodeDecodeError:
            answer = err("A command is text in UTF-8")
        except (BadCommand, NoSuchMessage) as wrong:
            answer = err(str(wrong)[:1].upper() + str(wrong)[1:])
        session.write(answer)
        failed = answer.startswith(b"-")
        detail = answer.decode("utf-8", "replace").strip() if failed else ""
        known = name if name in before or name in after else "?"
        session.record(known, "-ERR" if failed else "+OK", seconds=perf_counter() - began, detail=detail)
        errors += failed
        if errors >= MAX_ERRORS:
            session.write(TOO_MANY_ERRORS)
            return


def _choose(
    dialogue: Dialogue, name: str, before: Mapping[str, Answer], after: Mapping[str, Answer]
) -> Answer:
    """The command of that name, in the state that the session is in. BadCommand."""
    commands = before if dialogue.drop is None else after
    if name in commands:
        return commands[name]
    if name == "APOP":
        raise BadCommand("APOP is not spoken here: it would need passwords that are stored in the clear")
    if name in after:
        raise BadCommand("log in first")
    if name in before:
        raise BadCommand("you have logged in already")
    raise BadCommand(f"there is no such command; these are: {' '.join(commands)}")
