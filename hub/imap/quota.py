"""GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208), and whether there is room for messages.

An account is one quota root, called by its address; all its mailboxes are in it.
"""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.render import astring
from hub.imap.replies import NOT_YOUR_QUOTA, OVER_QUOTA, Refused, Reply, no, ok
from hub.imap.session import ImapSession
from hub.imap.shared import own_identifier
from hub.imap.tokens import Reader
from hub.services.directory import Account, DirectoryAdmin, has_room, is_limited
from hub.services.storage import UidRanges

_UNIT = 1024  # octets: what STORAGE counts in (RFC 9208 §5.1)
_LARGEST = 1 << 62


async def check_copy(session: ImapSession, mailbox: int, uids: UidRanges, target: Place) -> None:
    """Refused unless these messages go into the account of another mailbox as well."""
    account = await session.kernel.services.directory.account_of(target.account)
    if account is None or not is_limited(account):
        return
    items = await session.storage.items(mailbox, uids)
    usage = await session.storage.usage(target.account)
    if not has_room(account, usage, sum(item.size for item in items), len(items)):
        raise Refused(OVER_QUOTA)


async def _getquota(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    account = await _root(session, reader)
    reader.end()
    await _tell(session, account)
    return ok(b"That is the quota" if is_limited(account) else b"There is no limit")


async def _getquotaroot(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    found = await place(session, name, "r")
    account = await session.kernel.services.directory.account_of(found.account)
    limited = account is not None and is_limited(account)
    roots = [astring(str(account.address).encode())] if account is not None and limited else []
    session.out.send(b"* QUOTAROOT %b\r\n" % b" ".join([session.name(found.name), *roots]))
    if account is not None:
        await _tell(session, account)
    return ok(b"That is the quota" if limited else b"There is no limit")


async def _setquota(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    account = await _root(session, reader)
    reader.space()
    limits = _limits(reader)
    reader.end()
    directory = session.kernel.services.directory
    if not _is_admin(session):
        raise Refused(NOT_YOUR_QUOTA)
    if not isinstance(directory, DirectoryAdmin):
        raise no(b"Quotas stand in a directory that this server does not change", b"CANNOT")
    changed = await directory.change_account(
        account.address,
        quota=limits.get(b"STORAGE", 0) * _UNIT,
        message_quota=limits.get(b"MESSAGE", 0),
    )
    await _tell(session, changed)
    return ok(b"That is the quota now" if is_limited(changed) else b"There is no limit any more")


async def _root(session: ImapSession, reader: Reader) -> Account:
    """The account of a quota root, which is the user's own unless they set quotas. Refused."""
    name = reader.text("a quota root")
    account = await session.kernel.services.directory.account(name)
    if account is not None and account.ref == session.account:
        return account
    if not _is_admin(session):
        raise Refused(NOT_YOUR_QUOTA)
    if account is None or account.ref.tenant != session.account.tenant:
        raise no(b"There is no quota root of that name", b"NONEXISTENT")
    return account


def _is_admin(session: ImapSession) -> bool:
    return own_identifier(session) in session.kernel.settings.imap.quota_admins


def _limits(reader: Reader) -> dict[bytes, int]:
    """Resource → limit. A resource that is left out has none afterwards (RFC 9208 §4.1.3)."""
    reader.expect(b"(", "a list of resources with their limits in parentheses")
    limits: dict[bytes, int] = {}
    while not reader.take(b")"):
        resource = reader.word("STORAGE or MESSAGE")
        if resource not in (b"STORAGE", b"MESSAGE"):
            raise no(b"There are limits for STORAGE, in KiB, and MESSAGE", b"CANNOT")
        reader.space()
        limits[resource] = reader.number("a limit", _LARGEST // _UNIT)
        if not limits[resource]:
            raise no(b"A limit is one or more; a resource that is left out has none", b"CANNOT")
        if reader.peek() == b" ":
            reader.space()
    return limits


async def _tell(session: ImapSession, account: Account) -> None:
    """The QUOTA response; nothing where there is no limit (RFC 9208 §4.2.1)."""
    if not is_limited(account):
        return
    usage = await session.storage.usage(account.ref)
    resources = []
    if account.quota is not None:
        resources.append(b"STORAGE %d %d" % (-(-usage.size // _UNIT), account.quota // _UNIT))
    if account.message_quota is not None:
        resources.append(b"MESSAGE %d %d" % (usage.messages, account.message_quota))
    root = astring(str(account.address).encode())
    session.out.send(b"* QUOTA %b (%b)\r\n" % (root, b" ".join(resources)))


COMMANDS = (
    Command("GETQUOTA", _getquota, State.AUTHENTICATED),
    Command("GETQUOTAROOT", _getquotaroot, State.AUTHENTICATED),
    Command("SETQUOTA", _setquota, State.AUTHENTICATED),
)
