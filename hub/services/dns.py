"""What DNS says, for whoever asks: one cache and one idea of whom to believe, per process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dns.rdata import Rdata


class DnsTrouble(Exception):
    """Nobody answers, or not with an answer: nothing is known, and asking later may help."""


class DnsBogus(DnsTrouble):
    """There is an answer, and the owner of the name should have signed it and has not (RFC 4033 §5)."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What there is of one type at one name.

    name: where the records lie, in lower case without the last dot, which after a CNAME is another than was
    asked. records: dnspython's, in the order they came; none if there are none. exists: whether there is such
    a name at all. secure: that all this is so was shown by DNSSEC, to us or to a resolver that is trusted.
    """

    name: str
    records: Sequence[Rdata]
    exists: bool = True
    secure: bool = False


class Dns(Protocol):
    """Asks the resolvers of `[dns]`, or the system's."""

    async def query(self, name: str, kind: str) -> DnsAnswer:
        """Records of a type (`"MX"`) at a name, which is never completed by a search list.

        DnsTrouble if nobody says, DnsBogus if what is said is forged; ValueError for what is no name
        (RFC 1035 §2.3.4) or no type.
        """
