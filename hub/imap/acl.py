"""SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314): who may do what in a mailbox."""

from __future__ import annotations

from typing import Final

from hub.imap.command import Command, State
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.render import astring, string
from hub.imap.replies import Refused, Reply, no, ok
from hub.imap.rights import NEGATIVE, changed_rights, every_right, identifier_of, read_rights, wire_rights
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.services.sharing import RIGHTS

MAX_IDENTIFIERS: Final = 1000
_NEEDED_TO_ASK: Final = frozenset("lrikxa")  # RFC 4314 §4


async def _setacl(session: ImapSession, reader: Reader) -> Reply:
    name, written = _name_and_identifier(reader)
    reader.space()
    mode, rights = read_rights(reader.astring("rights"))
    reader.end()
    found = await place(session, name, "a")
    identifier = await _identifier(session, found, written)
    if identifier is None:
        raise no(b"There is nobody of that name here")
    listed = await session.storage.rights(found.mailbox.id)
    if identifier not in listed and len(listed) >= MAX_IDENTIFIERS:
        raise no(b"A mailbox is shared with at most %d" % MAX_IDENTIFIERS, b"LIMIT")
    rights = changed_rights(listed.get(identifier, ""), mode, rights)
    return await _change(session, found, identifier, rights, b"They have these rights now")


async def _deleteacl(session: ImapSession, reader: Reader) -> Reply:
    name, written = _name_and_identifier(reader)
    reader.end()
    found = await place(session, name, "a")
    identifier = await _identifier(session, found, written) or written  # who has left can be taken off
    return await _change(session, found, identifier, "", b"They have no rights of their own now")


async def _change(session: ImapSession, found: Place, identifier: str, rights: str, text: bytes) -> Reply:
    await session.storage.set_rights(found.mailbox.id, identifier, rights)
    session.changed(found.mailbox.name, ChangeKind.RIGHTS, account=found.account)
    return ok(text)


async def _getacl(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    found = await place(session, name, "a")
    listed = await session.storage.rights(found.mailbox.id)
    pairs = [(owner, RIGHTS)] if (owner := await _owner(session, found.account)) else []
    told = [
        b"%b %b" % (astring(identifier.encode()), wire_rights(rights))
        for identifier, rights in (*pairs, *sorted(listed.items()))
    ]
    session.out.send(b"* ACL %b\r\n" % b" ".join([session.name(found.name), *told]))
    return ok(b"That is the list")


async def _listrights(session: ImapSession, reader: Reader) -> Reply:
    name, written = _name_and_identifier(reader)
    reader.end()
    found = await place(session, name, "a")
    who = string(written.encode()) if not written.isascii() else astring(written.encode())
    if await _account(session, written) == found.account:
        given = wire_rights(RIGHTS)  # nobody can take them away
    else:
        given = b" ".join((b'""', *every_right()))
    name_ = session.name(found.name)
    session.out.send(b"* LISTRIGHTS %b %b %b\r\n" % (name_, who, given))
    return ok(b"These can be given")


async def _myrights(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    found = await place(session, name)
    if _NEEDED_TO_ASK.isdisjoint(found.rights):
        raise no(b"You have no right to know of your rights in this mailbox", b"NOPERM")
    name_ = session.name(found.name)
    session.out.send(b"* MYRIGHTS %b %b\r\n" % (name_, wire_rights(found.rights)))
    return ok(b"These are yours")


def _name_and_identifier(reader: Reader) -> tuple[str, str]:
    reader.space()
    name = reader.mailbox()
    reader.space()
    return name, reader.text("an identifier")


async def _identifier(session: ImapSession, found: Place, written: str) -> str | None:
    """As it stands on lists, None for nobody. Refused for the owner."""
    if await _account(session, written.removeprefix(NEGATIVE)) == found.account:
        raise Refused(Reply(b"NO", b"The owner of a mailbox always has every right in it", b"CANNOT"))
    return await identifier_of(session.kernel.services.directory, found.account, written)


async def _account(session: ImapSession, login: str) -> AccountRef | None:
    account = await session.kernel.services.directory.account(login)
    return None if account is None else account.ref


async def _owner(session: ImapSession, ref: AccountRef) -> str:
    account = await session.kernel.services.directory.account_of(ref)
    return "" if account is None else str(account.address)


COMMANDS = (
    Command("SETACL", _setacl, State.AUTHENTICATED),
    Command("DELETEACL", _deleteacl, State.AUTHENTICATED),
    Command("GETACL", _getacl, State.AUTHENTICATED),
    Command("LISTRIGHTS", _listrights, State.AUTHENTICATED),
    Command("MYRIGHTS", _myrights, State.AUTHENTICATED),
)
