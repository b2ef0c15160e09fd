"""What there is not, shown by the gaps between what there is (RFC 4035 §5.4, RFC 5155 §8)."""

from __future__ import annotations

import base64
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import dns.dnssec
import dns.name
import dns.rdatatype
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3

MOST_ITERATIONS: Final = 50
"""Of NSEC3's hash: a zone with more counts as unsigned (RFC 9276 §3.2)."""
_WILDCARD: Final = dns.name.Name([b"*"])


class Shown(enum.Enum):
    """How sure it is that something is not there."""

    NOT = "nothing shows it"
    UNSIGNED = "it may be there, unsigned"  # opted out (RFC 5155 §6), or hashed too often
    SECURE = "it is not there"


class Denial(Protocol):
    """Records of one zone, their signatures checked, and what follows from them."""

    def nothing_of(self, name: dns.name.Name, kind: RdataType) -> Shown:
        """That the name has no records of that type, its own or a wildcard's."""

    def no_name(self, name: dns.name.Name) -> Shown:
        """That there is no such name and no wildcard for it."""

    def no_closer(self, name: dns.name.Name, labels: int) -> Shown:
        """That a wildcard below the name's last labels speaks for it: there is nothing closer to it."""

    def unsigned(self, child: dns.name.Name) -> bool:
        """That a zone begins at that name whose keys nobody vouches for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A NSEC record. types: what there is at its owner."""

    owner: dns.name.Name
    next: dns.name.Name
    types: frozenset[int]

    @property
    def is_delegation(self) -> bool:
        """Whether its owner is in the zone in name only."""
        return RdataType.NS in self.types and RdataType.SOA not in self.types

    def covers(self, name: dns.name.Name) -> bool:
        """Whether the name falls into it."""
        below = name.is_subdomain(self.owner)
        if below and (self.is_delegation or RdataType.DNAME in self.types):
            return False  # RFC 6840 §4.1: of what is below, this zone knows nothing
        is_last = not self.next > self.owner  # it leads back to the apex
        return bool(name > self.owner and (is_last or name < self.next))


class Plain:
    """NSEC."""

    def __init__(self, zone: dns.name.Name, gaps: Sequence[Gap]) -> None:
        self._zone = zone
        self._gaps = gaps

    def nothing_of(self, name: dns.name.Name, kind: RdataType) -> Shown:
        """A gap that begins there and lists no such type, or one around a name with others below it."""
        own = next((gap for gap in self._gaps if gap.owner == name), None)
        if own is not None:
            return _secure(_lacks(own.types, kind))
        around = self._around(name)
        if around is None:
            return Shown.NOT
        if around.next.is_subdomain(name):
            return Shown.SECURE  # an empty name
        wildcard = _WILDCARD + self._encloser(name, around)
        return _secure(any(gap.owner == wildcard and _lacks(gap.types, kind) for gap in self._gaps))

    def no_name(self, name: dns.name.Name) -> Shown:
        """A gap around the name and one around the wildcard."""
        around = self._around(name)
        if around is None or around.next.is_subdomain(name):
            return Shown.NOT
        wildcard = _WILDCARD + self._encloser(name, around)
        return _secure(self._around(wildcard) is not None)

    def no_closer(self, name: dns.name.Name, labels: int) -> Shown:
        """A gap around the name."""
        return _secure(self._around(name) is not None)

    def unsigned(self, child: dns.name.Name) -> bool:
        """A gap that begins at a delegation without DS."""
        return any(
            gap.owner == child and gap.is_delegation and RdataType.DS not in gap.types for gap in self._gaps
        )

    def _around(self, name: dns.name.Name) -> Gap | None:
        return next((gap for gap in self._gaps if gap.covers(name)), None)

    def _encloser(self, name: dns.name.Name, around: Gap) -> dns.name.Name:
        """The nearest name above it that there is."""
        shared = [name.fullcompare(each)[2] for each in (around.owner, around.next)]
        return name.split(max(*shared, len(self._zone)))[1]


@dataclass(frozen=True, slots=True)
class HashedGap:
    """A NSEC3 record."""

    owner: bytes
    next: bytes
    types: frozenset[int]
    opt_out: bool

    def covers(self, digest: bytes) -> bool:
        """Whether a hash falls into it."""
        if self.next > self.owner:
            return self.owner < digest < self.next
        return digest > self.owner or digest < self.next


