"""Networks as one set tell what a walk through them would tell."""

from __future__ import annotations

import ipaddress
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from hub.config.networks import Networks


# Short numbers under one prefix, so that networks overlap and hosts hit them.
def network(first: bytes, length: int, prefix: int) -> str:
    return str(ipaddress.ip_network((first.ljust(length, b"\0"), prefix), strict=False))


V4 = st.builds(
    lambda n, bits: network(bytes((10, 0, n >> 8, n & 255)), 4, bits),
    st.integers(0, 1023),
    st.integers(20, 32),
)
V6 = st.builds(
    lambda n, bits: network(bytes.fromhex("20010db8") + bytes(10) + n.to_bytes(2), 16, bits),
    st.integers(0, 1023),
    st.integers(116, 128),
)
HOSTS = st.integers(0, 1100).map(lambda n: str(ipaddress.IPv4Address(0x0A000000 + n))) | st.integers(
    0, 1100
).map(lambda n: str(ipaddress.IPv6Address((0x20010DB8 << 96) + n)))


@given(st.lists(V4 | V6, max_size=20), HOSTS)
def test_a_host_is_found_exactly_if_a_listed_network_has_it(entries: list[str], host: str) -> None:
    expected = any(ipaddress.ip_address(host) in ipaddress.ip_network(entry) for entry in entries)
    assert (host in Networks(entries)) is expected


def test_an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client() -> None:
    assert "::ffff:192.0.2.7" in Networks(["192.0.2.0/24"])
    assert "192.0.2.7" in Networks(["::ffff:192.0.2.0/120"])
    assert "192.0.2.7" not in Networks(["2001:db8::/32"])
    assert "fe80::1%eth0" in Networks(["fe80::/10"])


def test_a_hundred_thousand_networks_answer_as_fast_as_a_hundred() -> None:
    def listed(count: int) -> Networks:
        return Networks(f"10.{n >> 15}.{n >> 7 & 255}.{n % 128 * 2}" for n in range(count))

    few, many = listed(100), listed(100_000)

    def seconds(networks: Networks) -> float:
        began = perf_counter()
        for n in range(2000):
            assert f"10.200.{n & 255}.1" not in networks
        return perf_counter() - began

    # A walk would be a thousand times slower; the search has ten more steps.
    assert min(seconds(many) for _ in range(3)) < 10 * min(seconds(few) for _ in range(3))
