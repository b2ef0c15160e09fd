"""Networks as operators write them, and whether an address lies in one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

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


class Networks:
    """Several networks as one set of addresses; `"10.1.2.3" in networks`. What is no address is in none."""

    __slots__ = ("_networks",)

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = tuple(map(parse_network, texts))

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


LOOPBACK: Final = Networks(("127.0.0.0/8", "::1"))
"""What is on this machine."""
