"""Mailboxes of others: how they are called here, whose they are, and what may be done in them (RFC 2342)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.imap.names import SEPARATOR, canonical
from hub.imap.place import Place
from hub.imap.rights import effective
from hub.imap.session import ImapSession
from hub.mail.login import AccountRef
from hub.services.directory import Account
from hub.services.sharing import ANYONE
from hub.services.storage import MailboxMissing

OTHERS: Final = "Other Users"
PREFIX: Final = OTHERS + SEPARATOR


@dataclass(frozen=True, slots=True)
class Address:
    """A name under `Other Users` taken apart. inner: the name as the owner knows it."""

    account: AccountRef
    login: str
    inner: str


def is_foreign(name: str) -> bool:
    """Whether a name stands for nothing of one's own."""
    return name == OTHERS or name.startswith(PREFIX)


def may_be_foreign(pattern: str) -> bool:
    """Whether a LIST pattern could match a name under `Other Users`."""
    start = min((at for at in (pattern.find("*"), pattern.find("%")) if at >= 0), default=len(pattern))
    literal = pattern[:start]
    return literal.startswith(PREFIX) or PREFIX.startswith(literal)


def own_identifier(session: ImapSession) -> str:
    """What this user is called on lists of rights."""
    assert session.identity is not None
    return str(session.identity.address)


def foreign_name(login: str, inner: str) -> str:
    """What somebody's mailbox is called by everybody else."""
    return PREFIX + login + SEPARATOR + inner


async def foreign_address(session: ImapSession, name: str) -> Address | None:
    """Whose a name under `Other Users` is; None if it is nobody's of this tenant, or one's own."""
    login, _, inner = name.removeprefix(PREFIX).partition(SEPARATOR)
    if not inner:
        return None
    account = await session.kernel.services.directory.account(login)
    if account is None or account.ref == session.account or account.ref.tenant != session.account.tenant:
        return None
    return Address(account.ref, str(account.address), canonical(inner))


async def find_foreign(session: ImapSession, name: str) -> Place | None:
    """Somebody else's mailbox, if this user has any right in it."""
    address = await foreign_address(session, name)
    if address is None:
        return None
    mailbox = await session.storage.mailbox(address.account, address.inner)
    if mailbox is None:
        return None
    try:
        listed = await session.storage.rights(mailbox.id)
    except MailboxMissing:
        return None
    rights = effective(listed, own_identifier(session))
    if not rights:
        return None
    name = foreign_name(address.login, mailbox.name)
    return Place(name, mailbox, address.account, session.account, rights)


async def foreign_places(session: ImapSession) -> Sequence[Place]:
    """Every mailbox of others that this user may see in a list."""
    identifiers = (own_identifier(session), ANYONE)
    shared = await session.storage.shared_with(session.account.tenant, identifiers)
    owners: dict[AccountRef, Account | None] = {}
    found = []
    for each in shared:
        if each.account == session.account or "l" not in each.rights:
            continue
        if each.account not in owners:
            owners[each.account] = await session.kernel.services.directory.account_of(each.account)
        owner = owners[each.account]
        if owner is None or SEPARATOR in str(owner.address):  # nobody could write that name
            continue
        name = foreign_name(str(owner.address), each.mailbox.name)
        found.append(Place(name, each.mailbox, each.account, session.account, each.rights))
    return found
