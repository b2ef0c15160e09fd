"""What the entry of a person says: an account, its addresses, and what Active Directory writes otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError
from sansldap import FilterEquality, LDAPFilter

from hub import Account, AccountRef, Address, Identity, Logger, Size
from hub_plugin_auth_ldap.connection import Entry
from hub_plugin_auth_ldap.names import AddressKey, key_of, parse_address
from hub_plugin_auth_ldap.settings import People, Settings

_BINARY: Final = "objectguid"
_FLAGS: Final = "useraccountcontrol"
_DISABLED: Final = 0x2  # ADS_UF_ACCOUNTDISABLE
_NO: Final = frozenset({"false", "no", "off", "0", "inactive", "disabled"})
_SIZE: Final[TypeAdapter[int]] = TypeAdapter(Size)


@dataclass(frozen=True, slots=True)
class Person:
    """An entry that is an account. addresses: all that lead to it, its own first."""

    dn: str
    account: Account
    addresses: Sequence[AddressKey]


def attributes(people: People) -> list[str]:
    """What has to be asked for to tell what an entry says."""
    switch = (people.enabled or "").removeprefix("!")
    named = (people.key, people.address, *people.aliases, people.name, people.quota, switch)
    return [name for name in named if name]


def person(settings: Settings, entry: Entry, log: Logger) -> Person | None:
    """None for an entry without an address or a key, which cannot have mail."""
    people = settings.people
    addresses = list(_addresses(people, entry))
    key = _key(people.key, entry)
    if not addresses or key is None:
        log.warning(
            "an entry has no address or no key", entry=entry.dn, address=people.address, key=people.key
        )
        return None
    own = Address(addresses[0].local, addresses[0].domain)
    account = Account(
        AccountRef(settings.tenant, key),
        own,
        _text(people.name, entry),
        _quota(people, entry, log),
        is_enabled(people.enabled, entry),
    )
    keys = tuple(filter(None, map(key_of, addresses)))
    return Person(entry.dn, account, keys)


def identity_of(account: Account) -> Identity:
    """Whoever has logged in as this account."""
    return Identity(account.ref, str(account.address), account.address)


def is_enabled(switch: str | None, entry: Entry) -> bool:
    """Whether the attribute says so: one that is there and not FALSE, turned round by a `!`."""
    if switch is None:
        return True
    inverted = switch.startswith("!")
    name = switch.removeprefix("!")
    text = _text(name, entry).strip().lower()
    if not text:
        return True
    if name.lower() == _FLAGS:
        return not (text.isdigit() and int(text[:20]) & _DISABLED)
    return (text in _NO) == inverted


def _addresses(people: People, entry: Entry) -> Iterator[Address]:
    for attribute in (people.address, *people.aliases):
        for value in entry.attributes.get(attribute.lower(), ()):
            address = parse_address(attribute, value)
            if address is not None:
                yield address
        if attribute == people.address and attribute.lower() not in entry.attributes:
            return


def _key(attribute: str, entry: Entry) -> str | None:
    values = entry.attributes.get(attribute.lower())
    if not values or not values[0]:
        return None
    if attribute.lower() == _BINARY:
        return values[0].hex()
    return values[0].decode("utf-8", "backslashreplace")


def with_key(people: People, key: str) -> LDAPFilter | None:
    """Entries that have the key, None if it can be nobody's."""
    if people.key.lower() != _BINARY:
        return FilterEquality(people.key, key.encode())
    try:
        return FilterEquality(people.key, bytes.fromhex(key))
    except ValueError:
        return None


def _text(attribute: str, entry: Entry) -> str:
    values = entry.attributes.get(attribute.lower())
    return values[0].decode("utf-8", "replace") if values else ""


def _quota(people: People, entry: Entry, log: Logger) -> int | None:
    text = _text(people.quota, entry) if people.quota else ""
    if not text:
        return None
    try:
        octets = int(text) * people.quota_unit if text.isdigit() else _SIZE.validate_python(text)
    except (ValidationError, ValueError):
        log.warning("a quota is no size and counts as none", entry=entry.dn, quota=text[:100])
        return None
    return octets or None
