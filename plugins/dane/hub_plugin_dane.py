"""DANE for SMTP (RFC 7672): which certificate a server has to show lies in its signed zone, as TLSA records.

    MX of the domain, signed ──► address of the server, signed ──► _25._tcp.server TLSA, signed ──► a policy

Where one of them is not signed DANE says nothing, and the next plugin is asked; where it should be signed and
is not, or nobody answers, the server is given no mail.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TLSA import TLSA
from pydantic import BaseModel, ConfigDict, Field

from hub import DnsAnswer, DnsTrouble, Plugin, Tlsa, TlsFault, TlsPolicy, hookimpl

MOST_RECORDS: Final = 20


class Settings(BaseModel):
    """[plugins.dane]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enforce: bool = Field(
        default=True,
        description="Whether mail waits for a server that fails; without it, it is only counted.",
    )


@hookimpl(tryfirst=True)  # RFC 8461 §2: MTA-STS must not take the place of a DANE that fails
async def resolve_tls_policy(plugin: Plugin, domain: str | None, host: str, port: int) -> TlsPolicy | None:
    """What the TLSA records of a server demand; None where DNSSEC does not vouch for all that leads there."""
    if domain is None and _is_address(host):
        return None
    enforced = plugin.settings(Settings).enforce
    try:
        names = [host] if domain is None else await _exchanger(plugin, domain, host)
        if not names:
            return None
        base, records = await _records(plugin, host, port)
    except DnsTrouble as trouble:
        fault = TlsFault("dnssec-invalid", f"DNS does not say which certificate it has: {trouble}")
        return TlsPolicy("tlsa", domain or host, "nothing", enforced=enforced, fault=fault)
    if not records:
        return None
    usable = tuple(each for each in records if each.is_usable)
    return TlsPolicy(
        "tlsa",
        domain or host,
        "tlsa" if usable else "nothing",  # RFC 7672 §2.2: encrypted all the same
        names=tuple(dict.fromkeys((base, *names))),
        tlsa=usable,
        enforced=enforced,
        lines=tuple(f"{each.usage} {each.selector} {each.matching} {each.data.hex()}" for each in records),
    )


async def _exchanger(plugin: Plugin, domain: str, host: str) -> list[str]:
    """The names that the certificate of the domain's server may have; none if it is not surely its server."""
    found = await plugin.dns.query(domain, "MX")
    if not found.secure:
        return []
    exchangers = [each for each in found.records if isinstance(each, MX)]
    own = [each.exchange.to_text(omit_final_dot=True).lower() for each in exchangers] or [found.name]
    return [host, domain, found.name] if host in own or host == domain else []


async def _records(plugin: Plugin, host: str, port: int) -> tuple[str, Sequence[Tlsa]]:
    """The TLSA records of a server, and the name that they lie at: its own, or where its alias leads."""
    addresses = await _addresses(plugin, host)
    # RFC 7672 §2.2.2: an unsigned zone has no signed TLSA records, and is not asked for any.
    if not any(each.secure for each in addresses):
        return host, ()
    ends = {each.name for each in addresses if each.secure and each.records}
    for base in dict.fromkeys((*sorted(ends - {host}), host)):  # RFC 7671 §7
        found = await plugin.dns.query(f"_{port}._tcp.{base}", "TLSA")
        records = [each for each in found.records if isinstance(each, TLSA)]
        if found.secure and records:
            return base, [
                Tlsa(each.usage, each.selector, each.mtype, each.cert) for each in records[:MOST_RECORDS]
            ]
    return host, ()


async def _addresses(plugin: Plugin, host: str) -> list[DnsAnswer]:
    return await asyncio.gather(*(plugin.dns.query(host, kind) for kind in ("A", "AAAA")))


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
