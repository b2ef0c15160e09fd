"""Mail addresses as a log may show them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Literal, TypeAlias

from hub.mail.address import Address

Policy: TypeAlias = Literal["full", "domain", "hash"]
"""Whole; only the domain; or a hash, the same for the same address, so that lines can still be joined."""

# What looks like an address within a text; possessive, and no part of it can begin in two places.
_ADDRESS = re.compile(r"(?<![^\s<>\"'(),:;\[\]])([^\s<>@\"'(),:;\[\]]++)@([\w.-]++)")


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


def _found(policy: Policy, match: re.Match[str]) -> str:
    return _shown(match[1], match[2], policy)


def _shown(local: str, domain: str, policy: Policy) -> str:
    if policy == "domain":
        return f"…@{domain}"
    return "#" + hashlib.sha256(f"{local}@{domain}".lower().encode("utf-8", "replace")).hexdigest()[:12]
