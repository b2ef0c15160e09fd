"""Where mail for an address goes: questions that follow people, aliases and lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sansldap import LDAPFilter, SearchScope

from hub import Account, AccountRef, Address, DirectoryUnavailable, Logger, Resolution
from hub_plugin_auth_ldap import people as entries
from hub_plugin_auth_ldap.connection import MAX_ENTRIES, Connection, Entry, LdapError
from hub_plugin_auth_ldap.names import (
    AddressKey,
    both,
    has_address,
    has_name,
    in_domain,
    key_of,
    parse_address,
)
from hub_plugin_auth_ldap.people import Person
from hub_plugin_auth_ldap.servers import Servers
from hub_plugin_auth_ldap.settings import Settings

CATCH_ALL: Final = "*"
MAX_DEPTH: Final = 10
MAX_TARGETS: Final = 5000
"""Members and addresses that one address may lead to."""
_CANDIDATES: Final = 50


class Lookup:
    """Asks the servers; keeps nothing."""

    def __init__(self, settings: Settings, servers: Servers, log: Logger) -> None:
        self._settings = settings
        self._servers = servers
        self._log = log
        self._people = LDAPFilter.from_string(settings.people.filter)
        self._lists = None if settings.lists is None else LDAPFilter.from_string(settings.lists.filter)
        self._wanted = entries.attributes(settings.people)
        self._addresses = (settings.people.address, *settings.people.aliases)

    # -- people ---------------------------------------------------------------------------------

    async def named(self, name: str) -> list[Entry]:
        """The entries that log in by this name; there should be one, and no more than two are looked for."""
        return await self._search(self._by_name(name), self._wanted, limit=2)

    async def named_at(self, connection: Connection, dn: str, name: str) -> Entry | None:
        """The entry at a DN if it logs in by this name, as who has bound on this connection sees it."""
        found = await connection.search(
            dn, self._by_name(name), self._wanted, limit=1, scope=SearchScope.BASE
        )
        return found[0] if found else None

    def person(self, entry: Entry) -> Person | None:
        """The account that an entry is."""
        return entries.person(self._settings, entry, self._log)

    def _by_name(self, name: str) -> LDAPFilter:
        return both(self._people, has_name(self._settings.people.logins, name))

    async def with_key(self, key: str) -> list[Person]:
        """Who has the key; there should be one, and no more than two are looked for."""
        question = entries.with_key(self._settings.people, key)
        if question is None:
            return []
        found = map(self.person, await self._search(both(self._people, question), self._wanted, limit=2))
        # The server compares as the attribute's syntax says, perhaps without case.
        return [each for each in found if each is not None and each.account.ref.key == key]

    async def with_addresses(self, keys: Sequence[AddressKey]) -> list[Person]:
        """Who has one of the addresses."""
        question = both(self._people, has_address(self._addresses, keys))
        found = await self._search(question, self._wanted)
        return [each for each in map(self.person, found) if each is not None]

    async def anybody(self, domain: str) -> Account | None:
        """Somebody enabled in the domain, the same one each time while there are few."""
        question = both(self._people, in_domain(self._settings.people.address, domain))
        found = map(self.person, await self._search(question, self._wanted, limit=_CANDIDATES))
        enabled = [each.account for each in found if each is not None and each.account.enabled]
        return min(enabled, key=lambda each: str(each.address), default=None)

    # -- lists ----------------------------------------------------------------------------------

    async def lists_with(self, keys: Sequence[AddressKey]) -> list[tuple[Sequence[AddressKey], Entry]]:
        """The lists that have one of the addresses, each with all of its own."""
        lists = self._settings.lists
        if lists is None or self._lists is None:
            return []
        found = await self._search(
            both(self._lists, has_address(lists.addresses, keys)), [*lists.addresses, *lists.members]
        )
        return [(_keys(lists.addresses, entry), entry) for entry in found]

    def members(self, entry: Entry) -> list[Address | str]:
        """The members of a list: addresses, and DNs of other entries."""
        lists = self._settings.lists
        found: list[Address | str] = []
        for attribute in () if lists is None else lists.members:
            for value in entry.attributes.get(attribute.lower(), ()):
                found.append(parse_address(attribute, value) or value.decode("utf-8", "replace"))
        return found

    async def at(self, dn: str) -> Person | Entry | None:
        """Who or which list is at a DN."""
        person = await self._read(dn, self._people, self._wanted)
        if person is not None:
            return self.person(person)
        lists = self._settings.lists
        if lists is None or self._lists is None:
            return None
        return await self._read(dn, self._lists, lists.members)

    # -- groups ---------------------------------------------------------------------------------

    async def is_in(self, group: str, question: LDAPFilter) -> bool:
        """Whether the group's entry answers the question about a member."""
        return await self._read(group, question, ()) is not None

    # -- underneath -----------------------------------------------------------------------------

    async def _read(self, dn: str, question: LDAPFilter, wanted: Sequence[str]) -> Entry | None:
        found = await self._servers.look_up(
            lambda connection: connection.search(dn, question, wanted, limit=1, scope=SearchScope.BASE)
        )
        return found[0] if found else None

    async def _search(
        self, question: LDAPFilter, wanted: Sequence[str], limit: int = MAX_ENTRIES
    ) -> list[Entry]:
        base = self._settings.base

        async def ask(connection: Connection) -> list[Entry]:
            found = await connection.search(base, question, wanted, limit=limit)
            if found is None:
                raise LdapError(f"there is no entry {base!r} to look below, or nobody may see it")
            return found

        return await self._servers.look_up(ask)


