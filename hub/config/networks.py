"""Networks as operators write them, and whether an address lies in one of them."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Host: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_WRONG: Final = 'should be a network such as "10.0.0.0/8" or "2001:db8::/32", or one address'


def parse_network(text: str) -> Network:
    """The network of "10.0.0.0/8"; one address is a network of one. ValueError with a sentence."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        if "has host bits set" in str(error):
            wanted = ipaddress.ip_network(text, strict=False)
            raise ValueError(f'names a host and a network at once; the network is "{wanted}"') from None
        raise ValueError(_WRONG) from None


@lru_cache(4096)  # each of many who ask has the same clients
def host_address(host: str) -> Host | None:
    """The address of a peer; an IPv4 one that is mapped into IPv6 is IPv4. None for what is no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Networks:
    """Many networks as one set of addresses; `"10.1.2.3" in networks`. What is no address is in none.

    One binary search tells, however many there are.
    """

    __slots__ = ("_v4", "_v6")

    def __init__(self, texts: Iterable[str]) -> None:
        networks = [_unmapped(parse_network(text)) for text in texts]
        self._v4 = _Ranges(each for each in networks if each.version == 4)
        self._v6 = _Ranges(each for each in networks if each.version == 6)

    def __bool__(self) -> bool:
        return bool(self._v4.firsts or self._v6.firsts)

    def __contains__(self, host: str) -> bool:
        address = host_address(host) if self else None
        if address is None:
            return False
        return int(address) in (self._v4 if address.version == 4 else self._v6)


class _Ranges:
    """Disjoint ranges of addresses of one family as numbers, both ends included, in order."""

    __slots__ = ("firsts", "lasts")

    def __init__(self, networks: Iterable[Network]) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted((int(each[0]), int(each[-1])) for each in networks):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self.firsts = [first for first, _ in merged]
        self.lasts = [last for _, last in merged]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number)
        return at > 0 and number <= self.lasts[at - 1]


def _unmapped(network: Network) -> Network:
    """::ffff:192.0.2.0/120 is 192.0.2.0/24: a listener on [::] sees IPv4 clients that way."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))
    return network


LOOPBACK: Final = Networks(("127.0.0.0/8", "::1"))
"""What is on this machine."""
