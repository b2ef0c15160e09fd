"""Refuse addresses, domains and networks that the operator lists."""

import fnmatch
import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import Address, AddressError, Envelope, Plugin, Reject, Session, StashKey, Verdict, hookimpl

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"should be an address or a network such as 192.0.2.0/24: {error}") from None
    return text


def _address_entry(text: str) -> str:
    """Globs may be anything; what has no wildcard must be an address or `@` and a domain."""
    domain = _subdomains(text) or text
    if _is_glob(domain):
        return text
    try:
        Address.parse("postmaster" + domain if domain.startswith("@") else domain)
    except AddressError as error:
        raise ValueError(
            f"should be user@domain, @domain, @*.domain or a pattern with * or ?: {error}"
        ) from None
    return text


NetworkEntry: TypeAlias = Annotated[str, AfterValidator(_network)]
AddressEntry: TypeAlias = Annotated[str, AfterValidator(_address_entry)]
NameEntry: TypeAlias = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """[plugins.deny-list]: who is refused. Letter case never counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[NetworkEntry, ...] = Field(
        default=(),
        description="Clients that are refused when they connect: addresses and CIDR networks, v4 and v6.",
    )
    helo: tuple[NameEntry, ...] = Field(
        default=(), description="Names refused in HELO and EHLO: a name, *.domain, or a pattern with * and ?."
    )
    senders: tuple[AddressEntry, ...] = Field(
        default=(), description="Refused in MAIL: user@domain, @domain, @*.domain, or a pattern with * and ?."
    )
    recipients: tuple[AddressEntry, ...] = Field(
        default=(), description="Refused in RCPT, written like the senders."
    )


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Compile the lists once, so that no lookup walks through them."""
    settings = plugin.settings(Settings)
    plugin.stash[LISTS] = Lists(
        Networks.of(settings.networks),
        Names.of(settings.helo),
        Addresses.of(settings.senders),
        Addresses.of(settings.recipients),
    )


@hookimpl
async def smtp_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """Refuse a client by its address."""
    host = session.peer[0]
    if host in plugin.stash[LISTS].networks:
        return Reject("5.7.1", f"no mail is taken from {host}")
    return None


@hookimpl
async def smtp_helo(plugin: Plugin, name: str) -> Verdict | None:
    """Refuse a client by what it calls itself."""
    return (
        Reject("5.7.1", "no mail is taken from a host of that name")
        if name in plugin.stash[LISTS].helo
        else None
    )


@hookimpl
async def smtp_mail(plugin: Plugin, envelope: Envelope) -> Verdict | None:
    """Refuse a sender; the null reverse-path of bounces is nobody's and passes."""
    sender = envelope.reverse_path
    if sender is not None and sender in plugin.stash[LISTS].senders:
        return Reject("5.7.1", "no mail is taken from this sender")
    return None


@hookimpl
async def smtp_rcpt(plugin: Plugin, recipient: Address) -> Verdict | None:
    """Refuse a recipient, whether or not there is such an address."""
    return (
        Reject("5.7.1", "this recipient takes no mail")
        if recipient in plugin.stash[LISTS].recipients
        else None
    )


@dataclass(frozen=True, slots=True)
class Ranges:
    """Disjoint ranges of addresses of one family as numbers, both ends included, in order."""

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number)
        return at > 0 and number <= self.lasts[at - 1]


@dataclass(frozen=True, slots=True)
class Networks:
    """Tells whether an address lies in any of many networks, by one binary search."""

    v4: Ranges
    v6: Ranges

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Networks":
        networks = [_unmapped(ipaddress.ip_network(entry)) for entry in entries]
        return cls(
            _ranges(network for network in networks if isinstance(network, ipaddress.IPv4Network)),
            _ranges(network for network in networks if isinstance(network, ipaddress.IPv6Network)),
        )

    def __contains__(self, host: str) -> bool:
        if not (self.v4.firsts or self.v6.firsts):
            return False
        address = ipaddress.ip_address(host)
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is None:
                return int(address) in self.v6
            address = address.ipv4_mapped
        return int(address) in self.v4


@dataclass(frozen=True, slots=True)
class Names:
    """Tells whether a host name is listed: by itself, below a listed domain, or by a pattern."""

    exact: frozenset[str]
    parents: frozenset[str]
    globs: re.Pattern[str] | None

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Names":
        exact, parents, globs = set(), set(), []
        for entry in map(str.lower, entries):
            if entry.startswith("*.") and not _is_glob(entry[2:]):
                parents.add(entry[2:])
            elif _is_glob(entry):
                globs.append(entry)
            else:
                exact.add(entry)
        return cls(frozenset(exact), frozenset(parents), _compiled(globs))

    def __contains__(self, name: str) -> bool:
        name = name.lower()
        if name in self.exact or (self.globs is not None and self.globs.match(name) is not None):
            return True
        if self.parents:
            at = name.find(".")
            while at >= 0:
                if name[at + 1 :] in self.parents:
                    return True
                at = name.find(".", at + 1)
        return False


@dataclass(frozen=True, slots=True)
class Addresses:
    """Tells whether a mail address is listed: by itself, by its domain, or by a pattern over all of it."""

    exact: frozenset[str]
    domains: Names
    globs: re.Pattern[str] | None

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Addresses":
        exact, domains, globs = set(), [], []
        for entry in map(str.lower, entries):
            if parent := _subdomains(entry):
                domains.append("*." + _spelled(Address.parse("x" + parent)).partition("@")[2])
            elif _is_glob(entry):
                globs.append(entry)
            elif entry.startswith("@"):
                domains.append(_spelled(Address.parse("x" + entry)).partition("@")[2])
            else:
                exact.add(_spelled(Address.parse(entry)))
        return cls(frozenset(exact), Names.of(domains), _compiled(globs))

    def __contains__(self, address: Address) -> bool:
        if not (self.exact or self.globs or self.domains.exact or self.domains.parents):
            return False
        text = _spelled(address)
        return (
            text in self.exact
            or text.rpartition("@")[2] in self.domains
            or (self.globs is not None and self.globs.match(text) is not None)
        )


@dataclass(frozen=True, slots=True)
class Lists:
    """The settings, compiled."""

    networks: Networks
    helo: Names
    senders: Addresses
    recipients: Addresses


LISTS = StashKey[Lists]()


def _ranges(networks: Iterable[Network]) -> Ranges:
    """What overlaps or touches is merged, so that one search tells."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted((int(each[0]), int(each[-1])) for each in networks):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return Ranges(tuple(first for first, _ in merged), tuple(last for _, last in merged))


def _unmapped(network: Network) -> Network:
    """::ffff:192.0.2.0/120 is 192.0.2.0/24: a listener on [::] sees IPv4 clients that way."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))
    return network


def _spelled(address: Address) -> str:
    """Both spellings of an internationalised domain are one, and letter case does not count."""
    return f"{address.local}@{address.ascii_domain}".lower()


def _subdomains(entry: str) -> str | None:
    """`@domain` of an entry `@*.domain`."""
    if entry.startswith("@*.") and not _is_glob(entry[3:]):
        return "@" + entry[3:]
    return None


def _is_glob(entry: str) -> bool:
    return "*" in entry or "?" in entry


def _compiled(globs: Iterable[str]) -> re.Pattern[str] | None:
    """All patterns as one; square brackets stand for themselves, for address literals have them."""
    parts = [fnmatch.translate(glob.replace("[", "[[]")) for glob in globs]
    return re.compile("|".join(parts)) if parts else None
