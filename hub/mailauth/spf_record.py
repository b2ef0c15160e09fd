"""SPF records as text and as terms (RFC 7208 §4.5, §4.6, §5, §6); the whole record is checked at once.

`v=spf1 mx include:_spf.example.net ~all` ──► mechanisms in order, and the modifiers `redirect` and `exp`
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.mailauth.spf_macro import IN_RECORDS, check_domain_spec, tokens

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

QUALIFIERS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral", "": "pass"}
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_MECHANISM: Final = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9]*)(?:([:/].*))?")
_LENGTH: Final = r"(0|[1-9][0-9]{0,2})"
_DUAL: Final = re.compile(rf"(?::(?P<spec>.*?))?(?:/{_LENGTH})?(?://{_LENGTH})?")
_NETWORK: Final = re.compile(rf":([^/]+)(?:/{_LENGTH})?")
_IP4: Final = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")


class SpfSyntaxError(ValueError):
    """A record that means nothing: which term of it is wrong, and why."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism. text: as it was written; result: what a match means.

    spec: its domain-spec, empty if it has none. network: of `ip4` and `ip6`. prefixes: of an IPv4 and an IPv6
    address that is compared (`a/24//64`).
    """

    text: str
    kind: str
    result: str
    spec: str = ""
    network: IpNetwork | None = None
    prefixes: tuple[int, int] = (32, 128)


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record without errors. redirect, exp: their domain-specs, empty without the modifier."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""
    exp: str = ""


def is_spf(record: bytes) -> bool:
    """Whether a TXT record is one of SPF (§4.5), right or wrong."""
    return record[:6].lower() == b"v=spf1" and record[6:7] in (b"", b" ")


def parse_record(text: str) -> SpfRecord:
    """Read a record that `is_spf`. SpfSyntaxError for any error anywhere in it (§4.6)."""
    if not text.isascii():
        raise SpfSyntaxError("the record has octets that are not ASCII")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in filter(None, text[6:].split(" ")):
        try:
            modifier = _MODIFIER.fullmatch(term)
            if modifier is None:
                mechanisms.append(_mechanism(term))
            else:
                _take_modifier(modifier[1].lower(), modifier[2], modifiers)
        except ValueError as error:
            raise SpfSyntaxError(f"{_shown(term)}: {error}") from None
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect", ""), modifiers.get("exp", ""))


def _take_modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name not in ("redirect", "exp"):
        tokens(value, IN_RECORDS | frozenset("crt"))  # what is unknown must be a macro-string (§6)
        return
    if name in modifiers:
        raise ValueError(f"{name} stands there twice")
    check_domain_spec(value)
    modifiers[name] = value


def _mechanism(term: str) -> Mechanism:
    match = _MECHANISM.fullmatch(term)
    if match is None:
        raise ValueError("it is no mechanism and no modifier")
    result, kind, rest = QUALIFIERS[match[1]], match[2].lower(), match[3] or ""
    if kind == "all":
        if rest:
            raise ValueError("all takes nothing")
        return Mechanism(term, kind, result)
    if kind in ("ip4", "ip6"):
        return Mechanism(term, kind, result, network=_network(kind, rest))
    if kind in ("a", "mx"):
        return _with_prefixes(term, kind, result, rest)
    if kind in ("include", "exists", "ptr"):
        if rest or kind != "ptr":
            if not rest.startswith(":"):
                raise ValueError(f"{kind} takes a domain after a colon")
            check_domain_spec(rest[1:])
        return Mechanism(term, kind, result, rest[1:])
    raise ValueError(f"there is no mechanism {kind!r}")


def _with_prefixes(term: str, kind: str, result: str, rest: str) -> Mechanism:
    match = _DUAL.fullmatch(rest)
    if match is None:
        raise ValueError("it does not end with a domain or prefix lengths")
    spec, v4, v6 = match["spec"], int(match[2] or 32), int(match[3] or 128)
    if v4 > 32 or v6 > 128:
        raise ValueError("a prefix is longer than an address")
    if spec is not None:
        check_domain_spec(spec)
    return Mechanism(term, kind, result, spec or "", prefixes=(v4, v6))


def _network(kind: str, rest: str) -> IpNetwork:
    match = _NETWORK.fullmatch(rest)
    if match is None:
        raise ValueError(f"{kind} takes an address after a colon, and perhaps the length of its prefix")
    if kind == "ip4":
        if not _IP4.fullmatch(match[1]):
            raise ValueError(f"{_shown(match[1])} is no IPv4 address")
        address: Ip = ipaddress.IPv4Address(match[1])
    else:
        if "%" in match[1]:
            raise ValueError(f"{_shown(match[1])} is no IPv6 address")
        address = ipaddress.IPv6Address(match[1])
    return ipaddress.ip_network((address, int(match[2] or address.max_prefixlen)), strict=False)


def _shown(text: str) -> str:
    return repr(text[:60])[1:-1]
