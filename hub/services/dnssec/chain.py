"""From a key that is believed down to the zone of a name, and from there to an answer (RFC 4035 §5).

    anchor ──► DNSKEY . ──► DS test. ──► DNSKEY test. ──► DS one.test. ──► DNSKEY one.test. ──► MX one.test.

Each record set is signed by the zone above it; where a zone says that it vouches for no keys of the next, all
below it is unsigned. What was found out about a zone is kept as long as the records that said so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.RRSIG import RRSIG

from hub.services.dns import DnsBogus
from hub.services.dnssec.anchors import Anchors
from hub.services.dnssec.denial import Denial, Shown, denial
from hub.services.dnssec.signatures import Work, Zone, signed_zone, usable, verify

LONGEST: Final = 3600.0
"""Seconds that a zone is known, whatever its records say."""
MOST_ZONES: Final = 10_000
MOST_ALIASES: Final = 16

Fetch: TypeAlias = Callable[[dns.name.Name, RdataType], Awaitable[dns.message.Message]]
"""Asks, for answers with signatures, and whatever they are worth. DnsTrouble."""


class NoSignatures(Exception):
    """The nameservers give no signatures at all: whether something is signed cannot be found out."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is known of a name on the way down. zone: that it lies in, None where nothing is signed."""

    zone: Zone | None
    expires: float
    is_last: bool = False  # there is no such name, and so none below it


class Records:
    """The records of a response by name and type, and the signatures over them."""

    def __init__(self, sets: Iterable[dns.rrset.RRset]) -> None:
        self.sets: dict[tuple[dns.name.Name, RdataType], dns.rrset.RRset] = {}
        self._signatures: dict[tuple[dns.name.Name, RdataType], list[RRSIG]] = {}
        for each in sets:
            if each.rdtype == RdataType.RRSIG:
                signatures = self._signatures.setdefault((each.name, each.covers), [])
                signatures += [rdata for rdata in each if isinstance(rdata, RRSIG)]
            else:
                self.sets[each.name, each.rdtype] = each

    def signatures(self, rrset: dns.rrset.RRset) -> list[RRSIG]:
        """Those over these records."""
        return self._signatures.get((rrset.name, rrset.rdtype), [])

    def signer(self, name: dns.name.Name) -> dns.name.Name | None:
        """The zone at or above the name that something here is said to be signed by."""
        signers = (each.signer for signatures in self._signatures.values() for each in signatures)
        return max((each for each in signers if name.is_subdomain(each)), key=len, default=None)


