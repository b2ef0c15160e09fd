"""The hub's directory, read from LDAP: whoever is there gets mail, without an account made in the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Final, TypeVar, cast

from hub import Account, AccountRef, Address, AddressError, Cache, Plugin, Resolution, StashKey
from hub_plugin_auth_ldap.lookup import Lookup, Walk
from hub_plugin_auth_ldap.names import MAX_NAME, domain_id, is_text, key_of
from hub_plugin_auth_ldap.opening import LOOKUP, open_servers
from hub_plugin_auth_ldap.settings import Settings

T = TypeVar("T")

CACHE_SIZE: Final = 10_000
_POSTMASTER: Final = "postmaster"

DIRECTORY: Final[StashKey[LdapDirectory]] = StashKey()


class LdapDirectory:
    """`Directory` over the entries of an LDAP directory, which the hub does not change."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        if not self._settings.domains:
            raise ValueError("[plugins.auth-ldap] domains is empty: the hub's directory has to serve some")
        self._cache: Cache[Hashable, tuple[object]] = Cache(
            plugin.clock, seconds=self._settings.cache, size=CACHE_SIZE
        )

    async def __aenter__(self) -> LdapDirectory:
        await open_servers(self._plugin)
        self._lookup: Lookup = self._plugin.stash[LOOKUP]
        self._plugin.stash[DIRECTORY] = self
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The servers belong to the scope."""

    async def is_local(self, domain: str) -> bool:
        """Whether the settings name it; no server is asked."""
        return self._is_local(domain)

    async def resolve(self, address: Address) -> Resolution | None:
        """By one question for a person's own address; aliases and lists take more."""
        key = key_of(address)
        if key is None or (key.domain and not self._is_local(key.domain)):
            return None
        return await self._remembered(key, lambda: self._resolve(address))

    async def account(self, login: str) -> Account | None:
        """By any attribute that one may log in by; None if several entries have it."""
        if not is_text(login, MAX_NAME):
            return None
        return await self._remembered(login.lower(), lambda: self._account(login))

    async def account_of(self, ref: AccountRef) -> Account | None:
        """By the attribute whose values accounts are known by; None if several entries have it."""
        if ref.tenant != self._settings.tenant or not is_text(ref.key, MAX_NAME):
            return None
        return await self._remembered(ref, lambda: self._account_of(ref))

    async def may_send_as(self, account: AccountRef, address: Address) -> bool:
        """Whether mail for the address reaches the account: whoever gets the answers may ask."""
        resolution = await self.resolve(address)
        return resolution is not None and any(found.ref == account for found in resolution.accounts)

    # -- underneath ---------------------------------------------------------------------------

    def _is_local(self, domain: str) -> bool:
        try:
            return domain_id(domain) in self._settings.domains
        except AddressError:
            return False

    async def _account(self, login: str) -> Account | None:
        entries = await self._lookup.named(login)
        person = self._lookup.person(entries[0]) if len(entries) == 1 else None
        return person.account if person and self._is_local(person.account.address.domain) else None

    async def _account_of(self, ref: AccountRef) -> Account | None:
        people = await self._lookup.with_key(ref.key)
        account = people[0].account if len(people) == 1 else None
        return account if account and self._is_local(account.address.domain) else None

    async def _resolve(self, address: Address) -> Resolution | None:
        walk = Walk(self._lookup, self._is_local)
        is_postmaster = address.local.lower() == _POSTMASTER
        if address.domain:
            await walk.expand(address)
        elif is_postmaster:
            for domain in self._settings.domains:
                if walk.empty:
                    await walk.expand(Address(_POSTMASTER, domain))
        if walk.empty and is_postmaster:
            await self._add_anybody(walk, address.domain)
        return walk.result()

    async def _add_anybody(self, walk: Walk, domain: str) -> None:
        """RFC 5321 §4.5.1: somebody reads it, of the domain if there is anybody, else of the hub."""
        own = domain_id(domain) if domain else ""
        for each in sorted(self._settings.domains, key=lambda each: each != own):
            account = await self._lookup.anybody(each)
            if account is not None:
                walk.accounts[account.ref] = account
                return

    async def _remembered(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """An answer of the last seconds, also that there is nobody."""
        known = self._cache.get(key)
        if known is None:
            known = (await ask(),)
            self._cache.put(key, known)
        return cast(T, known[0])
