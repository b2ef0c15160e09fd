"""The hub validates by itself what a server says that nobody needs to trust: zones signed by a real Knot."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.name
import dns.rdata
import pytest
from dns.rdtypes.ANY.NSEC3 import NSEC3

from hub.services.dns import DnsBogus, DnsTrouble
from hub.services.dnssec.anchors import anchors, parse_anchor
from hub.services.dnssec.denial import Shown, denial
from hub.services.dnssec.signatures import MOST_CHECKS, Work
from hub.services.resolver import Resolver
from tests.peers.knot import Signed, needs_knot, signing
from tests.peers.unbound import needs_unbound, validating

TLSA = "TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
RECORDS = (
    "@ MX 10 mail",
    "mail A 192.0.2.1",
    "alias CNAME mail",
    "away CNAME mail.plain.test.",
    "dangling CNAME nobody",
    f"_25._tcp.mail {TLSA}",
    f"*._tcp.wild {TLSA}",
    "wild A 192.0.2.2",
    "b.deep A 192.0.2.3",
    "tree DNAME branch",
    "mail.branch A 192.0.2.4",
)
ZONES = {
    ".": (),
    "test": (),
    "one.test": RECORDS,
    "hashed.test": RECORDS,
    "plain.test": RECORDS,
    "forged.test": RECORDS,
    "stripped.test": RECORDS,
    "opted": (),
    "plain.opted": RECORDS,
    "one.opted": RECORDS,
}


@pytest.fixture(scope="module")
def knot() -> Iterator[Signed]:
    with signing(
        ZONES,
        nsec3=("hashed.test",),
        opt_out=("opted",),
        unsigned=("plain.test", "plain.opted"),
        wrong=("forged.test",),
        stripped=("stripped.test",),
    ) as signed:
        yield signed


@pytest.fixture
def resolver(knot: Signed) -> Resolver:
    return Resolver([knot.address], trusted=False, trust_anchors=knot.anchors)


@needs_knot
@pytest.mark.proves("DNS: what zones have signed is validated by the hub itself, from the keys of the root")
@pytest.mark.parametrize("zone", ["one.test", "hashed.test", "one.opted"])
@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("", "MX", 1),
        ("", "DNSKEY", 1),
        ("", "DS", 1),
        ("mail", "A", 1),
        ("alias", "A", 1),
        ("_25._tcp.mail", "TLSA", 1),
        ("_25._tcp.wild", "TLSA", 1),  # made of a wildcard
        ("mail.tree", "A", 1),  # RFC 6672
        ("mail", "AAAA", 0),
        ("deep", "A", 0),  # only others below it
        ("_25._tcp.wild", "A", 0),  # a wildcard without such records
        ("nobody", "A", None),
        ("_25._tcp.nobody", "TLSA", None),
        ("dangling", "A", None),
    ],
)
async def test_what_is_signed_is_secure_also_that_there_is_nothing(
    resolver: Resolver, zone: str, name: str, kind: str, count: int | None
) -> None:
    found = await resolver.query(f"{name}.{zone}".lstrip("."), kind)
    assert (found.exists, len(found.records)) == (count is not None, count or 0)
    assert found.secure


@needs_knot
@pytest.mark.parametrize("zone", ["plain.test", "plain.opted"])
@pytest.mark.parametrize(("name", "kind"), [("mail", "A"), ("mail", "AAAA"), ("nobody", "A"), ("alias", "A")])
async def test_what_is_shown_to_be_unsigned_is_taken_and_not_secure(
    resolver: Resolver, zone: str, name: str, kind: str
) -> None:
    assert not (await resolver.query(f"{name}.{zone}", kind)).secure


@needs_knot
async def test_an_alias_is_as_secure_as_where_it_leads(resolver: Resolver) -> None:
    away = await resolver.query("away.one.test", "A")
    assert (away.name, away.secure) == ("mail.plain.test", False)
    assert (await resolver.query("alias.one.test", "A")).secure


@needs_knot
@pytest.mark.parametrize("zone", ["forged.test", "stripped.test"])
@pytest.mark.parametrize(("name", "kind"), [("mail", "A"), ("mail", "AAAA"), ("nobody", "A")])
async def test_what_should_be_signed_and_is_not_is_no_answer(
    resolver: Resolver, zone: str, name: str, kind: str
) -> None:
    with pytest.raises(DnsBogus):
        await resolver.query(f"{name}.{zone}", kind)


@needs_knot
@pytest.mark.parametrize("away", [-400 * 86400, 400 * 86400])
async def test_signatures_of_another_time_are_worth_nothing(knot: Signed, away: float) -> None:
    resolver = Resolver(
        [knot.address], trusted=False, trust_anchors=knot.anchors, now=lambda: time.time() + away
    )
    with pytest.raises(DnsBogus):
        await resolver.query("one.test", "MX")


@needs_knot
async def test_other_keys_at_the_root_vouch_for_nothing(knot: Signed) -> None:
    with pytest.raises(DnsBogus):
        await Resolver([knot.address], trusted=False).query("one.test", "MX")


@needs_knot
async def test_what_the_operator_calls_unsigned_is_not_validated(knot: Signed) -> None:
    resolver = Resolver(
        [knot.address], trusted=False, trust_anchors=knot.anchors, unsigned=("stripped.test",)
    )
    assert not (await resolver.query("mail.stripped.test", "A")).secure
    assert (await resolver.query("mail.one.test", "A")).secure


@needs_knot
async def test_without_a_root_a_zone_can_be_believed_by_its_own_key(knot: Signed, resolver: Resolver) -> None:
    (record,) = (await resolver.query("one.test", "DS")).records
    own = Resolver([knot.address], trusted=False, trust_anchors=(f"one.test. DS {record}",), unsigned=(".",))
    assert (await own.query("mail.one.test", "A")).secure
    assert not (await own.query("mail.hashed.test", "A")).secure


@needs_knot
async def test_a_server_on_loopback_is_believed_unless_the_operator_says_otherwise(knot: Signed) -> None:
    # Knot serves its own zones only, and so claims to have validated nothing.
    for trusted in (None, True, ("127.0.0.1",)):
        resolver = Resolver([knot.address], trusted=trusted)
        assert not (await resolver.query("one.test", "MX")).secure
        assert (await resolver.query("mail.stripped.test", "A")).records
    with pytest.raises(DnsBogus):
        await Resolver([knot.address], trusted=("192.0.2.1",)).query("one.test", "MX")


@needs_knot
@needs_unbound
@pytest.mark.proves("DNS: what a validating resolver on loopback calls secure is; unbound and the hub agree")
async def test_what_is_believed_of_unbound_is_what_is_found_here(knot: Signed, resolver: Resolver) -> None:
    names = ("", "mail", "alias", "_25._tcp.mail", "_25._tcp.wild", "mail.tree", "nobody", "deep", "dangling")
    with validating(knot) as address:
        believing = Resolver([address])
        for zone in ZONES:
            for name in names:
                for kind in ("A", "MX", "TLSA", "DS"):
                    asked = f"{name}.{zone}".strip(".")
                    if not asked:
                        continue  # the root has no parent that could say anything
                    assert await verdict(believing, asked, kind) == await verdict(resolver, asked, kind), (
                        asked,
                        kind,
                    )


async def verdict(resolver: Resolver, name: str, kind: str) -> tuple[bool, bool, int] | None:
    """None: there is no answer that is worth something."""
    try:
        found = await resolver.query(name, kind)
    except DnsTrouble:
        return None
    return found.secure, found.exists, len(found.records)


def test_a_zone_that_hashes_too_often_is_not_hashed_for() -> None:
    zone, name = dns.name.from_text("one.test"), dns.name.from_text("nobody.one.test")
    text = "1 0 {} ABCD 00000000000000000000000000000000 A".format
    for iterations, shown in ((50, Shown.NOT), (51, Shown.UNSIGNED)):
        record = dns.rdata.from_text("IN", "NSEC3", text(iterations))
        assert isinstance(record, NSEC3)
        owner = dns.name.from_text("11111111111111111111111111111111", zone)
        assert denial(zone, [], [(owner, record)]).no_name(name) is shown


def test_what_costs_too_much_is_given_up() -> None:
    work = Work()
    for _ in range(MOST_CHECKS):
        work.check()
    with pytest.raises(DnsTrouble, match="too many signatures"):
        work.check()


def test_the_keys_of_the_root_are_known_and_can_be_replaced() -> None:
    (root,) = anchors()
    assert [each.key_tag for each in anchors()[root]] == [20326, 38696]
    name, record = parse_anchor(f". DS 1 13 2 {'ab' * 32}")
    assert list(anchors([f". IN DS 1 13 2 {'ab' * 32}"])[name]) == [record]
