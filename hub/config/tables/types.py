"""What the values of the configuration are made of, and what is wrong with one that is not."""

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from hub.config.networks import parse_network
from hub.config.units import parse_address, parse_duration, parse_size
from hub.mail.address import Address as MailAddress

_PLUGIN_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

_TRUST_ANCHOR = re.compile(
    r"\S{1,255}\s+(?:IN\s+)?DS\s+\d{1,5}\s+\d{1,3}\s+(?:2\s+[0-9a-f]{64}|4\s+[0-9a-f]{96})", re.IGNORECASE
)

_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")


def _plugin_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError(
            "should be the name of a plugin: lower case, digits and hyphens, such as 'deny-list'"
        )
    return name


def _listener_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError("is no name for a listener: lower case, digits and hyphens, such as 'smtp-lan'")
    return name


def _protocol(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError("is no name of a protocol: lower case, digits and hyphens, such as 'imap'")
    return name


def _smarthost_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError("is no name for a smarthost: lower case, digits and hyphens, such as 'provider'")
    return name


def _listed_plugin(name: str) -> str:
    return "!" + _plugin_name(name[1:]) if name.startswith("!") else _plugin_name(name)


def checked_hostname(name: str) -> str:
    if len(name) > 253 or not _HOSTNAME.fullmatch(name):
        raise ValueError("should be a domain name, such as 'mail.example.org'")
    return name


def checked_domain(name: str) -> str:
    return checked_hostname(name).lower()


def _address(text: str) -> str:
    parse_address(text)
    return text


def _network(text: str) -> str:
    parse_network(text)
    return text


def _limit_name(name: str) -> str:
    return (
        name[:1] + checked_hostname(name[1:]).lower()
        if name.startswith(".")
        else checked_hostname(name).lower()
    )


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("should be an IP address, such as '192.0.2.1' or '2001:db8::1'") from None


def _dns_name(text: str) -> str:
    if not _HOSTNAME.fullmatch(text.removesuffix(".")):
        raise ValueError("should be a name in DNS, such as 'corp.example'")
    return text.lower()


def _trust_anchor(text: str) -> str:
    if not _TRUST_ANCHOR.fullmatch(text):
        raise ValueError("should be a DS record, such as 'example.org. DS 12345 13 2 0123456789abcdef…'")
    return text


def at_least_one(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise ValueError("should have at least one address")
    return addresses


Size: TypeAlias = Annotated[
    int, BeforeValidator(parse_size), Field(title='size: bytes, or text such as "25MB" or "64KiB"')
]
"""Bytes; a text such as "25MB" or "64KiB" is read too."""

Duration: TypeAlias = Annotated[
    float, BeforeValidator(parse_duration), Field(title='duration: seconds, or text such as "90s" or "5m"')
]
"""Seconds; a text such as "90s", "5m" or "1h" is read too."""

Count: TypeAlias = Annotated[int, Field(strict=True)]
"""A whole number; neither a text nor true."""

Flag: TypeAlias = Annotated[bool, Field(strict=True)]
"""true or false and nothing that looks like it."""

Score: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


def _account(name: str) -> str:
    return str(MailAddress.parse(name)).lower()


def _sender(name: str) -> str:
    return _account(name) if "@" in name else checked_hostname(name).lower()


Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1)]

Sender: TypeAlias = Annotated[str, AfterValidator(_sender), Field(title="user@domain, or a domain")]

DomainName: TypeAlias = Annotated[str, AfterValidator(str.lower)]

AccountName: TypeAlias = Annotated[str, AfterValidator(_account), Field(title="user@domain")]

PluginName: TypeAlias = Annotated[str, AfterValidator(_plugin_name)]

ListedPlugin: TypeAlias = Annotated[str, AfterValidator(_listed_plugin)]

ListenerName: TypeAlias = Annotated[str, AfterValidator(_listener_name)]

Address: TypeAlias = Annotated[str, AfterValidator(_address), Field(title="host:port")]

LimitName: TypeAlias = Annotated[str, AfterValidator(_limit_name), Field(title="domain or .domain")]

SmarthostName: TypeAlias = Annotated[str, AfterValidator(_smarthost_name)]

SourceAddress: TypeAlias = Annotated[str, AfterValidator(_ip), Field(title="IP address")]

Network: TypeAlias = Annotated[str, AfterValidator(_network), Field(title="network")]

IpAddress: TypeAlias = Annotated[str, AfterValidator(_ip), Field(title="address")]

DnsName: TypeAlias = Annotated[str, AfterValidator(_dns_name), Field(title="name in DNS")]

TrustAnchor: TypeAlias = Annotated[str, AfterValidator(_trust_anchor), Field(title="DS record")]

CORE_PROTOCOLS = ("smtp", "submission", "submissions", "lmtp", "imap", "imaps", "http", "https")
"""What the hub itself speaks; plugins add to it."""

Protocol: TypeAlias = Annotated[str, AfterValidator(_protocol)]

TlsMode: TypeAlias = Literal["none", "starttls", "implicit"]


class Table(BaseModel):
    """What the hub's tables share: unknown keys are errors, values do not change, errors repeat no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)
