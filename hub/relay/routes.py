"""Where mail for a domain goes: its mail exchangers in order (RFC 5321 §5), or where the operator says."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from typing import Final

from dns.rdtypes.ANY.MX import MX

from hub.hooks.relay import NextHop
from hub.mail.address import Address
from hub.relay.answers import Answer, failed
from hub.relay.hops import Access, Hop
from hub.relay.static import Leads
from hub.services.dns import Dns, DnsTrouble

MOST_HOPS: Final = 10
"""Addresses that are tried for one domain."""
MOST_EXCHANGERS: Final = 20
SPECIAL: Final = frozenset({"onion", "alt", "local", "localhost", "invalid"})
"""Top-level names that no DNS answers for (RFC 6761, 6762, 7686, 9476)."""


class Routes:
    """One per process. hostname: our own name in MX records, beyond which nobody is asked."""

    def __init__(self, hostname: str, dns: Dns, leads: Leads) -> None:
        self._hostname = hostname.lower()
        self._dns = dns
        self._leads = leads

    def destination(self, recipient: Address, reverse_path: Address | None) -> str:
        """What a recipient's mail has in common with others': a domain, or where the operator leads it."""
        domain = recipient.ascii_domain.lower()
        lead = self._leads.of(domain, reverse_path)
        return domain if lead is None else lead.name

    async def hops(self, domain: str, reverse_path: Address | None = None) -> Sequence[Hop] | Answer:
        """Whom to try, in this order; an answer if nobody can be tried."""
        domain = domain.lower().rstrip(".")
        if (lead := self._leads.of(domain, reverse_path)) is not None:
            return await self._addresses([(0, lead.host)], lead.port, lead.access, is_given=True)
        if domain.startswith("["):
            return _literal(domain)
        if domain.rpartition(".")[2] in SPECIAL:
            return failed("5.1.2", f"{domain} is no name of DNS")
        exchangers = await self._exchangers(domain)
        if isinstance(exchangers, Answer):
            return exchangers
        return await self._addresses(exchangers, 25)

    async def to(self, hop: NextHop) -> Sequence[Hop] | Answer:
        """The same for a server that a plugin names."""
        return await self._addresses([(0, hop.host)], hop.port, is_given=True)

    async def _exchangers(self, domain: str) -> list[tuple[int, str]] | Answer:
        """(preference, name), sorted, those of equal preference in random order."""
        try:
            found = await self._dns.query(domain, "MX")
        except DnsTrouble as trouble:
            return failed("4.4.3", f"DNS does not say where mail for {domain} goes: {trouble}")
        except ValueError:
            return failed("5.1.2", f"{domain} is no name of DNS")
        if not found.exists:
            return failed("5.1.2", f"there is no domain {domain}")
        exchangers = [each for each in found.records if isinstance(each, MX)]
        if not exchangers:
            return [(0, domain)]  # RFC 5321 §5.1: the domain itself
        records = [
            (each.preference, each.exchange.to_text(omit_final_dot=True).lower()) for each in exchangers
        ]
        if [name for _, name in records] == ["."] or [name for _, name in records] == [""]:
            return failed("5.1.10", f"{domain} takes no mail")  # RFC 7505
        random.shuffle(records)
        records.sort(key=lambda record: record[0])
        own = [preference for preference, name in records if name == self._hostname]
        if own:  # whoever is no better than we are would send it back to us
            records = [record for record in records if record[0] < own[0]]
            if not records:
                return failed("5.4.6", f"mail for {domain} goes to this server, which does not take it")
        return records[:MOST_EXCHANGERS]

    async def _addresses(
        self,
        exchangers: Sequence[tuple[int, str]],
        port: int,
        access: Access | None = None,
        *,
        is_given: bool = False,
    ) -> Sequence[Hop] | Answer:
        hops: list[Hop] = []
        trouble: Answer | None = None
        for _, host in exchangers:
            found = await self._addresses_of(host)
            if isinstance(found, Answer):
                trouble = found if trouble is None or not found.is_permanent else trouble
            else:
                hops += [Hop(host, address, port, access, is_given) for address in found]
            if len(hops) >= MOST_HOPS:
                break
        if hops:
            return hops[:MOST_HOPS]
        return trouble or failed("5.4.4", "no mail exchanger has an address")

    async def _addresses_of(self, host: str) -> list[str] | Answer:
        """IPv6 first. An answer that is permanent only if DNS says that there is none."""
        if _is_address(host):
            return [host]
        found = await asyncio.gather(*(self._resolve(host, kind) for kind in ("AAAA", "A")))
        addresses = [address for each in found if isinstance(each, list) for address in each]
        if addresses:
            return addresses
        temporary = next((each for each in found if isinstance(each, Answer)), None)
        return temporary or failed("5.4.4", f"{host}, which takes the mail, has no address")

    async def _resolve(self, host: str, kind: str) -> list[str] | Answer:
        try:
            found = await self._dns.query(host, kind)
        except DnsTrouble as trouble:
            return failed("4.4.3", f"DNS does not say the address of {host}: {trouble}")
        except ValueError:
            return []  # the root, or a name that is too long
        return [record.to_text() for record in found.records]


def _literal(domain: str) -> Sequence[Hop] | Answer:
    """An address literal (RFC 5321 §4.1.3); what is no address of the Internet is none of a mail server's."""
    text = domain[1:-1].removeprefix("ipv6:")
    if not _is_address(text) or not ipaddress.ip_address(text).is_global:
        return failed("5.1.2", f"no mail goes to {domain}")
    return [Hop(domain, text)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
