"""SPF where the public suites say nothing: bounds, steps, a real DNS server; and iprev."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from hub.mail.address import Address
from hub.mailauth.iprev import check_iprev
from hub.mailauth.spf import SpfResult, check_spf
from hub.services.dns import DnsAnswer
from hub.services.resolver import Resolver
from hub.testing.zones import Zones
from tests.peers.knot import needs_knot, resolving

CLIENT = ipaddress.ip_address("192.0.2.25")
ALICE = Address("alice", "example.org")


async def judged(dns: Zones, sender: Address | None = ALICE, **more: object) -> SpfResult:
    return await check_spf(dns, CLIENT, sender, "mail.example.net", **more)  # type: ignore[arg-type]


async def test_the_null_reverse_path_is_judged_by_helo() -> None:
    found = await judged(Zones({"mail.example.net": ['TXT "v=spf1 ip4:192.0.2.0/24 -all"']}), None)
    assert (found.result, found.identity, found.sender) == ("pass", "helo", "postmaster@mail.example.net")
    assert found.auth_result().properties == [("smtp", "helo", "mail.example.net")]


async def test_every_step_is_told() -> None:
    steps: list[str] = []
    dns = Zones(
        {
            "example.org": ['TXT "v=spf1 mx include:_spf.example.net -all"', "MX 10 mx.example.org."],
            "mx.example.org": ["A 192.0.2.1"],
            "_spf.example.net": ['TXT "v=spf1 ip4:192.0.2.25 -all"'],
        }
    )
    assert (await judged(dns, say=steps.append)).mechanism == "include:_spf.example.net"
    assert steps == [
        "may 192.0.2.25 send for alice@example.org?",
        "  example.org says 'v=spf1 mx include:_spf.example.net -all'",
        "  mx: no",
        "    _spf.example.net says 'v=spf1 ip4:192.0.2.25 -all'",
        "    ip4:192.0.2.25: matches",
        "  include:_spf.example.net: matches",
        "pass",
    ]


async def test_dns_that_never_answers_ends_in_time() -> None:
    class Silent:
        async def query(self, name: str, kind: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError

    found = await check_spf(Silent(), CLIENT, ALICE, "x", seconds=0.01)
    assert (found.result, found.reason) == ("temperror", "it takes longer than 0.01 s")


async def test_a_hostile_record_asks_little() -> None:
    """Includes of a hundred others, each with ten MX of ten names."""
    names = [f"n{n}.example.org" for n in range(100)]
    records = {name: ['TXT "v=spf1 mx -all"', *(f"MX 1 m{n}.{name}." for n in range(10))] for name in names}
    pieces = " ".join(f'" include:{name}"' for name in names)
    dns = Zones({"example.org": [f'TXT "v=spf1" {pieces}'], **records})
    assert (await judged(dns)).result == "permerror"
    assert len(dns.asked) < 120


async def test_an_explanation_is_expanded() -> None:
    dns = Zones(
        {
            "example.org": ['TXT "v=spf1 -all exp=why.%{d}"'],
            "why.example.org": ['TXT "%{i} is not a mailer of %{o}, says %{r}"'],
        }
    )
    found = await judged(dns, receiver="mx.example.com")
    assert found.explanation == "192.0.2.25 is not a mailer of example.org, says mx.example.com"


@pytest.mark.parametrize(
    ("records", "result"),
    [
        ({}, "permerror"),
        ({"25.2.0.192.in-addr.arpa": ["PTR a.example.org."]}, "fail"),
        ({"25.2.0.192.in-addr.arpa": ["PTR a.example.org."], "a.example.org": ["A 192.0.2.1"]}, "fail"),
        ({"25.2.0.192.in-addr.arpa": ["PTR A.example.org."], "a.example.org": ["A 192.0.2.25"]}, "pass"),
    ],
)
async def test_names_lead_back_to_the_address(records: dict[str, list[str]], result: str) -> None:
    assert (await check_iprev(Zones(records), CLIENT)).result == result


async def test_reverse_dns_that_does_not_answer_is_a_temperror() -> None:
    assert (await check_iprev(Zones({}, ["25.2.0.192.in-addr.arpa"]), CLIENT)).result == "temperror"
    records = {"25.2.0.192.in-addr.arpa": ["PTR a.example.org."]}
    found = await check_iprev(Zones(records, ["a.example.org"]), CLIENT)
    assert found.result == "temperror"
    assert found.auth_result().result == "temperror"


@needs_knot
async def test_a_real_name_server_says_the_same() -> None:
    zone = [
        '@ TXT "v=spf1 a:a.%{d}/24 ~all"',
        '@ TXT "something else"',
        "a A 192.0.2.1",
        'long TXT "v=spf1 " "ip4:198.51.100.0/24 " "ip6:2001:db8::/32 -all"',
        'void TXT "v=spf1 a:x1.%{d} a:x2.%{d} a:x3.%{d} -all"',
        "alias CNAME long",
    ]
    with resolving({"one.test": zone, "2.0.192.in-addr.arpa": ["25 PTR a.one.test."]}) as address:
        dns = Resolver([address])

        async def said(domain: str, ip: str = "192.0.2.25") -> str:
            found = await check_spf(dns, ipaddress.ip_address(ip), Address("a", domain), "helo.test")
            return found.result

        assert await said("one.test") == "pass"
        assert await said("one.test", "203.0.113.1") == "softfail"
        assert await said("long.one.test") == "fail"
        assert await said("alias.one.test", "2001:db8::1") == "pass"
        assert await said("void.one.test") == "permerror"
        assert await said("missing.one.test") == "none"
        reverse = await check_iprev(dns, CLIENT)
        assert (reverse.result, reverse.claimed) == ("fail", ("a.one.test",))
