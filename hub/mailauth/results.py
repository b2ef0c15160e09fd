"""What a method of authentication says of a message (RFC 8601 §2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One `resinfo` of Authentication-Results.

    method: `spf`, `dkim`, … result: `pass`, `fail`, … of that method's registry. reason: why, for people.
    properties: (ptype, property, value), such as `("smtp", "mailfrom", "example.org")`.
    """

    method: str
    result: str
    reason: str = ""
    properties: Sequence[tuple[str, str, str]] = ()
