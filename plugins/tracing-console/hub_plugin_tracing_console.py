"""Live view of sessions, messages and verdicts in the terminal."""

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from hub import AccountRef, Address, ChangeKind, Envelope, Identity, Plugin, Session, StashKey, hookimpl

MAX_SESSIONS: Final = 1000
MAX_LINES: Final = 100

Fact: TypeAlias = Literal[
    "session_opened",
    "session_closed",
    "login_succeeded",
    "login_failed",
    "recipient_refused",
    "message_refused",
    "message_accepted",
    "message_delivered",
    "mailbox_changed",
    "breaker_opened",
    "breaker_closed",
    "plugins_reloaded",
    "reload_refused",
]
STYLES: Final[Mapping[Fact, str]] = {
    "session_opened": "cyan",
    "session_closed": "cyan",
    "login_succeeded": "green",
    "login_failed": "red",
    "recipient_refused": "yellow",
    "message_refused": "yellow",
    "message_accepted": "green",
    "message_delivered": "bold green",
    "mailbox_changed": "blue",
    "breaker_opened": "bold red",
    "breaker_closed": "bold green",
    "plugins_reloaded": "magenta",
    "reload_refused": "bold red",
}


class Settings(BaseModel):
    """[plugins.tracing-console]: what is shown and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    colour: Literal["auto", "always", "never"] = Field(
        default="auto", description="Colours: if standard error is a terminal, always, or never."
    )
    only: tuple[Fact, ...] = Field(default=(), description="The facts to show; all of them if it is empty.")
    tree: bool = Field(
        default=False,
        description="Print each session once more as a tree, a branch per message, when it ends.",
    )


# What is kept is made of types that outlive a reload of this module, for the next version takes it over.
Lines: TypeAlias = deque[tuple[str | None, Text]]
CONSOLE = StashKey[Console]()
SESSIONS = StashKey[dict[str, Lines]]()
"""Session id → its last lines, each with the id of the message that it is about; the oldest session first."""
MESSAGES = StashKey[dict[str, str]]()
"""Message id → session id, for facts that name no session."""


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Standard error, where the log goes too, so that output piped elsewhere stays clean."""
    colour = plugin.settings(Settings).colour
    plugin.stash[CONSOLE] = Console(
        stderr=True,
        force_terminal=True if colour == "always" else None,
        color_system=None if colour == "never" else "auto",
        soft_wrap=True,
        highlight=False,
    )
    plugin.stash[SESSIONS] = {}
    plugin.stash[MESSAGES] = {}


@hookimpl
def plugin_handover(plugin: Plugin, old: Plugin) -> None:
    """Sessions that are open go on with the lines that they have."""
    plugin.stash[SESSIONS] = old.stash.get(SESSIONS, {})
    plugin.stash[MESSAGES] = old.stash.get(MESSAGES, {})


# Every hook is a plain function: a terminal that is held up must hold up nothing but this plugin's thread.


@hookimpl
def session_opened(plugin: Plugin, session: Session) -> None:
    """The root of a tree."""
    sessions = plugin.stash[SESSIONS]
    while len(sessions) >= MAX_SESSIONS:
        _forget(plugin, next(iter(sessions)))
    sessions[session.id] = deque(maxlen=MAX_LINES)
    host, port = session.peer
    _tell(
        plugin, "session_opened", f"{session.listener} ({session.protocol}) from {host} port {port}", session
    )


@hookimpl
def session_closed(plugin: Plugin, session: Session) -> None:
    """Print the tree and let it go."""
    _tell(plugin, "session_closed", "", session)
    lines = _forget(plugin, session.id)
    if lines and plugin.settings(Settings).tree:
        plugin.stash[CONSOLE].print(_tree(session.id, lines))


@hookimpl
def login_succeeded(plugin: Plugin, session: Session, identity: Identity, mechanism: str) -> None:
    """Who, and how."""
    _tell(plugin, "login_succeeded", f"{identity.login} by {mechanism}", session)


@hookimpl
def login_failed(plugin: Plugin, session: Session, username: str, mechanism: str, reason: str) -> None:
    """Who it was said to be, and why not."""
    _tell(plugin, "login_failed", f"{username} by {mechanism}: {reason}", session)


@hookimpl
def recipient_refused(
    plugin: Plugin, session: Session, envelope: Envelope, recipient: Address | None, code: int, text: str
) -> None:
    """Whom the answer was about, and the answer."""
    whom = f"to {recipient}" if recipient else f"from {_sender(envelope)}"
    _tell(plugin, "recipient_refused", f"{whom}: {code} {text}", session, envelope.id)


