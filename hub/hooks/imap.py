"""What an IMAP client asks for and what it changed."""

from __future__ import annotations

from hub.hooks.imapcommand import ImapCommand
from hub.hooks.markers import FIRST, GATHER, NOTIFY, SKIP, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.login import AccountRef
from hub.mail.message import Message
from hub.mail.verdict import Verdict
from hub.services.log import ChangeKind


@hookspec(FIRST, on_failure=SKIP, timeout=10)
async def imap_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """A client has connected and has not been greeted yet (RFC 3501 §7.1).

    Reject answers `* BYE` with the text, Defer `* BYE [UNAVAILABLE]` (RFC 5530); both close. If nobody
    answers, the client is greeted.
    """


@hookspec(FIRST, on_failure=SKIP, timeout=10)
async def imap_command(plugin: Plugin, session: Session, name: str) -> Verdict | None:
    """A client sends a command, in upper case, `UID FETCH` included; asked before it runs (RFC 3501 §6).

    Reject answers NO with the text, Defer NO [UNAVAILABLE] (RFC 5530). If nobody answers, the command runs.
    LOGOUT, NOOP and CAPABILITY are never asked about.
    """


@hookspec(GATHER)
def provide_imap_commands(plugin: Plugin) -> list[ImapCommand]:  # type: ignore[empty-body]
    """Say which IMAP commands, and which capabilities, the plugin adds.

    A plain function, called each time a set of plugins is put together, before `plugin_start`: it has the
    settings, and nothing in the stash. Two plugins that want the same command are an error that names both;
    a command that the hub has itself is the hub's. A handler is entered as a hook is: it has a deadline, and
    what it raises is answered NO [UNAVAILABLE] without a word of it. `imap_command` is asked before it. A
    session that is open sees the commands of whatever plugins serve when it sends one.

        async def tell(plugin, arguments):
            return ImapAnswer("That is the time", untagged=(f"XTIME {plugin.clock.time():.0f}",))

        @hookimpl
        def provide_imap_commands():
            return [ImapCommand("XTIME", tell, capability="XTIME")]
    """


@hookspec(FIRST, on_failure=SKIP, timeout=60)
async def imap_append(
    plugin: Plugin,
    session: Session,
    account: AccountRef,
    mailbox: str,
    flags: frozenset[str],
    message: Message,
) -> Verdict | None:
    """A client puts a message into a mailbox by APPEND or REPLACE: its last octet is there, and nothing is
    kept yet. Asked for each message of a command; if one is refused none is kept (RFC 3502).

    account: whose mailbox it is, which may be somebody else than who has logged in. Reject answers NO with
    the text, Defer NO [UNAVAILABLE] (RFC 5530). If nobody answers, the message is kept. What MOVE and COPY
    bring is in the hub already, and nobody is asked.
    """


@hookspec(NOTIFY)
async def mailbox_changed(
    plugin: Plugin,
    session: Session,
    account: AccountRef,
    mailbox: str,
    kind: ChangeKind,
    uids: tuple[int, ...],
) -> None:
    """A client has changed a mailbox: appended, flagged or expunged items (`uids`), or made, renamed,
    deleted, subscribed it (no uids).

    To see every change, whichever protocol made it, and none twice, follow the log instead.
    """