@dataclass(slots=True)
class Walk:
    """One resolution under way; every address and entry is looked at once, so that loops end."""

    lookup: Lookup
    is_local: Callable[[str], bool]
    accounts: dict[AccountRef, Account] = field(default_factory=dict)
    forwards: dict[AddressKey, Address] = field(default_factory=dict)
    seen: set[AddressKey | str] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        """Whether nobody was found yet."""
        return not self.accounts and not self.forwards

    def result(self) -> Resolution | None:
        """All that were found."""
        if self.empty:
            return None
        return Resolution(tuple(self.accounts.values()), tuple(self.forwards.values()))

    async def expand(self, address: Address, depth: int = MAX_DEPTH) -> None:
        """Find where one address leads."""
        key = key_of(address)
        if key is None or not self._is_new(key):
            return
        if not self.is_local(key.domain):
            self.forwards[AddressKey(address.local, key.domain)] = (
                address  # their local parts may have a case
            )
            return
        keys = list(dict.fromkeys((key, key._replace(local=key_of_base(key)), key._replace(local=CATCH_ALL))))
        people, lists = await self._best(keys)
        for person in people:
            self._add(person)
        if depth:
            for entry in lists:
                await self._expand_members(entry, depth - 1)

    async def _best(self, keys: Sequence[AddressKey]) -> tuple[list[Person], list[Entry]]:
        """Who and what has the first of the addresses that anybody has."""
        people = await self.lookup.with_addresses(keys)
        first = next((each for each in keys if any(each in person.addresses for person in people)), None)
        lists = [] if first == keys[0] else await self.lookup.lists_with(keys)
        for key in keys:
            chosen = [person for person in people if key in person.addresses]
            leading = [entry for addresses, entry in lists if key in addresses]
            if chosen or leading:
                return chosen, leading
        return [], []

    async def _expand_members(self, entry: Entry, depth: int) -> None:
        for member in self.lookup.members(entry):
            if isinstance(member, Address):
                await self.expand(member, depth)
                continue
            if not self._is_new(member.lower()):
                continue
            found = await self.lookup.at(member)
            if isinstance(found, Person):
                self._add(found)
            elif found is not None and depth:
                await self._expand_members(found, depth - 1)

    def _add(self, person: Person) -> None:
        account = person.account
        if not account.enabled:
            return
        if self.is_local(account.address.domain):
            self.accounts[account.ref] = account
        else:
            self.forwards[person.addresses[0]] = account.address

    def _is_new(self, what: AddressKey | str) -> bool:
        if what in self.seen:
            return False
        self.seen.add(what)
        if len(self.seen) > MAX_TARGETS:
            raise DirectoryUnavailable(f"an address leads to more than {MAX_TARGETS} others")
        return True


def key_of_base(key: AddressKey) -> str:
    """`user` of `user+tag`."""
    return Address(*key).base_local


def _keys(attributes: Sequence[str], entry: Entry) -> list[AddressKey]:
    found = []
    for attribute in attributes:
        for value in entry.attributes.get(attribute.lower(), ()):
            address = parse_address(attribute, value)
            key = None if address is None else key_of(address)
            if key is not None:
                found.append(key)
    return found
