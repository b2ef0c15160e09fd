"""The hub's questions to DNS, over dnspython."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from hub.config.units import parse_address
from hub.services.dns import DnsAnswer, DnsTrouble

LIFETIME: Final = 20.0
"""Seconds that one question may take, with all its repetitions."""
MAX_CACHED: Final = 10_000
MAX_QUESTIONS: Final = 256
"""Under way at once, each with a socket; more wait."""


class Resolver:
    """The real `Dns`. nameservers: `address:port`, in place of the system's (/etc/resolv.conf)."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self.configure(nameservers)

    def configure(self, nameservers: Sequence[str]) -> None:
        """Ask others from now on, and forget what was said."""
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        resolver.cache = dns.resolver.LRUCache(MAX_CACHED)
        resolver.lifetime = LIFETIME
        resolver.flags = dns.flags.RD | dns.flags.AD  # RFC 6840 §5.7: whether it validated
        if nameservers:
            parsed = [parse_address(each) for each in nameservers]
            resolver.nameservers = [host for host, _ in parsed]
            resolver.nameserver_ports = dict(parsed)
        self._resolver = resolver
        # What comes over a network may have been changed on its way, its AD bit too.
        self._is_trusted = all(_is_loopback(str(each)) for each in resolver.nameservers)

    async def query(self, name: str, kind: str) -> DnsAnswer:
        """What there is, from the cache or from whom it is asked."""
        try:
            asked = dns.name.from_text(name)
            rdtype = dns.rdatatype.from_text(kind)
        except dns.exception.DNSException as error:
            raise ValueError(f"{name} {kind} cannot be asked for: {_why(error)}") from error
        resolver = self._resolver
        try:
            async with self._questions:
                found = await resolver.resolve(asked, rdtype, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            response = error.response(asked)  # type: ignore[no-untyped-call]
            return DnsAnswer(_shown(asked), (), exists=False, secure=self._secure(response))
        except (dns.exception.DNSException, OSError) as error:
            raise DnsTrouble(_why(error)) from error
        return DnsAnswer(_shown(found.canonical_name), tuple(found), secure=self._secure(found.response))

    def _secure(self, response: dns.message.Message) -> bool:
        return self._is_trusted and bool(response.flags & dns.flags.AD)


def _shown(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # DNS over HTTPS, by its URL
        return False


def _why(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
