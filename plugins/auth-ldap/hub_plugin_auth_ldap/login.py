"""Who somebody is: one lookup and one bind, for a name that nobody has as well."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from hub import Account, Identity, Password, Refuse
from hub_plugin_auth_ldap.connection import Connection, Entry
from hub_plugin_auth_ldap.lookup import Lookup
from hub_plugin_auth_ldap.names import MAX_NAME, escaped, filled, has_member, is_text
from hub_plugin_auth_ldap.people import Person, identity_of, is_enabled
from hub_plugin_auth_ldap.servers import Servers
from hub_plugin_auth_ldap.settings import Settings

MAX_PASSWORD: Final = 1024
NO_ACCOUNT: Final = Refuse("the directory has no account for the entry's address")
AMBIGUOUS: Final = Refuse("several entries have this name")
DISABLED: Final = Refuse("the account is disabled")
NOT_IN_GROUP: Final = Refuse("in none of the groups that may log in")


class Logins:
    """Verifies passwords by binding.

    account_of: the hub's account of a person.
    """

    def __init__(
        self,
        settings: Settings,
        servers: Servers,
        lookup: Lookup,
        account_of: Callable[[Person], Awaitable[Account | None]],
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._lookup = lookup
        self._account_of = account_of

    async def check(self, login: Password) -> Identity | Refuse | None:
        """Who it is; None for a name that is nobody's here. DirectoryUnavailable if no server answers."""
        name, password = login.username, login.password
        if not is_text(name, MAX_NAME):
            return None
        if not is_text(password, MAX_PASSWORD):
            return Refuse("the password is empty, too long or no text")
        found: Entry | Refuse | None
        if self._settings.bind_template is not None:
            found = await self._by_template(self._settings.bind_template, name, password)
        else:
            found = await self._by_search(name, password)
        if not isinstance(found, Entry):
            return found
        return await self._admit(found)

    async def _by_search(self, name: str, password: str) -> Entry | Refuse | None:
        entries = await self._lookup.named(name)
        dn = entries[0].dn if len(entries) == 1 else _nobody(self._settings.base)
        refused = await self._servers.log_in(lambda connection: connection.bind(dn, password))
        if not entries:
            return None
        if len(entries) > 1:
            return AMBIGUOUS
        return entries[0] if refused is None else Refuse(f"wrong password: {refused}")

    async def _by_template(self, template: str, name: str, password: str) -> Entry | None:
        """A bind that fails says nothing about the name, so that it is left to others."""
        dn = filled(template, name) or _nobody(self._settings.base)

        async def work(connection: Connection) -> Entry | None:
            if await connection.bind(dn, password) is not None:
                return None
            return await self._lookup.named_at(connection, dn, name)

        return await self._servers.log_in(work)

    async def _admit(self, entry: Entry) -> Identity | Refuse:
        """What else there is to say about somebody who knows the password."""
        if not is_enabled(self._settings.people.enabled, entry):
            return DISABLED
        if not await self._is_in_group(entry.dn):
            return NOT_IN_GROUP
        person = self._lookup.person(entry)
        account = None if person is None else await self._account_of(person)
        if account is None:
            return NO_ACCOUNT
        return identity_of(account) if account.enabled else DISABLED

    async def _is_in_group(self, dn: str) -> bool:
        question = has_member(self._settings.group_members, dn)
        for group in self._settings.required_groups:
            if await self._lookup.is_in(group, question):
                return True
        return not self._settings.required_groups


def _nobody(base: str) -> str:
    """A DN that nobody has: a name that is nobody's costs as many questions as any other."""
    return f"cn={escaped(secrets.token_hex(16))},{base}"
