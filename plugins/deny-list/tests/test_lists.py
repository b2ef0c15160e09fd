"""The compiled lists tell what a walk through the entries would tell."""

import ipaddress
from time import perf_counter

import pytest
from hub_plugin_deny_list import Addresses, Names, Networks, Settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub import Address


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
    assert (host in Networks.of(entries)) is expected


def test_an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client() -> None:
    assert "::ffff:192.0.2.7" in Networks.of(["192.0.2.0/24"])
    assert "192.0.2.7" in Networks.of(["::ffff:192.0.2.0/120"])
    assert "192.0.2.7" not in Networks.of(["2001:db8::/32"])
    assert "fe80::1%eth0" in Networks.of(["fe80::/10"])


def test_a_hundred_thousand_networks_answer_as_fast_as_a_hundred() -> None:
    def listed(count: int) -> Networks:
        return Networks.of(f"10.{n >> 15}.{n >> 7 & 255}.{n % 128 * 2}" for n in range(count))

    few, many = listed(100), listed(100_000)

    def seconds(networks: Networks) -> float:
        began = perf_counter()
        for n in range(2000):
            assert f"10.200.{n & 255}.1" not in networks
        return perf_counter() - began

    # A walk would be a thousand times slower; the search has ten more steps.
    assert min(seconds(many) for _ in range(3)) < 10 * min(seconds(few) for _ in range(3))


@pytest.mark.parametrize(
    ("entry", "found", "passed"),
    [
        ("localhost", ["localhost", "LOCALHOST"], ["localhost.example", "my-localhost", ""]),
        ("*.dyn.example", ["a.dyn.example", "b.a.dyn.example"], ["dyn.example", "adyn.example"]),
        (
            "dsl-*.example",
            ["dsl-1.example", "dsl-1-2.other.example"],
            ["adsl-1.example", "dsl-1.example.org"],
        ),
        ("host?", ["host1"], ["host", "host12"]),
        ("[192.0.2.7]", ["[192.0.2.7]"], ["1", "[192.0.2.8]"]),
        ("[192.0.2.*]", ["[192.0.2.7]"], ["1", "[192.0.3.7]"]),
    ],
)
def test_names_are_found_by_entry(entry: str, found: list[str], passed: list[str]) -> None:
    names = Names.of([entry, "unrelated.example", "*.unrelated.example"])
    assert [name for name in found if name not in names] == []
    assert [name for name in passed if name in names] == []


@pytest.mark.parametrize(
    ("entry", "found", "passed"),
    [
        (
            "ann@example.org",
            ["ann@example.org", "Ann@EXAMPLE.org"],
            ["ann@sub.example.org", "anna@example.org"],
        ),
        ("@example.org", ["ann@example.org", "b+c@example.org"], ["ann@sub.example.org"]),
        (
            "@*.example.org",
            ["ann@a.example.org", "ann@b.a.example.org"],
            ["ann@example.org", "x@aexample.org"],
        ),
        ("*-bounces@*", ["list-bounces@example.org"], ["list@example.org"]),
        ("@bücher.example", ["a@bücher.example", "a@xn--bcher-kva.example"], ["a@bucher.example"]),
        ("@xn--bcher-kva.example", ["a@bücher.example"], []),
        ('"odd name"@example.org', ['"odd name"@example.org'], ["odd@example.org"]),
        ("postmaster", ["postmaster"], ["postmaster@example.org"]),
        ("@[192.0.2.7]", ["a@[192.0.2.7]"], ["a@[192.0.2.8]"]),
    ],
)
def test_addresses_are_found_by_entry(entry: str, found: list[str], passed: list[str]) -> None:
    addresses = Addresses.of([entry])
    assert [text for text in found if Address.parse(text) not in addresses] == []
    assert [text for text in passed if Address.parse(text) in addresses] == []


@pytest.mark.parametrize(
    ("key", "entry", "reason"),
    [
        ("networks", "192.0.2.1/24", "has host bits set"),
        ("networks", "example.org", "such as 192.0.2.0/24"),
        ("senders", "example.org", "should be user@domain, @domain"),
        ("senders", "ann@", "the domain, after the @, is missing"),
        ("recipients", "@-a.example", "hyphen"),
        ("recipients", "@*.exa mple", "should be user@domain"),
        ("helo", "", "at least 1 character"),
    ],
)
def test_an_entry_that_is_none_is_an_error_with_its_place(key: str, entry: str, reason: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({key: [entry]})
    assert raised.value.errors()[0]["loc"][:2] == (key, 0)
    assert reason in raised.value.errors()[0]["msg"]


def test_entries_of_every_kind_are_settings() -> None:
    networks = ("192.0.2.1", "192.0.2.0/24", "2001:db8::/32")
    senders = ("ann@example.org", "@example.org", "@*.example.org", "*-bounces@*", "postmaster")
    settings = Settings(
        networks=networks, helo=("*.example", "[192.0.2.1]"), senders=senders, recipients=senders
    )
    assert (settings.networks, settings.senders, settings.recipients) == (networks, senders, senders)