class Hashed:
    """NSEC3, all with the same parameters."""

    def __init__(self, zone: dns.name.Name, gaps: Sequence[HashedGap], salt: bytes, iterations: int) -> None:
        self._zone = zone
        self._gaps = gaps
        self._salt = salt
        self._iterations = iterations
        self._digests: dict[dns.name.Name, bytes] = {}

    def nothing_of(self, name: dns.name.Name, kind: RdataType) -> Shown:
        """A record for the name without that type, or for the wildcard, or an opted-out gap for a DS."""
        own = self._at(name)
        if own is not None:
            return _secure(_lacks(own.types, kind))
        found = self._encloser(name)
        if found is None:
            return Shown.NOT
        encloser, gap = found
        wildcard = self._at(_WILDCARD + encloser)
        if wildcard is not None and _lacks(wildcard.types, kind):
            return Shown.UNSIGNED if gap.opt_out else Shown.SECURE
        return Shown.UNSIGNED if gap.opt_out else Shown.NOT

    def no_name(self, name: dns.name.Name) -> Shown:
        """The nearest name that there is, a gap around the next one down, and one around the wildcard."""
        found = self._encloser(name)
        if found is None or self._around(_WILDCARD + found[0]) is None:
            return Shown.NOT
        return Shown.UNSIGNED if found[1].opt_out else Shown.SECURE

    def no_closer(self, name: dns.name.Name, labels: int) -> Shown:
        """A gap around the name's ancestor of one label more."""
        gap = self._around(name.split(labels + 2)[1])
        if gap is None:
            return Shown.NOT
        return Shown.UNSIGNED if gap.opt_out else Shown.SECURE

    def unsigned(self, child: dns.name.Name) -> bool:
        """A delegation without DS, or a gap that may hold such delegations."""
        own = self._at(child)
        if own is not None:
            return RdataType.NS in own.types and not own.types & {RdataType.DS, RdataType.SOA}
        found = self._encloser(child)
        return found is not None and found[1].opt_out

    def _encloser(self, name: dns.name.Name) -> tuple[dns.name.Name, HashedGap] | None:
        """The nearest name above it that there is, and the gap around the next one down (RFC 5155 §8.3)."""
        for length in range(len(name) - 1, len(self._zone) - 1, -1):
            above = name.split(length)[1]
            found = self._at(above)
            if found is not None:
                if RdataType.DNAME in found.types:
                    return None
                if RdataType.NS in found.types and RdataType.SOA not in found.types:
                    return None
                gap = self._around(name.split(length + 1)[1])
                return None if gap is None else (above, gap)
        return None

    def _at(self, name: dns.name.Name) -> HashedGap | None:
        digest = self._digest(name)
        return next((gap for gap in self._gaps if gap.owner == digest), None)

    def _around(self, name: dns.name.Name) -> HashedGap | None:
        digest = self._digest(name)
        return next((gap for gap in self._gaps if gap.covers(digest)), None)

    def _digest(self, name: dns.name.Name) -> bytes:
        if name not in self._digests:
            text = dns.dnssec.nsec3_hash(name, self._salt, self._iterations, 1)
            self._digests[name] = base64.b32hexdecode(text)
        return self._digests[name]


class _Anything:
    """Hashed too often to be looked at: all may be there, unsigned."""

    def nothing_of(self, name: dns.name.Name, kind: RdataType) -> Shown:
        return Shown.UNSIGNED

    def no_name(self, name: dns.name.Name) -> Shown:
        return Shown.UNSIGNED

    def no_closer(self, name: dns.name.Name, labels: int) -> Shown:
        return Shown.UNSIGNED

    def unsigned(self, child: dns.name.Name) -> bool:
        return True


def denial(
    zone: dns.name.Name,
    plain: Iterable[tuple[dns.name.Name, NSEC]],
    hashed: Iterable[tuple[dns.name.Name, NSEC3]],
) -> Denial:
    """What these records of a zone, their signatures checked, say together."""
    known = [each for each in hashed if each[1].algorithm == 1 and each[0].parent() == zone]
    if not known:
        return Plain(zone, [Gap(owner, each.next, _types(each)) for owner, each in plain])
    salt, iterations = known[0][1].salt, known[0][1].iterations
    if iterations > MOST_ITERATIONS:
        return _Anything()
    gaps = [
        HashedGap(digest, each.next, _types(each), bool(each.flags & 1))
        for owner, each in known
        if (each.salt, each.iterations) == (salt, iterations) and (digest := _decoded(owner)) is not None
    ]
    return Hashed(zone, gaps, salt, iterations)


def _decoded(owner: dns.name.Name) -> bytes | None:
    try:
        return base64.b32hexdecode(owner.labels[0].upper())
    except ValueError:
        return None


def _lacks(types: frozenset[int], kind: RdataType) -> bool:
    """Whether what is listed for a name has neither that type nor leads elsewhere.

    Who is asked for DS is the parent, and for all else the child: a list of the other one says nothing.
    """
    if kind in types or RdataType.CNAME in types:
        return False
    is_delegation = RdataType.NS in types and RdataType.SOA not in types
    return RdataType.SOA not in types if kind == RdataType.DS else not is_delegation


def _secure(shown: bool) -> Shown:
    return Shown.SECURE if shown else Shown.NOT


def _types(record: NSEC | NSEC3) -> frozenset[int]:
    return frozenset(
        window * 256 + octet * 8 + bit
        for window, bitmap in record.windows
        for octet, bits in enumerate(bitmap)
        for bit in range(8)
        if bits & (0x80 >> bit)
    )
