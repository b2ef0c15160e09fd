"""ARC: chains that hold, chains that do not, and who seals what; dkimpy agrees."""

from __future__ import annotations

from collections.abc import Callable

import dkim
import pytest

from hub import ArcResult, hash_body, seal_arc, verify_arc
from hub.testing.zones import Zones
from tests.mailauth.signing import DOMAIN, NOW, ODD, PLAIN, key, message_of, signed, zones
from tests.mailauth.test_dkim import dkimpy

FOUND = "mx.example.org; spf=pass smtp.mailfrom=example.org; dkim=pass header.d=example.org"


async def sealed(raw: bytes, hops: int = 1, found: str = FOUND) -> bytes:
    for _ in range(hops):
        message = message_of(raw)
        chain = await verify_arc(message, zones(), NOW)
        [body] = await hash_body(message)
        lines = seal_arc(message, key(), DOMAIN, "rsa", NOW, body, chain=chain, auth_results=found)
        raw = lines.encode() + raw
    return raw


async def judged(raw: bytes, dns: Zones | None = None) -> ArcResult:
    return await verify_arc(message_of(raw), dns or zones(), NOW)


@pytest.mark.parametrize("raw", [PLAIN, ODD], ids=["plain", "odd"])
async def test_a_chain_of_ours_holds_here_and_for_dkimpy(raw: bytes) -> None:
    assert (await judged(raw)).status == "none"
    chained = await sealed(await signed(raw), 3)
    result = await judged(chained)
    assert (result.status, result.instance, result.domains) == ("pass", 3, (DOMAIN,) * 3)
    assert result.results == (FOUND,) * 3
    assert result.auth_result().properties == [("header", "d", DOMAIN)]
    status, _, why = dkim.arc_verify(chained, dnsfunc=dkimpy(zones()))
    assert (status, why) == (b"pass", "success")


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"At eight?", b"At nine?"),
        lambda raw: raw.replace(b"Dinner", b"Lunch"),
        lambda raw: raw.replace(b"spf=pass", b"spf=fail", 1),
        lambda raw: raw.replace(b"spf=pass", b"spf=fail"),
        lambda raw: raw.replace(b"cv=pass", b"cv=none"),
        lambda raw: raw.replace(b"cv=none", b"cv=pass"),
        lambda raw: raw.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=3"),
        lambda raw: raw.replace(b"ARC-Seal: i=1", b"X-Seal: i=1"),
        lambda raw: raw.replace(b"ARC-Seal: i=2", b"ARC-Seal: i=1"),
        lambda raw: raw.replace(b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results:"),
        lambda raw: raw.replace(b"ARC-Message-Signature: i=2; a=rsa", b"ARC-Message-Signature: i=2; a=x"),
        lambda raw: raw.replace(b"cv=pass;", b"cv=pass; h=from;"),
        lambda raw: raw.replace(b"ARC-Seal: i=2", b"ARC-Seal: i=0"),
        lambda raw: raw.replace(b"ARC-Seal: i=2", b"ARC-Seal: i=99999999"),
        lambda raw: b"ARC-Seal: i=2; a=b\r\n" + raw,
        lambda raw: b"ARC-Seal: nonsense\r\n" + raw,
    ],
)
async def test_a_chain_that_was_touched_does_not_hold(change: Callable[[bytes], bytes]) -> None:
    raw = await sealed(PLAIN, 2)
    assert change(raw) != raw
    result = await judged(change(raw))
    assert (result.status, bool(result.reason), result.domains) == ("fail", True, ())
    if change(raw).startswith(b"ARC-Seal: nonsense"):
        return  # dkimpy overlooks a seal without i=; RFC 8617 §5.2 step 3 wants every set to be whole
    with_dkimpy = dkim.arc_verify(change(raw), dnsfunc=dkimpy(zones()))[0]
    assert with_dkimpy == b"fail"


async def test_a_broken_chain_is_sealed_once_as_broken_and_then_left_alone() -> None:
    broken = (await sealed(PLAIN, 2)).replace(b"At eight?", b"At nine?")
    once = await sealed(broken)
    assert b"ARC-Seal: i=3; a=rsa-sha256; cv=fail" in once
    result = await judged(once)
    assert (result.status, result.ended, result.instance) == ("fail", True, 3)
    assert await sealed(once) == once


async def test_what_is_no_chain_is_sealed_as_broken() -> None:
    once = await sealed(b"ARC-Seal: i=7; nonsense\r\n" + PLAIN)
    assert b"cv=fail" in once
    assert (await judged(once)).status == "fail"


async def test_a_chain_has_fifty_sets_at_most() -> None:
    chain = ArcResult("pass", "", 50)
    message = message_of(PLAIN)
    [body] = await hash_body(message)
    assert not seal_arc(message, key(), DOMAIN, "rsa", NOW, body, chain=chain, auth_results=FOUND)
    fields = b"".join(b"ARC-Seal: i=%d; a=b\r\n" % at for at in range(1, 52))
    assert (await judged(fields + PLAIN)).status == "fail"


async def test_no_answer_from_dns_is_not_the_last_word() -> None:
    down = Zones({}, troubled=[f"rsa._domainkey.{DOMAIN}"])
    result = await judged(await sealed(PLAIN), down)
    assert (result.status, result.temporary) == ("fail", True)
    assert not (await judged(await sealed(PLAIN), Zones({}))).temporary


async def test_each_step_is_said() -> None:
    said: list[str] = []
    await verify_arc(message_of(await sealed(PLAIN, 2)), zones(), NOW, said.append)
    assert "ARC-Seal 1 of example.org, key rsa, cv=none" in said
    assert said[-1] == "the chain of 2 holds"
