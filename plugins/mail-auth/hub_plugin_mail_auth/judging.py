"""All methods side by side, each within its time, and DMARC once they are done.

SPF MAIL FROM ─┐
SPF HELO ──────┤
DKIM ──────────┼─► DMARC
ARC ───────────┤
iprev ─────────┘
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias, TypeVar

from hub import (
    Address,
    ArcResult,
    AuthResult,
    DkimResult,
    DmarcResult,
    Dns,
    DnsAnswer,
    DnsTrouble,
    Message,
    Reverse,
    SpfResult,
    check_dmarc,
    check_iprev,
    check_spf,
    verify_arc,
    verify_dkim,
)

T = TypeVar("T")
Ip: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Hop:
    """Who handed a message over. sender: None for the null reverse-path."""

    ip: Ip
    sender: Address | None
    helo: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found. spf: of MAIL FROM, or of HELO where that is null; helo: of HELO beside it, or None."""

    spf: SpfResult
    helo: SpfResult | None
    dkim: Sequence[DkimResult]
    arc: ArcResult
    iprev: Reverse
    dmarc: DmarcResult

    def results(self) -> Sequence[AuthResult]:
        """All of it, as Authentication-Results has it."""
        found = [self.iprev.auth_result(), self.spf.auth_result()]
        if self.helo is not None:
            found.append(self.helo.auth_result())
        found += [each.auth_result() for each in self.dkim] or [AuthResult("dkim", "none")]
        if self.arc.status != "none":
            found.append(self.arc.auth_result())
        return [*found, self.dmarc.auth_result()]

    @property
    def signers(self) -> Sequence[str]:
        """The domains whose signatures pass."""
        return [each.domain.lower() for each in self.dkim if each.status == "pass"]


async def judge(
    dns: Dns,
    hop: Hop,
    message: Message,
    *,
    message_id: str,
    receiver: str,
    now: float,
    seconds: float,
    organization: Callable[[str], str] | None = None,
) -> Judgement:
    """Everything about one message; it takes the time twice at most. message_id: chooses for `pct`."""
    dns = _Impatient(dns, seconds / 2)
    spf, helo, dkim, arc, iprev = await asyncio.gather(
        check_spf(dns, hop.ip, hop.sender, hop.helo, receiver=receiver, now=now, seconds=seconds),
        _helo(dns, hop, receiver, now, seconds),
        _within(seconds, verify_dkim(message, dns, now), ()),
        _within(seconds, verify_arc(message, dns, now), ArcResult("fail", "takes too long", temporary=True)),
        _within(seconds, check_iprev(dns, hop.ip), Reverse(str(hop.ip), trouble="takes too long")),
    )
    late = DmarcResult("temperror", reason="takes too long")
    work = check_dmarc(
        dns,
        message.headers,
        spf.domain if spf.result == "pass" else "",
        [each.domain for each in dkim if each.status == "pass"],
        unsure=[
            *([spf.domain] if spf.result == "temperror" else []),
            *(each.domain for each in dkim if each.status == "temperror"),
        ],
        sample=zlib.crc32(message_id.encode()) % 100,
        organization=organization,
    )
    return Judgement(spf, helo, dkim, arc, iprev, await _within(seconds, work, late))


@dataclass(frozen=True, slots=True)
class _Impatient:
    """DNS in which one name that nobody answers for takes no time from the others: a key of many, say."""

    dns: Dns
    seconds: float

    async def query(self, name: str, kind: str) -> DnsAnswer:
        try:
            async with asyncio.timeout(self.seconds):
                return await self.dns.query(name, kind)
        except TimeoutError:
            raise DnsTrouble(f"no answer within {self.seconds:g} s") from None


async def _helo(dns: Dns, hop: Hop, receiver: str, now: float, seconds: float) -> SpfResult | None:
    """RFC 7208 §2.3; None where it is not worth a word: no record, or asked about already."""
    if hop.sender is None:
        return None
    found = await check_spf(dns, hop.ip, None, hop.helo, receiver=receiver, now=now, seconds=seconds)
    return None if found.result == "none" else found


async def _within(seconds: float, work: Awaitable[T], late: T) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return late
