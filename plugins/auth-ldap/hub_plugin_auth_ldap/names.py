"""Names inside questions: nothing that a client says is ever parsed, as a filter or as a DN."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from sansldap import (
    FilterAnd,
    FilterEquality,
    FilterExtensibleMatch,
    FilterOr,
    FilterSubstrings,
    LDAPFilter,
)

from hub import Address, AddressError

MAX_NAME: Final = 320
"""Octets of a name that may log in: an address has no more (RFC 5321 §4.5.3.1)."""
PLACEHOLDER: Final = re.compile(r"\{(login|local|domain)\}")
_PREFIXES: Final = {"proxyaddresses": "smtp:"}
"""What stands before the addresses in an attribute: Active Directory's holds other kinds of them, too."""
_SPECIAL: Final = re.compile(r'[\x00-\x1f"+,;<=>\\#\x7f]| ')


class AddressKey(NamedTuple):
    """What two spellings of one address have in common."""

    local: str
    domain: str


def is_text(text: str, most: int) -> bool:
    """Whether it is UTF-8 of one octet at least, and at most so many."""
    try:
        return 0 < len(text.encode()) <= most
    except UnicodeEncodeError:
        return False


def domain_id(domain: str) -> str:
    """The domain as it is compared, with A-labels. AddressError if it has none."""
    return Address.parse(f"x@{domain}").ascii_domain.lower()


def key_of(address: Address) -> AddressKey | None:
    """None for what is no text, and for a domain that no DNS could hold, and so no hub."""
    if not is_text(address.local, MAX_NAME):
        return None
    try:
        domain = address.ascii_domain.lower()
    except AddressError:
        return None
    return AddressKey(unicodedata.normalize("NFC", address.local).lower(), domain)


def parse_address(attribute: str, value: bytes) -> Address | None:
    """The address in a value, None if it holds something else."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    prefix = _PREFIXES.get(attribute.lower(), "")
    if not text.lower().startswith(prefix):
        return None
    try:
        return Address.parse(text[len(prefix) :])
    except AddressError:
        return None


def has_address(attributes: Iterable[str], addresses: Iterable[AddressKey]) -> LDAPFilter:
    """Entries that have one of the addresses in one of the attributes."""
    texts = [str(Address(*address)) for address in addresses]
    return FilterOr(
        [
            FilterEquality(attribute, (_PREFIXES.get(attribute.lower(), "") + text).encode())
            for attribute in attributes
            for text in texts
        ]
    )


def has_name(attributes: Iterable[str], name: str) -> LDAPFilter:
    """Entries that have the name in one of the attributes, or the address that it is with A-labels."""
    spellings = {name: None, _in_ascii(name): None}
    return FilterOr([FilterEquality(each, text.encode()) for each in attributes for text in spellings])


def in_domain(attribute: str, domain: str) -> LDAPFilter:
    """Entries with any address of the domain."""
    return FilterSubstrings(attribute, None, [], f"@{domain}".encode())


def has_member(attributes: Iterable[str], dn: str) -> LDAPFilter:
    """Groups with that member; `member:1.2.840.113556.1.4.1941:` is matched by that rule."""
    return FilterOr([_matches(attribute, dn.encode()) for attribute in attributes])


def both(one: LDAPFilter, other: LDAPFilter) -> LDAPFilter:
    """Entries that pass both."""
    return FilterAnd([one, other])


def _in_ascii(name: str) -> str:
    try:
        address = Address.parse(name)
        return str(Address(address.local, address.ascii_domain))
    except AddressError:
        return name


def _matches(attribute: str, value: bytes) -> LDAPFilter:
    name, _, rule = attribute.rstrip(":").partition(":")
    return FilterExtensibleMatch(rule, name, value, False) if rule else FilterEquality(name, value)


def filled(template: str, login: str) -> str | None:
    """The DN that a template gives for a name; None if the name lacks a part that the template has."""
    local, _, domain = login.rpartition("@") if "@" in login else (login, "", "")
    parts = {"login": login, "local": local, "domain": domain}
    if not all(parts[name] for name in PLACEHOLDER.findall(template)):
        return None
    return PLACEHOLDER.sub(lambda found: escaped(parts[found[1]]), template)


def escaped(value: str) -> str:
    """A value inside a DN (RFC 4514 §2.4), with every special character as its hexadecimal pair."""
    return _SPECIAL.sub(lambda found: f"\\{ord(found[0]):02x}", value)
