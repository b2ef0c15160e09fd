"""Block and allow lists in DNS, asked by client address (RFC 5782).

A client is asked about when its first recipient is, not when it connects: by then it is known who has logged
in, and the log has the sender and the recipient of what was refused. What the lists said holds for the
session; the message's score takes it from there.
"""

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import dns.reversename
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hub import (
    Address,
    Duration,
    Envelope,
    Finding,
    Network,
    Networks,
    Plugin,
    Reject,
    Secret,
    Session,
    StashKey,
    Verdict,
    hookimpl,
    host_address,
)

DAY: Final = 86400.0
MAX_ZONE: Final = 190
"""Octets of a zone's name; an IPv6 client puts 64 before it, and a name has 255 (RFC 1035 §2.3.4)."""
LISTED: Final = ipaddress.ip_network("127.0.0.0/8")
"""What a list answers; anything else is the answer of who has taken over its domain (RFC 5782 §2.1)."""
MAX_QUERIES: Final = 256
"""Questions under way at once, each with a socket; more wait, within their time."""
REFUSING: Final = ipaddress.ip_network("127.255.255.0/24")
"""What lists answer that will not be asked: over the quota, blocked, wrongly spelt."""
_OCTET: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_SERVER: Final = re.compile(r"\[(?P<v6>[^]]+)](?::(?P<port6>\d{1,5}))?|(?P<v4>[^:]+)(?::(?P<port4>\d{1,5}))?")

Client: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Ranges: TypeAlias = tuple[tuple[int, int], ...]
Listing: TypeAlias = tuple[str, str, float]
"""The list's name, its answer, the weight of that; sessions keep them from one version to the next."""


def _ranges(text: str) -> Ranges:
    """The least and the most of each octet of an answer that is written `127.0.*.2-3`."""
    found = []
    for octet in text.split("."):
        match = _OCTET.fullmatch("0-255" if octet == "*" else octet)
        least, most = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not least <= most <= 255:
            raise ValueError(f"should be an answer such as 127.0.0.2, 127.0.0.4-7 or 127.0.*.3, not {text}")
        found.append((least, most))
    if len(found) != 4:
        raise ValueError(f"should have four octets such as 127.0.0.2, not {text}")
    return tuple(found)


def _code(text: str) -> str:
    _ranges(text)
    return text


def _zone_name(text: str) -> dns.name.Name:
    try:
        name = dns.name.from_text(text)
    except dns.exception.DNSException:
        name = dns.name.root
    if name == dns.name.root or len(name.to_wire() or b"") > MAX_ZONE:
        raise ValueError("it should be the name of a list's zone, such as bl.example.org")
    return name


def _zone(zone: Secret) -> Secret:
    _zone_name(zone.reveal())
    return zone


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    match = _SERVER.fullmatch(bare)
    try:
        if match is None:
            raise ValueError("it is no address")
        address = str(ipaddress.ip_address(match["v6"] or match["v4"]))
        port = int(match["port6"] or match["port4"] or 53)
        if not 0 < port < 65536:
            raise ValueError(f"there is no port {port}")
    except ValueError as error:
        raise ValueError(f"should be an address such as 192.0.2.53 or [2001:db8::53]:5353: {error}") from None
    return dns.nameserver.Do53Nameserver(address, port)


def _nameserver_text(text: str) -> str:
    _nameserver(text)
    return text


