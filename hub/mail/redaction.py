"""Addresses, of mail and of machines, as logs and traces may show them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Literal, TypeAlias

from hub.mail.address import Address

Policy: TypeAlias = Literal["full", "domain", "hash"]
"""Whole; only the domain; or a hash, the same for the same address, so that lines can still be joined."""

# What looks like an address within a text; possessive, and no part of it can begin in two places.
_ADDRESS = re.compile(r"(?<![^\s<>\"'(),:;\[\]])(\"(?:[^\"\\]|\\.)*+\"|[^\s<>@\"'(),:;\[\]]++)@([\w.-]++)")


def redacted(value: object, policy: Policy) -> object:
    """The value with its addresses shown as the policy wants, by type and, unless that is `full`, in texts.

    Fields of dataclasses that are kept out of their repr, as passwords are, are never shown.
    """
    if isinstance(value, Address):
        return str(value) if policy == "full" else _shown(value.local, value.domain, policy)
    if isinstance(value, str):
        return value if policy == "full" or "@" not in value else _ADDRESS.sub(partial(_found, policy), value)
    if isinstance(value, Mapping):
        return {str(redacted(key, policy)): redacted(each, policy) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each, policy) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        shown = {
            each.name: redacted(getattr(value, each.name), policy) for each in fields(value) if each.repr
        }
        return f"{type(value).__name__}({', '.join(f'{name}={each}' for name, each in shown.items())})"
    return value


def redacted_host(host: str, policy: Policy) -> str:
    """An IP address as the policy wants it, for those who look away from the machine: whole, or a hash.

    For `domain` it is the network: 24 bits of IPv4, 48 of IPv6.
    """
    if policy == "hash":
        return _hash(host)
    if policy == "full":
        return host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _found(policy: Policy, match: re.Match[str]) -> str:
    return _shown(match[1], match[2], policy)


def _shown(local: str, domain: str, policy: Policy) -> str:
    if policy == "domain":
        return f"…@{domain}"
    return _hash(f"{local}@{domain}".lower())


def _hash(text: str) -> str:
    return "#" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
