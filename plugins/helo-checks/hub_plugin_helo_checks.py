"""What a client calls itself in HELO or EHLO, against what it can be (RFC 5321 §4.1.1.1, §4.1.3)."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from hub import Defer, Network, Networks, Plugin, Reject, Session, StashKey, Verdict, hookimpl, host_address

Rule: TypeAlias = Literal["reject", "defer", "off"]
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_FULL_NAME: Final = re.compile(rf"(?=.{{1,255}}\Z)(?:{_LABEL}\.)+{_LABEL}\.?")
_ONLY_DIGITS: Final = re.compile(r"[0-9.]+")


class Settings(BaseModel):
    """[plugins.helo-checks]: what each fault is answered with: "reject" (550), "defer" (450) or "off"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bare_address: Rule = Field(default="reject", description="An IP address without its brackets.")
    wrong_literal: Rule = Field(
        default="reject", description="An address literal that is not the client's address, or none at all."
    )
    own_name: Rule = Field(
        default="reject", description="A name from own_names: only this host itself is called so."
    )
    not_a_name: Rule = Field(default="reject", description="What is no host name, such as `my_pc!` or `-`.")
    not_full: Rule = Field(
        default="off", description="A host name without a domain, such as `localhost` or `PC`."
    )
    own_names: tuple[str, ...] = Field(
        default=(),
        description="Names of this host and of the domains that it serves; nobody else bears them.",
    )
    exempt: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Clients in these networks may call themselves anything.",
    )


EXEMPT = StashKey[Networks]()
OWN = StashKey[frozenset[str]]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Read the lists once."""
    settings = plugin.settings(Settings)
    plugin.stash[EXEMPT] = Networks(settings.exempt)
    plugin.stash[OWN] = frozenset(name.lower().rstrip(".") for name in settings.own_names)


@hookimpl
async def smtp_helo(plugin: Plugin, session: Session, name: str) -> Verdict | None:
    """The first fault that has a rule; who submits mail calls itself what its machine is called."""
    if session.protocol != "smtp":
        return None
    client = host_address(session.peer[0])
    if client is None or session.peer[0] in plugin.stash[EXEMPT]:
        return None
    settings = plugin.settings(Settings)
    for fault, text in faults(name, client, plugin.stash[OWN]):
        rule: Rule = getattr(settings, fault)
        if rule == "reject":
            return Reject("5.7.1", text)
        if rule == "defer":
            return Defer("4.7.1", text)
    return None


def faults(name: str, client: IpAddress, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a name: the setting that has the rule for it, and what the client is told."""
    if name.startswith("["):
        if _literal(name) != client:
            yield "wrong_literal", "the address literal is not the address that you come from"
        return
    if _is_address(name):
        yield "bare_address", "an address stands in brackets: [192.0.2.1] or [IPv6:2001:db8::1]"
    elif name.lower().rstrip(".") in own:
        yield "own_name", "that is the name of this host, not of yours"
    elif _FULL_NAME.fullmatch(name) is None:
        if re.fullmatch(_LABEL, name):
            yield "not_full", "a host name has a domain: mail.example.org"
        else:
            yield "not_a_name", "that is no host name"


def _literal(name: str) -> IpAddress | None:
    inner = name.removeprefix("[").removesuffix("]")
    try:
        if inner[:5].lower() == "ipv6:":
            address = ipaddress.IPv6Address(inner[5:])
            return address.ipv4_mapped or address
        return ipaddress.IPv4Address(inner)
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    """Also what would be one if its numbers were right: no top-level domain is a number."""
    if _ONLY_DIGITS.fullmatch(name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