Code: TypeAlias = Annotated[str, AfterValidator(_code)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[ -~]{1,200}$")]
ServerEntry: TypeAlias = Annotated[str, AfterValidator(_nameserver_text)]
Weight: TypeAlias = Annotated[float, Field(ge=-100, le=100)]


class ListTable(BaseModel):
    """[plugins.dnsbl.lists.NAME]: one list, and what its answers weigh."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Annotated[Secret, AfterValidator(_zone)] | None = Field(
        default=None,
        description="The zone that is asked, where a key in it is to be seen by nobody. Without it: NAME.",
    )
    weight: Weight = Field(
        default=5.0, description="What being listed adds; below 0 for a list of good senders."
    )
    codes: dict[Code, Weight] = Field(
        default={},
        description="Weights of answers, such as 127.0.0.10-11 or 127.0.*.3; the first that fits counts.",
    )


class Settings(BaseModel):
    """[plugins.dnsbl]: which lists are asked, and what becomes of who is listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lists: dict[Name, ListTable] = Field(
        description="The lists by the names that senders are told; the zone's, unless it says another."
    )
    reject_at: Annotated[float, Field(gt=0, le=10_000)] | Literal["off"] = Field(
        default=5.0,
        description="From this sum of weights on recipients are refused; off leaves it to the score.",
    )
    nameservers: tuple[ServerEntry, ...] = Field(
        default=(), description="Whom to ask: address, or address and port. Without it: /etc/resolv.conf."
    )
    timeout: Annotated[Duration, Field(gt=0, le=25)] = Field(
        default=5.0, description="A list that has not answered by then counts as nothing."
    )
    cache: int = Field(
        default=10_000, ge=1, description="Answers kept, each for as long as its time to live says."
    )
    exempt: tuple[Network, ...] = Field(
        default=(
            *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
            *("::1/128", "fc00::/7", "fe80::/10"),
        ),
        description="Clients in these networks are never asked about.",
    )
    exempt_recipients: tuple[str, ...] = Field(
        default=(),
        description="Recipients to whom the listed may write: user@domain, or @domain for all of one.",
    )

    @model_validator(mode="after")
    def _names_are_zones(self) -> "Settings":
        for name, each in self.lists.items():
            if each.zone is None:
                try:
                    _zone_name(name)
                except ValueError as error:
                    raise ValueError(f"has a list {name!r} without a zone of its own: {error}") from None
        return self


@dataclass(frozen=True, slots=True)
class Zone:
    """A list, ready to be asked."""

    name: str
    origin: dns.name.Name
    weight: float
    codes: tuple[tuple[Ranges, float], ...]

    def weigh(self, code: str) -> float:
        """What this answer weighs."""
        octets = tuple(map(int, code.split(".")))
        for ranges, weight in self.codes:
            if all(least <= octet <= most for octet, (least, most) in zip(octets, ranges, strict=True)):
                return weight
        return self.weight


class Lists:
    """All lists, with the resolver that asks them and keeps their answers, and what is wrong with which."""

    def __init__(self, settings: Settings) -> None:
        self.exempt = Networks(settings.exempt)
        self._zones = [_ready(name, each) for name, each in settings.lists.items()]
        self._logged: dict[str, float] = {}
        self._queries = asyncio.Semaphore(MAX_QUERIES)
        self._timeout = settings.timeout
        self._resolver = dns.asyncresolver.Resolver(configure=not settings.nameservers)
        if settings.nameservers:
            self._resolver.nameservers = [_nameserver(each) for each in settings.nameservers]
        self._resolver.lifetime = settings.timeout
        self._resolver.timeout = settings.timeout / 2  # then once more, or the next server
        self._resolver.cache = dns.resolver.LRUCache(settings.cache)

    async def ask(self, plugin: Plugin, client: Client) -> tuple[Listing, ...]:
        """What the lists say of a client, all asked at once."""
        answers = await asyncio.gather(*(self._ask(plugin, zone, client) for zone in self._zones))
        return tuple(answer for answer in answers if answer is not None)

    async def _ask(self, plugin: Plugin, zone: Zone, client: Client) -> Listing | None:
        name = dns.reversename.from_address(str(client), zone.origin, zone.origin)
        codes: list[str] = []
        trouble = None
        try:
            async with asyncio.timeout(self._timeout), self._queries:
                answer = await self._resolver.resolve(name, "A", search=False)
            codes = [record.address for record in answer]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            pass  # not listed
        except (dns.exception.Timeout, TimeoutError):
            trouble = f"no answer within {self._timeout:g} s"
        except (dns.exception.DNSException, OSError) as error:
            trouble = f"no name server gives an answer ({type(error).__name__})"
        for each in map(ipaddress.ip_address, codes):
            if each not in LISTED:
                trouble = f"it answers {each}, which no list does"
            elif each in REFUSING:
                trouble = f"it refuses to be asked ({each})"
        self._report(plugin, zone.name, trouble)
        if trouble is not None or not codes:
            return None
        weights = {code: zone.weigh(code) for code in codes}
        code, weight = max(weights.items(), key=lambda each: abs(each[1]))
        return (zone.name, code, weight) if weight else None

    def _report(self, plugin: Plugin, name: str, trouble: str | None) -> None:
        plugin.dependency(f"DNS list {name}", trouble)
        now = plugin.clock.time()
        if trouble is not None and now - self._logged.get(name, -DAY) >= DAY:
            self._logged[name] = now
            plugin.log.warning("a DNS list counts as nothing", list=name, trouble=trouble)


def _ready(name: str, table: ListTable) -> Zone:
    origin = _zone_name(name if table.zone is None else table.zone.reveal())
    codes = tuple((_ranges(code), weight) for code, weight in table.codes.items())
    return Zone(name, origin, table.weight, codes)


LISTS = StashKey[Lists]()
LISTINGS = StashKey[tuple[Listing, ...]]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One resolver for all sessions."""
    plugin.stash[LISTS] = Lists(plugin.settings(Settings))


@hookimpl
async def smtp_rcpt(plugin: Plugin, session: Session, recipient: Address) -> Verdict | None:
    """Refuse a client whose listings add up to too much."""
    settings = plugin.settings(Settings)
    if settings.reject_at == "off" or _spared(settings, recipient):
        return None
    found = await _listings(plugin, session)
    if sum(weight for _, _, weight in found) < settings.reject_at:
        return None
    names = ", ".join(name for name, _, weight in found if weight > 0)
    return Reject("5.7.1", f"no mail is taken from {session.peer[0]}: it is listed by {names}"[:300])


@hookimpl(score=(-100, 100))
async def check_message(plugin: Plugin, session: Session, envelope: Envelope) -> Finding | None:
    """The sum of the weights, also below zero, as a part of the message's score."""
    found = await _listings(plugin, session)
    if not found:
        return None
    return Finding(
        score=sum(weight for _, _, weight in found),
        reasons=tuple(f"listed by {name} ({code}, {weight:+g})" for name, code, weight in found),
    )


async def _listings(plugin: Plugin, session: Session) -> tuple[Listing, ...]:
    """What the lists say of a session's client; they are asked once."""
    if session.protocol != "smtp" or session.identity is not None:
        return ()
    found = session.stash.get(LISTINGS)
    if found is None:
        lists = plugin.stash[LISTS]
        client = host_address(session.peer[0])
        found = ()
        if client is not None and session.peer[0] not in lists.exempt:
            found = await lists.ask(plugin, client)
        session.stash[LISTINGS] = found
    return found


def _spared(settings: Settings, recipient: Address) -> bool:
    whole = str(recipient).lower()
    return any(each.lower() in (whole, f"@{recipient.domain}") for each in settings.exempt_recipients)
