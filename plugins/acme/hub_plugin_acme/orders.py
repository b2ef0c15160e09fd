"""What passes between the hub and an authority, without the library that speaks with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class Refused(Exception):
    """There is no certificate for now. advice: what the operator can do about it.

    later: not before so many seconds, as the authority says. unknown: it does not know our account.
    """

    def __init__(self, reason: str, advice: str = "", *, later: float = 0.0, unknown: bool = False) -> None:
        super().__init__(reason)
        self.advice = advice
        self.later = later
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to prove a name. proof: the key authorization (RFC 8555 §8.1)."""

    kind: str
    url: str
    token: str
    proof: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """A name that has to be proved. name: without the `*.` of a wildcard. trouble: why that failed."""

    url: str
    name: str
    status: str
    challenges: Mapping[str, Challenge]
    trouble: Refused | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate on its way (RFC 8555 §7.1.3). certificate: where it is, once it is there."""

    url: str
    status: str
    finalize: str
    authorizations: tuple[str, ...]
    certificate: str | None = None
    trouble: Refused | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its chain, and its key, as PEM."""

    chain: str
    key: str
