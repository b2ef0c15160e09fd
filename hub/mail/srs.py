"""Reverse-paths for mail that is passed on, so that SPF finds who passes it on (Sender Rewriting Scheme).

    ann@elsewhere.example             ─► SRS0=hash=day=elsewhere.example=ann@ours.example
    SRS0=…=…=first.example=x@second   ─► SRS1=hash=second==…=…=first.example=x@ours.example

What comes back to such an address leads to the one before it. The hash is of HMAC-SHA256 and shows that we
made it; the day, in days modulo 1024, that it was lately. What does not fit into the 64 octets of a local
part (RFC 5321 §4.5.3.1.1) is kept by whoever calls, under a token: `SRS0=hash=day=-=token`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.mail.address import MAX_LOCAL, Address, AddressError

VALID_DAYS: Final = 21
HASH: Final = 4
"""Characters of base64: 24 bits, which is what everybody's addresses have."""
TOKEN: Final = "-"
"""The domain of an address that is kept under a token, which is its local part."""

_DAYS: Final = 1024
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SRS0: Final = re.compile(r"SRS0[=+-]([^=]+)=([A-Z2-7]{2})=([^=]+)=(.+)\Z", re.IGNORECASE | re.DOTALL)
_SRS1: Final = re.compile(r"SRS1[=+-]([^=]+)=([^=]+)=([=+-].+)\Z", re.IGNORECASE | re.DOTALL)
_FOREIGN: Final = re.compile(r"SRS0([=+-].+)\Z", re.IGNORECASE | re.DOTALL)


class NotOurs(ValueError):
    """An address that we have not made, or not lately; the text says which."""


@dataclass(frozen=True, slots=True)
class Token:
    """What leads to an address that is kept."""

    text: str


def is_srs(local: str) -> bool:
    """Whether a local part has the form."""
    return local[:4].upper() in ("SRS0", "SRS1") and local[4:5] in ("=", "+", "-")


def rewritten(address: Address, domain: str, key: bytes, now: float) -> Address | None:
    """The address as ours. None if its local part would be too long: see `with_token`."""
    again = _SRS1.match(address.local)
    foreign = _FOREIGN.match(address.local)
    if again is not None:
        local = _srs1(again[2], again[3], key)
    elif foreign is not None:
        local = _srs1(address.domain, foreign[1], key)
    else:
        local = _srs0(address.domain, address.local, key, now)
    return Address(local, domain) if len(local.encode()) <= MAX_LOCAL else None


def with_token(token: str, domain: str, key: bytes, now: float) -> Address:
    """An address of ours that leads to what is kept under a token."""
    return Address(_srs0(TOKEN, token, key, now), domain)


def original(local: str, keys: Sequence[bytes], now: float) -> Address | Token:
    """What a local part of ours leads to. NotOurs.

    keys: those that it may have been made with.
    """
    if found := _SRS0.match(local):
        made, day, domain, rest = found.groups()
        day = day.upper()
        _check(made, keys, day, domain, rest)
        if (_day(now) + 1 - _number(day)) % _DAYS > VALID_DAYS + 1:  # our clocks may differ at midnight
            raise NotOurs("it has expired")
        return Token(rest) if domain == TOKEN else _address(rest, domain)
    if found := _SRS1.match(local):
        made, domain, rest = found.groups()
        _check(made, keys, domain, rest)
        return _address(f"SRS0{rest}", domain)
    raise NotOurs("it is not written as such an address is")


def _srs0(domain: str, local: str, key: bytes, now: float) -> str:
    number = _day(now)
    day = _BASE32[number >> 5] + _BASE32[number & 31]
    return f"SRS0={_hash(key, day, domain, local)}={day}={domain}={local}"


def _srs1(domain: str, rest: str, key: bytes) -> str:
    return f"SRS1={_hash(key, domain, rest)}={domain}={rest}"


def _hash(key: bytes, *parts: str) -> str:
    """Of the parts in lower case, for servers on the way may change the case."""
    digest = hmac.digest(key, "".join(parts).lower().encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()[:HASH]


def _check(made: str, keys: Sequence[bytes], *parts: str) -> None:
    shown = made.lower().encode("utf-8", "replace")
    if not any(hmac.compare_digest(_hash(key, *parts).lower().encode(), shown) for key in keys):
        raise NotOurs("it was not made here")


def _day(now: float) -> int:
    return int(now // 86400) % _DAYS


def _number(day: str) -> int:
    return _BASE32.index(day[0]) * 32 + _BASE32.index(day[1])


def _address(local: str, domain: str) -> Address:
    try:
        return Address.parse(str(Address(local, domain)))
    except AddressError:
        raise NotOurs("it leads to what is no address") from None
