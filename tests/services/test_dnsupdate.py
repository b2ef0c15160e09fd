"""Dynamic updates, taken by Knot."""

from __future__ import annotations

import pytest
from dns.rdtypes.ANY.TXT import TXT

from hub.config.secrets import Secret
from hub.mail.dnsrecord import txt_data
from hub.services.dnsupdate import DnsUpdate, TxtChange, server_address, update_dns
from hub.services.resolver import Resolver
from tests.peers.knot import changing, needs_knot

KEY, OTHER = "aHViIGtleSBmb3IgdGVzdHM=", "d3Jvbmc="
NAME = "words.one.test"


def settings(server: str, key: str = KEY) -> DnsUpdate:
    return DnsUpdate.model_validate({"server": server, "key_name": "hub", "key": Secret(key), "ttl": 60})


async def texts(server: str) -> list[str]:
    """What the server itself has now."""
    found = await Resolver([server]).query(NAME, "TXT")
    return sorted(b"".join(each.strings).decode("ascii") for each in found.records if isinstance(each, TXT))


@needs_knot
@pytest.mark.proves("DNS: TXT records are added, replaced and taken out by signed updates (RFC 2136)")
async def test_texts_come_and_go_by_themselves_or_together() -> None:
    with changing({"one.test": ["@ MX 10 mail"]}, "hub", KEY) as server:

        async def change(*changes: TxtChange) -> list[str]:
            await update_dns(settings(server), "one.test", changes)
            return await texts(server)

        assert await change(TxtChange(NAME, "a"), TxtChange(NAME, 'b "c" \\')) == ["a", 'b "c" \\']
        assert await change(TxtChange(NAME, "a", present=False)) == ['b "c" \\']
        assert await change(TxtChange(NAME, "nobody has it", present=False)) == ['b "c" \\']
        assert await change(TxtChange(NAME, "x" * 700, alone=True)) == ["x" * 700]
        assert await change(TxtChange(NAME, "x" * 700, present=False)) == []
        await change(TxtChange(NAME, "d"), TxtChange(NAME, "e"))
        assert await change(TxtChange(NAME, "", present=False, alone=True)) == []


@needs_knot
async def test_who_may_not_or_cannot_is_told_why() -> None:
    with changing({"one.test": ["@ MX 10 mail"]}, "hub", KEY) as server:
        with pytest.raises(OSError, match=f"{server} refuses the key hub: "):
            await update_dns(settings(server, OTHER), "one.test", [TxtChange(NAME, "a")])
        with pytest.raises(OSError, match=f"{server} cannot change two.test: "):  # its answer is not signed
            await update_dns(settings(server), "two.test", [TxtChange("a.two.test", "a")])
        with pytest.raises(OSError, match=f"{server} does not change one.test: NOTZONE"):
            await update_dns(settings(server), "one.test", [TxtChange("a.two.test", "a")])
        assert await texts(server) == []
    with pytest.raises(OSError, match=f"{server} cannot change one.test: "):
        await update_dns(settings(server), "one.test", [TxtChange(NAME, "a")])


def test_a_key_is_base64() -> None:
    with pytest.raises(ValueError, match="should be a key in base64"):
        settings("192.0.2.53", "no key!")


def test_a_long_text_is_several_strings() -> None:
    assert txt_data("x" * 300) == f'"{"x" * 250}" "{"x" * 50}"'


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_a_server_is_an_address_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "ns.example", "192.0.2.53:", "192.0.2.53:0", "[2001:db8::53]x", "1.2.3.4:99999"]
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be an IP address"):
        server_address(text)
