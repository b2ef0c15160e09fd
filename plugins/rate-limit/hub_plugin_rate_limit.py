"""Limits per client address, account and network."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import (
    AccountRef,
    Defer,
    Network,
    Networks,
    Plugin,
    Session,
    StashKey,
    Verdict,
    hookimpl,
    host_address,
)

_RATE = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{0,6})\s*(s|min|h|d)\s*")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` within a window of so many seconds. name: what is counted; begins its key."""

    name: str
    amount: int
    seconds: int

    @classmethod
    def read(cls, name: str, text: str) -> "Limit | None":
        """None for `off`. Raises ValueError with a sentence for the operator."""
        if text == "off":
            return None
        match = _RATE.fullmatch(text)
        seconds = int(match[2] or 1) * _SECONDS[match[3]] if match else 0
        if match is None or seconds == 0:
            raise ValueError('should be a rate such as "60/min", "500/h", "10/15min" or "1000/d", or "off"')
        return cls(name, int(match[1]), seconds)


def _rate(text: str) -> str:
    Limit.read("", text)
    return text


Rate: TypeAlias = Annotated[str, AfterValidator(_rate)]


class Table(BaseModel):
    """What the tables share: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AddressTable(Table):
    """[plugins.rate-limit.address]: per client address; an IPv6 client is its /64."""

    connections: Rate = Field(default="60/min", description="New SMTP connections.")
    messages: Rate = Field(default="600/h", description="Messages from clients that have not logged in.")


class NetworkTable(Table):
    """[plugins.rate-limit.network]: per network, /24 of IPv4 and /48 of IPv6."""

    connections: Rate = Field(default="600/min", description="New SMTP connections.")


class AccountTable(Table):
    """[plugins.rate-limit.account]: per account that has logged in, from wherever."""

    messages: Rate = Field(default="500/h", description="Messages submitted.")
    recipients: Rate = Field(default="2000/h", description="Recipients asked for.")
    imap_commands: Rate = Field(default="off", description="IMAP commands.")


class Settings(Table):
    """[plugins.rate-limit]: how much of what; a rate is a number per window, "off" does not count."""

    exempt: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Clients in these networks are neither counted nor limited.",
    )
    address: AddressTable = Field(default=AddressTable(), description="Limits per client address.")
    network: NetworkTable = Field(default=NetworkTable(), description="Limits per client network.")
    account: AccountTable = Field(default=AccountTable(), description="Limits per account.")


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings, read."""

    exempt: Networks
    address_connections: Limit | None
    address_messages: Limit | None
    network_connections: Limit | None
    account_messages: Limit | None
    account_recipients: Limit | None
    account_imap_commands: Limit | None


@dataclass(frozen=True, slots=True)
class Client:
    """Under which names a connection is counted."""

    address: str
    network: str


LIMITS = StashKey[Limits]()
CLIENT = StashKey[Client | None]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Read the rates once."""
    settings = plugin.settings(Settings)
    plugin.stash[LIMITS] = Limits(
        exempt=Networks(settings.exempt),
        address_connections=Limit.read("address-connections", settings.address.connections),
        address_messages=Limit.read("address-messages", settings.address.messages),
        network_connections=Limit.read("network-connections", settings.network.connections),
        account_messages=Limit.read("account-messages", settings.account.messages),
        account_recipients=Limit.read("account-recipients", settings.account.recipients),
        account_imap_commands=Limit.read("account-imap-commands", settings.account.imap_commands),
    )


@hookimpl
async def smtp_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """Count the connection for its address and for its network."""
    client = _client(plugin, session)
    if client is None:
        return None
    limits = plugin.stash[LIMITS]
    if _exceeded(plugin, limits.address_connections, client.address):
        return Defer("4.7.0", "too many connections from your address, try again later")
    if _exceeded(plugin, limits.network_connections, client.network):
        return Defer("4.7.0", "too many connections from your network, try again later")
    return None


@hookimpl
async def smtp_mail(plugin: Plugin, session: Session) -> Verdict | None:
    """Count the message for who has logged in, else for the client's address."""
    client = _client(plugin, session)
    if client is None:
        return None
    limits = plugin.stash[LIMITS]
    if session.identity is None:
        exceeded = _exceeded(plugin, limits.address_messages, client.address)
        return Defer("4.7.1", "too many messages from your address, try again later") if exceeded else None
    exceeded = _exceeded(plugin, limits.account_messages, _account(session.identity.account))
    return Defer("4.7.1", "your account has sent too many messages, try again later") if exceeded else None


@hookimpl
async def smtp_rcpt(plugin: Plugin, session: Session) -> Verdict | None:
    """Count the recipient for who has logged in."""
    if session.identity is None or _client(plugin, session) is None:
        return None
    limit = plugin.stash[LIMITS].account_recipients
    exceeded = _exceeded(plugin, limit, _account(session.identity.account))
    return (
        Defer("4.7.1", "your account has sent to too many recipients, try again later") if exceeded else None
    )


@hookimpl
async def imap_command(plugin: Plugin, session: Session) -> Verdict | None:
    """Count the command for who has logged in."""
    limit = plugin.stash[LIMITS].account_imap_commands
    if limit is None or session.identity is None or _client(plugin, session) is None:
        return None
    exceeded = _exceeded(plugin, limit, _account(session.identity.account))
    return Defer("4.7.1", "too many commands, try again later") if exceeded else None


def _exceeded(plugin: Plugin, limit: Limit | None, name: str) -> bool:
    if limit is None:
        return False
    return plugin.kv.count(f"{limit.name}:{limit.seconds}:{name}", window=limit.seconds) > limit.amount


def _client(plugin: Plugin, session: Session) -> Client | None:
    """Worked out once per connection."""
    return session.stash.setdefault(CLIENT, lambda: client_of(session.peer[0], plugin.stash[LIMITS].exempt))


def client_of(host: str, exempt: Networks) -> Client | None:
    """Under which names an address is counted, None if it is exempt or gone already."""
    address = host_address(host)
    if address is None or host in exempt:
        return None
    own, shared = (32, 24) if address.version == 4 else (64, 48)
    return Client(_prefix(address, own), _prefix(address, shared))


def _prefix(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> str:
    return str(
        ipaddress.ip_network((int(address).to_bytes(address.max_prefixlen // 8), length), strict=False)
    )


def _account(account: AccountRef) -> str:
    """A key of bounded length that names nobody."""
    return hashlib.blake2b(f"{account.tenant}\0{account.key}".encode(), digest_size=16).hexdigest()
