"""Logins by an LDAP directory, and on request the hub's own directory read from there.

`connection` speaks with a server, `servers` with all of them, `names` makes questions of names, `people`
reads entries, `lookup` follows addresses, `login` says who somebody is, `driver` is what the hub enters.
"""

from hub import Account, Credentials, Identity, Password, Plugin, Refuse, StashKey, hookimpl
from hub_plugin_auth_ldap.driver import DIRECTORY, LdapDirectory
from hub_plugin_auth_ldap.login import Logins
from hub_plugin_auth_ldap.opening import LOOKUP, SERVERS, open_servers
from hub_plugin_auth_ldap.people import Person
from hub_plugin_auth_ldap.settings import Settings

__all__ = ["LdapDirectory", "Settings", "authenticate", "plugin_start"]

LOGINS = StashKey[Logins]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """The connections that all logins share; the first login opens the first."""
    await open_servers(plugin)

    async def account_of(person: Person) -> Account | None:
        """The entry itself where this is the hub's directory, else the account of its address there."""
        if DIRECTORY in plugin.stash:
            is_local = await plugin.stash[DIRECTORY].is_local(person.account.address.domain)
            return person.account if is_local else None
        return await plugin.directory.account(str(person.account.address))

    stash = plugin.stash
    stash[LOGINS] = Logins(plugin.settings(Settings), stash[SERVERS], stash[LOOKUP], account_of)


@hookimpl(mechanisms=("PLAIN", "LOGIN"))
async def authenticate(plugin: Plugin, credentials: Credentials) -> Identity | Refuse | None:
    """Whoever binds with the password is who they say; a token is somebody else's to read."""
    if not isinstance(credentials, Password):
        return None
    return await plugin.stash[LOGINS].check(credentials)
