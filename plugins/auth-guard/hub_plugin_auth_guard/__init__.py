"""Bans client addresses that guess passwords, whichever protocol they guess in.

`guard` knows who is banned, `records` and `tables` keep it, `cli` is `hub auth`.
"""

from typing import Final

from hub import Defer, Plugin, Refuse, Session, StashKey, Verdict, hookimpl
from hub_plugin_auth_guard.guard import Guard, Settings
from hub_plugin_auth_guard.records import shown
from hub_plugin_auth_guard.tables import METADATA

__all__ = ["GUARD", "Guard", "Settings"]

GUARD = StashKey[Guard]()
REFRESH: Final = 1.0
"""Seconds until every worker knows of a ban or a release."""
BANNED: Final = Defer("4.7.0", "too many failed logins from your address, try again later")


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Know the bans before the first client comes."""
    guard = Guard(plugin.settings(Settings), await plugin.tables(METADATA), plugin.clock)
    await guard.refresh()
    plugin.stash[GUARD] = guard
    plugin.every(REFRESH, guard.refresh)
    plugin.every(3600, guard.expire, once=True)


@hookimpl(tryfirst=True)
async def smtp_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """For now only: mail of an address that somebody else had yesterday comes again."""
    return BANNED if plugin.stash[GUARD].is_banned(session.peer[0]) else None


@hookimpl(tryfirst=True)
async def imap_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """The same for who reads."""
    return BANNED if plugin.stash[GUARD].is_banned(session.peer[0]) else None


@hookimpl(tryfirst=True)
async def listener_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """The same in protocols that plugins speak."""
    return BANNED if plugin.stash[GUARD].is_banned(session.peer[0]) else None


@hookimpl(tryfirst=True)
async def authenticate(plugin: Plugin, session: Session) -> Refuse | None:
    """Who was connected before the ban is refused unseen."""
    return _refused(plugin, session)


@hookimpl(tryfirst=True)
async def resolve_scram_keys(plugin: Plugin, session: Session) -> Refuse | None:
    """The same for who logs in without sending a password."""
    return _refused(plugin, session)


@hookimpl
async def login_failed(plugin: Plugin, session: Session, username: str, mechanism: str, reason: str) -> None:
    """Say why, and count it for the client's address, whichever the protocol and the account."""
    host = session.peer[0]
    plugin.log.info(
        "login failed",
        client=host,
        user=shown(username),
        protocol=session.protocol,
        mechanism=mechanism,
        reason=reason,
    )
    ban = await plugin.stash[GUARD].note(host, username, session.protocol, mechanism, reason)
    if ban is not None:
        plugin.log.warning("banned", network=ban.network, reason=ban.reason, until=ban.until)


def _refused(plugin: Plugin, session: Session) -> Refuse | None:
    host = session.peer[0]
    return Refuse(f"{host} is banned") if plugin.stash[GUARD].is_banned(host) else None
