"""The hub's resolver against a real DNS server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.services.dns import DnsTrouble
from hub.services.resolver import Resolver
from hub.testing.ports import free_port
from tests.peers.knot import needs_knot, resolving

ZONES = {"one.test": ["@ MX 10 mail", "mail A 192.0.2.1", "alias CNAME mail", "words TXT a b"]}


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    with resolving(ZONES) as address:
        yield address


@needs_knot
async def test_records_come_with_the_name_that_they_lie_at(nameserver: str) -> None:
    resolver = Resolver([nameserver])
    found = await resolver.query("one.test", "MX")
    assert [record.to_text() for record in found.records] == ["10 mail.one.test."]
    through = await resolver.query("ALIAS.one.test", "A")
    assert (through.name, [record.to_text() for record in through.records]) == (
        "mail.one.test",
        ["192.0.2.1"],
    )
    assert not through.secure  # a server that only serves its own zones validates nothing


@needs_knot
async def test_a_name_without_such_records_is_told_from_one_that_is_not_there(nameserver: str) -> None:
    resolver = Resolver([nameserver])
    there, missing = await resolver.query("words.one.test", "A"), await resolver.query("no.one.test", "A")
    assert (there.exists, there.records) == (True, ())
    assert (missing.exists, missing.records) == (False, ())


@needs_knot
async def test_what_was_asked_once_is_known_until_others_are_asked(nameserver: str) -> None:
    resolver = Resolver([nameserver])
    assert (await resolver.query("one.test", "MX")).records
    resolver.configure([f"127.0.0.1:{free_port()}"])
    with pytest.raises(DnsTrouble):
        await resolver.query("one.test", "MX")


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "two..dots", ".".join(["label"] * 60)])
async def test_what_is_no_name_is_said_to_be_none(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        await Resolver(["127.0.0.1:53"]).query(name, "A")
