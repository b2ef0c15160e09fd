"""The hub's questions to DNS, over dnspython."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.resolver
from dns.rdatatype import RdataType

from hub.config.units import parse_address
from hub.services.dns import DnsAnswer, DnsBogus, DnsTrouble

if TYPE_CHECKING:
    from hub.services.dnssec.chain import Chain

LIFETIME: Final = 20.0
"""Seconds that one question may take, with all its repetitions; as long again to validate the answer."""
MAX_CACHED: Final = 10_000
MAX_QUESTIONS: Final = 256
"""Under way at once, each with a socket; more wait."""
PAYLOAD: Final = 1232
"""Octets of a datagram that reach everybody whole; what is longer comes over TCP."""


class Resolver:
    """The real `Dns`.

    nameservers: `address:port`, in place of the system's (/etc/resolv.conf). trusted: whose word it is that
    an answer is secure: all of them, none, or these addresses; None for those on loopback. Where one of them
    is not, all answers are validated here. trust_anchors, unsigned: as `hub.services.dnssec.anchors` takes
    them. now: what signatures are held against.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        trusted: bool | Sequence[str] | None = None,
        trust_anchors: Sequence[str] = (),
        unsigned: Sequence[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self._now = now
        self.configure(nameservers, trusted=trusted, trust_anchors=trust_anchors, unsigned=unsigned)

    def configure(
        self,
        nameservers: Sequence[str],
        *,
        trusted: bool | Sequence[str] | None = None,
        trust_anchors: Sequence[str] = (),
        unsigned: Sequence[str] = (),
    ) -> None:
        """Ask others from now on, and forget what was said."""
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        resolver.cache = dns.resolver.LRUCache(MAX_CACHED)
        resolver.lifetime = LIFETIME
        if nameservers:
            parsed = [parse_address(each) for each in nameservers]
            resolver.nameservers = [host for host, _ in parsed]
            resolver.nameserver_ports = dict(parsed)
        self._resolver = resolver
        self._chain: Chain | None = None
        self._verdicts: OrderedDict[tuple[dns.name.Name, RdataType], tuple[dns.message.Message, bool]]
        self._verdicts = OrderedDict()
        self.trouble: str | None = None
        """Why nothing is secure, if that was found out."""
        if all(_is_trusted(str(each), trusted) for each in resolver.nameservers):
            resolver.flags = dns.flags.RD | dns.flags.AD  # RFC 6840 §5.7: whether it validated
        else:  # what comes over a network may have been changed on its way, its AD bit too
            resolver.flags = dns.flags.RD | dns.flags.CD
            resolver.use_edns(0, dns.flags.DO, PAYLOAD)
            from hub.services.dnssec.anchors import anchors
            from hub.services.dnssec.chain import Chain

            self._chain = Chain(self._fetch, anchors(trust_anchors, unsigned), self._now)

    async def query(self, name: str, kind: str) -> DnsAnswer:
        """What there is, from the cache or from whom it is asked."""
        try:
            asked = dns.name.from_text(name)
            rdtype = dns.rdatatype.from_text(kind)
        except dns.exception.DNSException as error:
            raise ValueError(f"{name} {kind} cannot be asked for: {_why(error)}") from error
        response, answer = await self._ask(asked, rdtype)
        secure = await self._is_secure(asked, rdtype, response)
        if answer is None:
            return DnsAnswer(_shown(asked), (), exists=False, secure=secure)
        return DnsAnswer(_shown(answer.canonical_name), tuple(answer), secure=secure)

    async def _ask(
        self, name: dns.name.Name, kind: RdataType
    ) -> tuple[dns.message.Message, dns.resolver.Answer | None]:
        """The whole response, and what of it answers; None: there is no such name. DnsTrouble."""
        try:
            async with self._questions:
                found = await self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            return error.response(name), None  # type: ignore[no-untyped-call]
        except (dns.exception.DNSException, OSError) as error:
            raise DnsTrouble(_why(error)) from error
        return found.response, found

    async def _fetch(self, name: dns.name.Name, kind: RdataType) -> dns.message.Message:
        return (await self._ask(name, kind))[0]

    async def _is_secure(self, name: dns.name.Name, kind: RdataType, response: dns.message.Message) -> bool:
        if self._chain is None:
            return bool(response.flags & dns.flags.AD)
        from hub.services.dnssec.chain import NoSignatures

        known = self._verdicts.get((name, kind))
        if known is not None and known[0] is response:
            return known[1]
        try:
            async with asyncio.timeout(LIFETIME):
                secure = await self._chain.is_secure(name, kind, response)
        except NoSignatures:
            servers = ", ".join(str(each) for each in self._resolver.nameservers)
            self.trouble = f"{servers}: no signatures come with the answers, so nothing can be validated"
            return False
        except TimeoutError:
            raise DnsTrouble(f"the keys of the zones above {_shown(name)} do not come in time") from None
        except DnsBogus:
            self._forget(name, kind)
            raise
        self._verdicts[name, kind] = (response, secure)
        if len(self._verdicts) > MAX_CACHED:
            self._verdicts.popitem(last=False)
        return secure

    def _forget(self, name: dns.name.Name, kind: RdataType) -> None:
        """What is forged may come right the next time."""
        assert self._resolver.cache is not None
        for each in (kind, RdataType.ANY):  # where names that do not exist lie
            self._resolver.cache.flush((name, each, dns.rdataclass.IN))


def _is_trusted(server: str, trusted: bool | Sequence[str] | None) -> bool:
    if isinstance(trusted, bool):
        return trusted
    try:
        address = ipaddress.ip_address(server)
    except ValueError:  # DNS over HTTPS, by its URL
        return False
    if trusted is None:
        return address.is_loopback
    return address in map(ipaddress.ip_address, trusted)


def _shown(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _why(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
