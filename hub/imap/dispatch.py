"""From the first line of a command to its reply: state, literals, plugins, the family's function, updates."""

from __future__ import annotations

import difflib
from contextlib import nullcontext
from types import MappingProxyType

from hub.dispatch.failure import HookFailed
from hub.hooks.imap import imap_command
from hub.imap import replies
from hub.imap.acl import COMMANDS as ACL
from hub.imap.added import find_added
from hub.imap.annotated import tell_annotations
from hub.imap.append import COMMANDS as APPEND
from hub.imap.change import COMMANDS as CHANGE
from hub.imap.command import Command, State
from hub.imap.compress import COMMANDS as COMPRESS
from hub.imap.copy import COMMANDS as COPY
from hub.imap.enabled import Enabled
from hub.imap.fetch import COMMANDS as FETCH
from hub.imap.general import COMMANDS as GENERAL
from hub.imap.input import LineTooLong
from hub.imap.list import COMMANDS as LIST
from hub.imap.literals import collect, discard
from hub.imap.login import COMMANDS as LOGIN
from hub.imap.mailboxes import COMMANDS as MAILBOXES
from hub.imap.metadata import COMMANDS as METADATA
from hub.imap.multisearch import COMMANDS as MULTISEARCH
from hub.imap.namespace import COMMANDS as NAMESPACE
from hub.imap.notify import COMMANDS as NOTIFY
from hub.imap.places import still_readable
from hub.imap.quota import COMMANDS as QUOTA
from hub.imap.replies import Refused, Reply, bad, refusal
from hub.imap.search import COMMANDS as SEARCH
from hub.imap.select import COMMANDS as SELECT
from hub.imap.session import ImapSession
from hub.imap.sort import COMMANDS as SORT
from hub.imap.status import COMMANDS as STATUS
from hub.imap.subscriptions import COMMANDS as SUBSCRIPTIONS
from hub.imap.thread import COMMANDS as THREAD
from hub.imap.tokens import TAG, Reader
from hub.imap.updates import tell
from hub.log import get_logger
from hub.mail.verdict import Defer, Reject
from hub.services.blobs import StoreFull
from hub.services.directory import DirectoryUnavailable
from hub.services.storage import MailboxMissing

_log = get_logger(area="imap")

_FAMILIES = (
    *(GENERAL, LOGIN, COMPRESS, SELECT, FETCH, SEARCH, SORT, THREAD, CHANGE, COPY, APPEND),
    *(MULTISEARCH, MAILBOXES, LIST, SUBSCRIPTIONS, STATUS, NAMESPACE, ACL, QUOTA, METADATA, NOTIFY),
)
_COMMANDS = MappingProxyType({command.name: command for family in _FAMILIES for command in family})


_NUMBERED = frozenset(("COPY", "FETCH", "MOVE", "REPLACE", "SEARCH", "SORT", "STORE", "THREAD"))
"""They take or tell sequence numbers, which there are none of with UIDONLY (RFC 9586 §3)."""


async def perform(session: ImapSession, line: bytes) -> tuple[str, Reply | None]:
    """Do the command that begins with this line; its name and the tagged reply, None if that comes later."""
    reader = Reader([line], [], utf8=session.utf8)
    name = ""
    try:
        try:
            session.tag = reader.match(TAG, "a tag: a command is written as A1 NOOP")[0]
            name = _name(reader)
            command = _find(session, name)
        except Refused:
            await discard(session, line)
            raise
        if not command.streams:
            reader = await collect(session, reader)
        reply = await _run(session, command, reader)
    except Refused as refused:
        reply = refused.reply
    return name[:40], reply


def _name(reader: Reader) -> str:
    """The command behind the tag, `UID` and what it is for included."""
    reader.space()
    name = reader.word("a command behind the tag").decode("ascii")
    if name == "UID":
        reader.space()
        name = "UID " + reader.word("a command behind UID").decode("ascii")
    return name


def _find(session: ImapSession, name: str) -> Command:
    """The command, if it may come now."""
    command = _COMMANDS.get(name) or find_added(session, name)
    if command is None:
        raise bad(_unknown(name))
    _check_state(session, command)
    if name in _NUMBERED and Enabled.UIDONLY in session.enabled:
        raise Refused(replies.UID_REQUIRED)
    return command


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name[:40], _COMMANDS, 1)
    return f"There is no command {name[:40]}" + (f", did you mean {near[0]}?" if near else "")


def _check_state(session: ImapSession, command: Command) -> None:
    """Refused unless the command may come now (RFC 3501 §3)."""
    if command.state is State.ANY:
        return
    if command.state is State.NOT_AUTHENTICATED:
        if session.identity is not None:
            raise Refused(replies.ALREADY_IN)
    elif session.identity is None:
        raise Refused(replies.NEEDS_LOGIN)
    elif command.state is State.SELECTED and session.view is None:
        raise Refused(replies.NEEDS_MAILBOX)


async def _run(session: ImapSession, command: Command, reader: Reader) -> Reply | None:
    session.pin_now()
    try:
        if command.asked:
            await _ask(session, command)
        if command.state is State.SELECTED and not await still_readable(session):
            raise Refused(replies.NO_LONGER_SHARED)
        with session.attended() if command.attended else nullcontext():
            reply = await command.run(session, reader)
    except Refused as refused:
        reply = refused.reply
    except MailboxMissing:
        reply = replies.NO_SUCH_MAILBOX
    except StoreFull:
        reply = replies.STORE_FULL
    except (HookFailed, DirectoryUnavailable):
        reply = replies.UNAVAILABLE
    except (ConnectionResetError, LineTooLong):
        raise
    except Exception:
        _log.error("a command failed", command=command.name, exc_info=True)
        reply = replies.SERVER_BUG
    finally:
        session.unpin()
    if reply is not None and session.view is not None:
        await tell(session, expunged=command.renumbers, with_uid=command.with_uid)
    if reply is not None:
        await tell_annotations(session)
    return reply


async def _ask(session: ImapSession, command: Command) -> None:
    """Refused if a plugin does not want the command."""
    plan = session.pin.first(imap_command)
    if not plan:
        return
    verdict = await plan(session.trace, session=session, name=command.name)
    if isinstance(verdict, Reject | Defer):
        raise Refused(refusal(verdict))
