"""Signatures over the records of one name, checked with the keys of a zone (RFC 4035 §5.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.dnssec
import dns.exception
import dns.name
import dns.rdataset
import dns.rrset
from dns.dnssectypes import Algorithm, DSDigest
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG

from hub.services.dns import DnsBogus, DnsTrouble

ALGORITHMS: Final = frozenset(
    {
        Algorithm.RSASHA256,
        Algorithm.RSASHA512,
        Algorithm.ECDSAP256SHA256,
        Algorithm.ECDSAP384SHA384,
        Algorithm.ED25519,
        Algorithm.ED448,
    }
)
"""A zone that is signed with others alone counts as unsigned (RFC 4035 §5.2), SHA-1 among them (RFC 9905)."""
DIGESTS: Final = frozenset({DSDigest.SHA256, DSDigest.SHA384})
MOST_KEYS: Final = 32
MOST_ALIKE: Final = 2
"""Keys of a zone with one tag: each of them would have to be tried for each signature that names it."""
MOST_SIGNATURES: Final = 8
"""Signatures over the same records that are tried."""
MOST_CHECKS: Final = 64
MOST_QUESTIONS: Final = 64
"""For one question: more work than that is an attack (CVE-2023-50387), or a name of too many labels."""


class Work:
    """What one question may cost, all in all."""

    def __init__(self) -> None:
        self._checks = self._questions = 0

    def check(self) -> None:
        """One signature more. DnsTrouble."""
        self._checks += 1
        if self._checks > MOST_CHECKS:
            raise DnsTrouble("there are too many signatures to check")

    def question(self) -> None:
        """One question more. DnsTrouble."""
        self._questions += 1
        if self._questions > MOST_QUESTIONS:
            raise DnsTrouble("there are too many zones above that name")


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone whose keys are known to be its own."""

    name: dns.name.Name
    keys: dns.rdataset.Rdataset


def usable(records: Iterable[DS]) -> list[DS]:
    """Those with an algorithm and a digest that are known here."""
    return [each for each in records if each.algorithm in ALGORITHMS and each.digest_type in DIGESTS]


def signed_zone(
    keys: dns.rrset.RRset, signatures: Iterable[RRSIG], known: Sequence[DS], now: float, work: Work
) -> Zone:
    """The zone with these DNSKEY records, of which one is known and has signed them all. DnsBogus."""
    zone = keys.name
    fit = [each for each in keys if isinstance(each, DNSKEY) and each.algorithm in ALGORITHMS]
    tags = Counter((each.algorithm, dns.dnssec.key_id(each)) for each in fit)
    if len(fit) > MOST_KEYS or max(tags.values(), default=0) > MOST_ALIKE:
        raise DnsBogus(f"{zone} has too many keys")
    signatures = list(signatures)
    for key in fit:
        if any(_is_of(record, zone, key) for record in known[:MOST_SIGNATURES]):
            try:
                verify(keys, signatures, Zone(zone, _rdataset(keys.ttl, [key])), now, work)
            except DnsBogus:
                continue
            return Zone(zone, _rdataset(keys.ttl, fit))
    raise DnsBogus(f"the keys of {zone} are signed by none that is known")


def verify(rrset: dns.rrset.RRset, signatures: Iterable[RRSIG], zone: Zone, now: float, work: Work) -> RRSIG:
    """The signature of that zone that holds for the records; DnsBogus if there is none."""
    trouble = "there is no signature"
    own = [each for each in signatures if each.signer == zone.name]
    for signature in own[:MOST_SIGNATURES]:
        work.check()
        try:
            dns.dnssec.validate_rrsig(rrset, signature, {zone.name: zone.keys}, None, now)
        except (dns.exception.DNSException, ValueError) as error:
            trouble = str(error) or type(error).__name__
            continue
        return signature
    kind = dns.rdatatype.to_text(rrset.rdtype)
    raise DnsBogus(f"{rrset.name} {kind} is not signed as {zone.name} would sign it: {trouble}")


def _is_of(record: DS, zone: dns.name.Name, key: DNSKEY) -> bool:
    if record.algorithm != key.algorithm or record.key_tag != dns.dnssec.key_id(key):
        return False
    made = dns.dnssec.make_ds(zone, key, DSDigest(record.digest_type), validating=True)
    return made.digest == record.digest


def _rdataset(ttl: int, keys: Sequence[DNSKEY]) -> dns.rdataset.Rdataset:
    return dns.rdataset.from_rdata_list(ttl, keys)
