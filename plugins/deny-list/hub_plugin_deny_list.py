"""Refuse addresses, domains and networks that the operator lists."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import (
    Address,
    AddressError,
    Envelope,
    Network,
    Networks,
    Plugin,
    Reject,
    Session,
    StashKey,
    Verdict,
    hookimpl,
)


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


AddressEntry: TypeAlias = Annotated[str, AfterValidator(_address_entry)]
NameEntry: TypeAlias = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """[plugins.deny-list]: who is refused. Letter case never counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[Network, ...] = Field(
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
        Networks(settings.networks),
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