@hookimpl
def message_refused(plugin: Plugin, session: Session, envelope: Envelope, code: int, text: str) -> None:
    """The answer to DATA."""
    _tell(plugin, "message_refused", f"{_route(envelope)}: {code} {text}", session, envelope.id)


@hookimpl
def message_accepted(plugin: Plugin, session: Session, envelope: Envelope, size: int) -> None:
    """From whom, to whom, how large."""
    _tell(plugin, "message_accepted", f"{_route(envelope)}, {size:,} octets", session, envelope.id)


@hookimpl
def message_delivered(plugin: Plugin, message_id: str, account: AccountRef, mailbox: str, uid: int) -> None:
    """One copy's place."""
    _tell(
        plugin, "message_delivered", f"{account.tenant}/{account.key} {mailbox} UID {uid}", None, message_id
    )


@hookimpl
def mailbox_changed(
    plugin: Plugin,
    session: Session,
    account: AccountRef,
    mailbox: str,
    kind: ChangeKind,
    uids: tuple[int, ...],
) -> None:
    """What a client did to which mailbox."""
    which = f" UID {uids[0]}" if len(uids) == 1 else f" {len(uids)} items" if uids else ""
    _tell(plugin, "mailbox_changed", f"{account.tenant}/{account.key} {mailbox} {kind.value}{which}", session)


@hookimpl
def breaker_opened(plugin: Plugin, name: str, hook: str, reason: str) -> None:
    """Which plugin is out of use, and why."""
    _tell(plugin, "breaker_opened", f"{name} in {hook}: {reason}")


@hookimpl
def breaker_closed(plugin: Plugin, name: str, hook: str) -> None:
    """Which plugin is asked again."""
    _tell(plugin, "breaker_closed", f"{name} in {hook}")


@hookimpl
def plugins_reloaded(plugin: Plugin, generation: int, changed: Mapping[str, str]) -> None:
    """What came, went and changed."""
    what = ", ".join(f"{name} {how}" for name, how in changed.items())
    _tell(plugin, "plugins_reloaded", f"generation {generation}: {what}")


@hookimpl
def reload_refused(plugin: Plugin, errors: tuple[str, ...]) -> None:
    """A line for each error."""
    for error in errors:
        _tell(plugin, "reload_refused", error)


def _tell(
    plugin: Plugin, fact: Fact, words: str, session: Session | None = None, message: str | None = None
) -> None:
    """Print one line now, and keep it for the tree of its session."""
    only = plugin.settings(Settings).only
    if only and fact not in only:
        return
    home = session.id if session is not None else plugin.stash[MESSAGES].get(message or "")
    line = Text.assemble((fact.replace("_", " ").ljust(18), STYLES[fact]), _printable(words))
    line.rstrip()
    now = datetime.fromtimestamp(plugin.clock.time(), UTC).astimezone()
    ids = "".join(f"  {each}" for each in (home, message) if each)
    plugin.stash[CONSOLE].print(Text.assemble((f"{now:%H:%M:%S} ", "dim"), line, (ids, "dim")))
    lines = plugin.stash[SESSIONS].get(home or "")
    if lines is None or home is None:
        return
    if len(lines) == MAX_LINES and (gone := lines[0][0]) is not None:
        plugin.stash[MESSAGES].pop(gone, None)
    if message is not None:
        plugin.stash[MESSAGES][message] = home
    lines.append((message, line))


def _forget(plugin: Plugin, session_id: str) -> Lines:
    lines = plugin.stash[SESSIONS].pop(session_id, deque())
    for message, _ in lines:
        if message is not None:
            plugin.stash[MESSAGES].pop(message, None)
    return lines


def _tree(session_id: str, lines: Lines) -> Tree:
    tree = Tree(Text(f"session {session_id}", "bold"))
    branches: dict[str, Tree] = {}
    for message, line in lines:
        if message is None:
            tree.add(line)
            continue
        if message not in branches:
            branches[message] = tree.add(Text(f"message {message}", "bold"))
        branches[message].add(line)
    return tree


def _sender(envelope: Envelope) -> str:
    return f"<{envelope.reverse_path or ''}>"


def _route(envelope: Envelope) -> str:
    first = ", ".join(f"<{recipient}>" for recipient in envelope.recipients[:3])
    more = len(envelope.recipients) - 3
    return f"{_sender(envelope)} to {first}{f' and {more} more' if more > 0 else ''}"


def _printable(text: str) -> str:
    """What a stranger sent must not steer the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)