class Chain:
    """Says what is secure. now: seconds since the epoch, which signatures are held against."""

    def __init__(self, fetch: Fetch, anchors: Anchors, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._anchors = anchors
        self._now = now
        self._steps: OrderedDict[dns.name.Name, Step] = OrderedDict()

    async def is_secure(self, name: dns.name.Name, kind: RdataType, response: dns.message.Message) -> bool:
        """Whether all of an answer is signed by whom it should be.

        False: it is shown that some of it is not. DnsBogus: neither. DnsTrouble, NoSignatures.
        """
        work, secure = Work(), True
        answer, authority = Records(response.answer), Records(response.authority)
        for _ in range(MOST_ALIASES):
            found = answer.sets.get((name, kind))
            alias = answer.sets.get((name, RdataType.CNAME))
            if found is not None:
                return await self._holds(found, answer, authority, work) and secure
            if alias is None:
                return await self._is_missing(name, kind, response.rcode(), authority, work) and secure
            target = alias[0]
            assert isinstance(target, CNAME)
            made_of = _dname(alias, answer)
            secure = await self._holds(made_of or alias, answer, authority, work) and secure
            name = target.target
        raise DnsBogus(f"{name} is one alias too many")

    async def _holds(self, rrset: dns.rrset.RRset, records: Records, authority: Records, work: Work) -> bool:
        """Whether the zone of these records signs; DnsBogus if it does and they are not signed."""
        name = rrset.name
        at = name.parent() if rrset.rdtype == RdataType.DS and name != dns.name.root else name
        signatures = records.signatures(rrset)
        signer = max(
            (each.signer for each in signatures if at.is_subdomain(each.signer)), key=len, default=None
        )
        zone = await self._zone(at, signer, work)
        if zone is None:
            return False
        signature = verify(rrset, signatures, zone, self._now(), work)
        if signature.labels < len(name) - 1 - name.is_wild():
            shown = self._denial(authority, zone, work).no_closer(name, signature.labels)
            if shown is Shown.NOT:
                raise DnsBogus(f"{name} is made of a wildcard, and may be there itself")
            return shown is Shown.SECURE
        return True

    async def _is_missing(
        self, name: dns.name.Name, kind: RdataType, rcode: Rcode, authority: Records, work: Work
    ) -> bool:
        """Whether it is shown that there are no such records; DnsBogus if the zone should have shown it."""
        at = name.parent() if kind == RdataType.DS and name != dns.name.root else name
        signer = authority.signer(at)
        zone = await self._zone(at, signer, work)
        if zone is None:
            return False
        denial = self._denial(authority, zone, work)
        shown = denial.no_name(name) if rcode == Rcode.NXDOMAIN else denial.nothing_of(name, kind)
        if shown is Shown.NOT:
            raise DnsBogus(f"{zone.name} does not show that {name} has no {dns.rdatatype.to_text(kind)}")
        return shown is Shown.SECURE

    def _denial(self, records: Records, zone: Zone, work: Work) -> Denial:
        """What the zone's own records in there say is not; those that are not signed count for nothing."""
        plain: list[tuple[dns.name.Name, NSEC]] = []
        hashed: list[tuple[dns.name.Name, NSEC3]] = []
        for (owner, kind), rrset in records.sets.items():
            if kind not in (RdataType.NSEC, RdataType.NSEC3) or not owner.is_subdomain(zone.name):
                continue
            try:
                signature = verify(rrset, records.signatures(rrset), zone, self._now(), work)
            except DnsBogus:
                continue
            if signature.labels < len(owner) - 1 - owner.is_wild():
                continue  # made of a wildcard, it says nothing of its owner
            plain += [(owner, each) for each in rrset if isinstance(each, NSEC)]
            hashed += [(owner, each) for each in rrset if isinstance(each, NSEC3)]
        return denial(zone.name, plain, hashed)

    # -- zones --------------------------------------------------------------------------------------------

    async def _zone(self, name: dns.name.Name, signer: dns.name.Name | None, work: Work) -> Zone | None:
        """The zone that a name lies in; None if it is shown that nobody vouches for its keys.

        signer: the zone at or above the name that is said to have signed, if any; then nobody looks below it.
        """
        top = max((each for each in self._anchors if name.is_subdomain(each)), key=len, default=None)
        if top is None or not self._anchors[top]:
            return None
        if signer is not None and signer.is_subdomain(top):
            name = signer
        step = self._known(top) or await self._top(top, work)
        for length in range(len(top) + 1, len(name) + 1):
            if step.zone is None or step.is_last:
                break
            child = name.split(length)[1]
            step = self._known(child) or await self._down(step, step.zone, child, work)
        return step.zone

    async def _top(self, name: dns.name.Name, work: Work) -> Step:
        known = usable(self._anchors[name])
        return self._keep(name, await self._keys(name, known, work) if known else None, LONGEST)

    async def _down(self, above: Step, zone: Zone, child: dns.name.Name, work: Work) -> Step:
        """The step to a name one label below: another zone, an unsigned one, or the same."""
        work.question()
        response = await self._fetch(child, RdataType.DS)
        answer, authority = Records(response.answer), Records(response.authority)
        found = answer.sets.get((child, RdataType.DS))
        lasting = above.expires - self._now()
        if found is not None:
            verify(found, answer.signatures(found), zone, self._now(), work)
            known = usable(each for each in found if isinstance(each, DS))
            fresh = await self._keys(child, known, work) if known else None
            return self._keep(child, fresh, min(lasting, found.ttl))
        lasting = min([lasting, *(each.ttl for each in response.authority)])
        if (child, RdataType.CNAME) not in answer.sets and self._denial(authority, zone, work).unsigned(
            child
        ):
            return self._keep(child, None, lasting)
        # Whoever has only made us believe that no zone begins here must now sign as the one above.
        return self._keep(child, zone, lasting, is_last=response.rcode() == Rcode.NXDOMAIN)

    async def _keys(self, name: dns.name.Name, known: list[DS], work: Work) -> Zone:
        work.question()
        response = await self._fetch(name, RdataType.DNSKEY)
        answer = Records(response.answer)
        keys = answer.sets.get((name, RdataType.DNSKEY))
        signatures = [] if keys is None else answer.signatures(keys)
        if name in self._anchors and not signatures:
            raise NoSignatures
        if keys is None:
            raise DnsBogus(f"{name} has no keys, and {name.parent()} says that it has")
        return signed_zone(keys, signatures, known, self._now(), work)

    def _known(self, name: dns.name.Name) -> Step | None:
        step = self._steps.get(name)
        if step is None or step.expires <= self._now():
            return None
        self._steps.move_to_end(name)
        return step

    def _keep(self, name: dns.name.Name, zone: Zone | None, seconds: float, *, is_last: bool = False) -> Step:
        lasting = min(seconds, LONGEST, zone.keys.ttl if zone is not None else LONGEST)
        step = self._steps[name] = Step(zone, self._now() + max(lasting, 1.0), is_last)
        self._steps.move_to_end(name)
        if len(self._steps) > MOST_ZONES:
            self._steps.popitem(last=False)
        return step


def _dname(alias: dns.rrset.RRset, records: Records) -> dns.rrset.RRset | None:
    """The DNAME record that an alias follows from; such an alias is not signed itself (RFC 6672 §5.3.1)."""
    for (owner, kind), rrset in records.sets.items():
        if kind == RdataType.DNAME and alias.name.is_subdomain(owner) and alias.name != owner:
            target = rrset[0]
            assert isinstance(target, DNAME)
            if alias.name.relativize(owner) + target.target == alias[0].target:
                return rrset
    return None
