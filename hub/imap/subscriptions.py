"""SUBSCRIBE, UNSUBSCRIBE and LSUB (RFC 3501 §6.3.6, §6.3.7, §6.3.9): names that a user wants to see."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.list import parents
from hub.imap.names import SEPARATOR, matcher
from hub.imap.new_names import checked
from hub.imap.places import place
from hub.imap.replies import Reply, ok
from hub.imap.session import ImapSession
from hub.imap.shared import is_foreign
from hub.imap.tokens import Reader
from hub.services.log import ChangeKind


async def _subscribe(session: ImapSession, reader: Reader) -> Reply:
    name = checked(_name(reader))
    if is_foreign(name):
        name = (await place(session, name, "l")).name
    await session.storage.subscribe(session.account, name, True)
    session.changed(name, ChangeKind.SUBSCRIBED)
    return ok(b"Subscribed")


async def _unsubscribe(session: ImapSession, reader: Reader) -> Reply:
    name = _name(reader)
    await session.storage.subscribe(session.account, name, False)
    session.changed(name, ChangeKind.UNSUBSCRIBED)
    return ok(b"Unsubscribed")


def _name(reader: Reader) -> str:
    reader.space()
    name = reader.mailbox().removesuffix(SEPARATOR)
    reader.end()
    return name


async def _lsub(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    reference = reader.mailbox()
    reader.space()
    pattern = reader.list_mailbox()
    reader.end()
    names = set(await session.storage.subscriptions(session.account))
    matches = matcher(reference + pattern)
    found = {name: b"" for name in names if matches(name)}
    if "%" in pattern:  # RFC 3501 §6.3.9: who matches % is shown for the sake of what lies below it
        for name in parents(names):
            if name not in names and matches(name):
                found[name] = b"\\Noselect"
    for name in sorted(found):
        session.out.send(b'* LSUB (%b) "/" %b\r\n' % (found[name], session.name(name)))
        await session.out.flow()
    return ok(b"Listed")


COMMANDS = (
    Command("SUBSCRIBE", _subscribe, State.AUTHENTICATED),
    Command("UNSUBSCRIBE", _unsubscribe, State.AUTHENTICATED),
    Command("LSUB", _lsub, State.AUTHENTICATED),
)
