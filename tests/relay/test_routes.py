"""Whom mail for a domain is taken to, as a real DNS server says it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.relay.answers import Answer
from hub.relay.hops import Hop
from hub.relay.routes import Routes
from hub.relay.static import Leads
from hub.services.resolver import Resolver
from tests.peers.knot import needs_knot, resolving

pytestmark = needs_knot

ZONES = {
    "one.test": [
        "@ MX 20 second",
        "@ MX 10 first",
        "first A 192.0.2.1",
        "first AAAA 2001:db8::1",
        "second A 192.0.2.2",
        "plain A 192.0.2.3",
        "null MX 0 .",
        "nameless MX 10 nobody",
        "nothing TXT words",
        "alias CNAME @",
        "indirect MX 10 other",
        "other CNAME second",
        "we MX 10 first",
        "we MX 20 mail.example.test.",
        "we MX 30 second",
        "onlywe MX 10 mail.example.test.",
        "half MX 10 nobody",
        "half MX 20 second",
        "even MX 10 first",
        "even MX 10 second",
        *(f"many MX {number} m{number}" for number in range(30)),
        *(f"m{number} A 192.0.2.{number + 100}" for number in range(30)),
    ]
}


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    with resolving(ZONES) as address:
        yield address


@pytest.fixture
def routes(nameserver: str) -> Routes:
    static = {"inside.test": "10.0.0.1:2525", ".inside.test": "10.0.0.2:25"}
    return Routes("mail.example.test", Resolver([nameserver]), Leads(static, {}))


async def addresses(routes: Routes, domain: str) -> list[str]:
    hops = await routes.hops(domain)
    assert not isinstance(hops, Answer), hops
    return [hop.address for hop in hops]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("one.test", ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ("ONE.test.", ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ("plain.one.test", ["192.0.2.3"]),  # RFC 5321 §5.1: no MX, so the domain itself
        ("alias.one.test", ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ("indirect.one.test", ["192.0.2.2"]),
        ("we.one.test", ["2001:db8::1", "192.0.2.1"]),  # nobody beyond ourselves
        ("half.one.test", ["192.0.2.2"]),
        ("inside.test", ["10.0.0.1"]),
        ("deep.inside.test", ["10.0.0.2"]),
    ],
)
async def test_exchangers_come_in_their_order(routes: Routes, domain: str, expected: list[str]) -> None:
    assert await addresses(routes, domain) == expected


@pytest.mark.parametrize(
    ("domain", "code", "enhanced"),
    [
        ("null.one.test", 550, "5.1.10"),  # RFC 7505
        ("gone.one.test", 550, "5.1.2"),
        ("nameless.one.test", 550, "5.4.4"),
        ("nothing.one.test", 550, "5.4.4"),
        ("onlywe.one.test", 550, "5.4.6"),
        ("other.zone", 450, "4.4.3"),  # the server refuses to say anything
        ("hidden.onion", 550, "5.1.2"),
        ("printer.local", 550, "5.1.2"),
        ("[127.0.0.1]", 550, "5.1.2"),
        ("[IPv6:::1]", 550, "5.1.2"),
    ],
)
async def test_what_leads_nowhere_has_its_answer(
    routes: Routes, domain: str, code: int, enhanced: str
) -> None:
    answer = await routes.hops(domain)
    assert isinstance(answer, Answer)
    assert (answer.code, answer.enhanced) == (code, enhanced)


async def test_equal_ones_share_the_mail_and_nobody_tries_them_all(routes: Routes) -> None:
    firsts = {(await addresses(routes, "even.one.test"))[0] for _ in range(50)}
    assert firsts == {"2001:db8::1", "192.0.2.2"}
    assert len(await addresses(routes, "many.one.test")) == 10


async def test_a_star_is_for_all_others_and_needs_no_dns() -> None:
    routes = Routes("mail.example.test", Resolver(["127.0.0.1:9"]), Leads({"*": "[2001:db8::25]:587"}, {}))
    assert await routes.hops("one.test") == [Hop("2001:db8::25", "2001:db8::25", 587, is_given=True)]
