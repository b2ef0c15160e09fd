"""Domains, accounts, aliases and credentials in SQL, and the last word on a login.

`tables` is what is kept, `lookup` who an address is, `changes` what `hub account | domain | alias` do,
`passwords`, `factors` and `login` who somebody is, `driver` what the hub enters.
"""

from hub import Credentials, Identity, Password, Plugin, Refuse, ScramKeys, Session, hookimpl
from hub_plugin_directory_sql.driver import DIRECTORY, Settings, SqlDirectory

__all__ = ["DIRECTORY", "Settings", "SqlDirectory", "authenticate", "resolve_scram_keys"]


@hookimpl(trylast=True)
async def authenticate(
    plugin: Plugin, session: Session, credentials: Credentials
) -> Identity | Refuse | None:
    """The password against the account's hash; no opinion where another directory was chosen."""
    directory = plugin.stash.get(DIRECTORY)
    if directory is None or not isinstance(credentials, Password):
        return None
    return await directory.authenticate(credentials, session.protocol)


@hookimpl(trylast=True)
async def resolve_scram_keys(plugin: Plugin, username: str) -> ScramKeys | Refuse | None:
    """What was derived when the password was set; nothing where another directory was chosen."""
    directory = plugin.stash.get(DIRECTORY)
    return None if directory is None else await directory.scram_keys(username)
