"""Whether a client's address and its name in DNS know each other (RFC 8601 §3).

address ──PTR──► at most ten names ──A or AAAA──► those that lead back to the address are confirmed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dns import reversename
from dns.rdata import Rdata

from hub.mailauth.results import AuthResult
from hub.mailauth.spf_record import Ip
from hub.services.dns import Dns, DnsTrouble

MAX_NAMES: Final = 10
"""So many names of one address are looked up (RFC 7208 §4.6.4)."""


@dataclass(frozen=True, slots=True)
class Reverse:
    """What DNS calls an address: the names that lead back to it, those that do not, and who did not answer.

    Names are in lower case, without a dot at the end, in the order that DNS gave.
    """

    address: str
    confirmed: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def result(self) -> str:
        """`pass`, `fail`, `temperror` or, without any name, `permerror` (RFC 8601 §2.7.3)."""
        if self.confirmed:
            return "pass"
        if self.trouble:
            return "temperror"
        return "fail" if self.claimed else "permerror"

    def auth_result(self) -> AuthResult:
        """For Authentication-Results; a name that is not confirmed is the client's own word, and left out."""
        properties = [("policy", "iprev", self.address)]
        return AuthResult("iprev", self.result, ", ".join(self.confirmed[:1]), properties)


async def check_iprev(dns: Dns, ip: Ip, say: Callable[[str], None] = lambda _: None) -> Reverse:
    """Look up the names of an address and their addresses. say: is told of each step."""
    name = str(reversename.from_address(str(ip))).removesuffix(".")
    try:
        answer = await dns.query(name, "PTR")
    except DnsTrouble as error:
        say(f"{name} PTR: {error}")
        return Reverse(str(ip), trouble=str(error))
    names = [record_name(record) for record in answer.records if hasattr(record, "target")][:MAX_NAMES]
    say(f"{name} PTR: {', '.join(names) or 'nothing'}")
    found = await asyncio.gather(*(_leads_back(dns, each, ip, say) for each in names))
    return Reverse(
        str(ip),
        tuple(each for each, how in zip(names, found, strict=True) if how is True),
        tuple(each for each, how in zip(names, found, strict=True) if how is False),
        next((how for how in found if isinstance(how, str)), ""),
    )


async def _leads_back(dns: Dns, name: str, ip: Ip, say: Callable[[str], None]) -> bool | str:
    kind = "A" if ip.version == 4 else "AAAA"
    try:
        answer = await dns.query(name, kind)
    except DnsTrouble as error:
        say(f"{name} {kind}: {error}")
        return str(error) or "no answer"
    except ValueError:
        return False
    addresses = [str(record_address(record)) for record in answer.records]
    say(f"{name} {kind}: {', '.join(addresses) or 'nothing'}")
    return str(ip) in addresses


def record_name(record: Rdata) -> str:
    """The domain that a PTR or MX record leads to, in lower case, without the last dot."""
    target = getattr(record, "target", None) or getattr(record, "exchange", None)
    return "" if target is None else str(target.to_text(omit_final_dot=True)).lower()


def record_address(record: Rdata) -> str:
    """The address of an A or AAAA record as `ipaddress` writes it."""
    return str(getattr(record, "address", ""))
