"""Whether DNS has what a domain needs, and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from hub.cli.dns_records import written
from hub.mail.dnsrecord import DnsRecord
from hub.services.dns import Dns, DnsTrouble

Status: TypeAlias = Literal["ok", "missing", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One record. remark: what is there instead, and what to do; empty for what is well."""

    record: DnsRecord
    status: Status
    remark: str = ""

    @property
    def fails(self) -> bool:
        """Whether mail suffers: a wrong record does more harm than a missing one."""
        return self.status != "ok" and not (self.record.optional and self.status == "missing")


async def check_records(dns: Dns, records: Sequence[DnsRecord]) -> Sequence[Checked]:
    """Ask for all at once; what came of each, in their order."""
    return await asyncio.gather(*(_check(dns, record) for record in records))


async def check_host(dns: Dns, host: str) -> Checked:
    """Whether the exchanger has an address at all."""
    record = DnsRecord(host, "A", "its address", "the hub itself")
    try:
        found = [each for kind in ("A", "AAAA") for each in (await dns.query(host, kind)).records]
    except (DnsTrouble, ValueError) as error:
        return Checked(record, "unknown", str(error))
    if found:
        return Checked(record, "ok")
    return Checked(
        record, "missing", f"give {host} an A or AAAA record, or set hub.hostname to a name that has"
    )


async def _check(dns: Dns, record: DnsRecord) -> Checked:
    # Of a name that leads to a web server only this counts, however it gets there.
    kind = "A" if record.kind == "CNAME" else record.kind
    try:
        answer = await dns.query(record.name, kind)
    except (DnsTrouble, ValueError) as error:
        return Checked(record, "unknown", f"{error}; ask again later")
    line = f"{record.name}. {record.kind} {written(record)}"
    if record.kind == "CNAME":
        return Checked(record, "ok") if answer.records else Checked(record, "missing", f"add {line}")
    if record.kind == "TXT":
        return _check_text(record, [_text(each) for each in answer.records], line)
    if not answer.records:
        return Checked(record, "missing", f"add {line}")
    if record.kind == "MX":
        names = [str(getattr(each, "exchange", "")).lower() for each in answer.records]
        there = record.data.partition(" ")[2] in names
    else:
        wanted = dns_record(record)
        there = wanted in answer.records
        names = [str(each) for each in answer.records]
    if there:
        return Checked(record, "ok")
    return Checked(record, "wrong", f"there is {', '.join(names)[:200]}; add {line}")


def _check_text(record: DnsRecord, texts: Sequence[str], line: str) -> Checked:
    if not record.begins:
        wanted = "".join(record.data.split())
        if wanted in ("".join(text.split()) for text in texts):
            return Checked(record, "ok")
        if not texts:
            return Checked(record, "missing", f"add {line}")
        return Checked(record, "wrong", f"there is {texts[0][:80]!r}; it should be {line}")
    mine = [text for text in texts if text.startswith(record.begins)]
    if len(mine) > 1:
        return Checked(record, "wrong", f"there are {len(mine)} that begin with {record.begins}: keep one")
    if not mine:
        return Checked(record, "missing", f"add {line}")
    if record.begins == "v=spf1" and mine[0].split()[-1] in ("+all", "all", "?all"):
        return Checked(record, "wrong", f"{mine[0]!r} lets everybody send; end it with -all or ~all")
    return Checked(record, "ok")


def dns_record(record: DnsRecord) -> dns.rdata.Rdata:
    """The record as dnspython compares it."""
    kind = dns.rdatatype.from_text(record.kind)
    return dns.rdata.from_text(dns.rdataclass.IN, kind, written(record))


def _text(record: dns.rdata.Rdata) -> str:
    return b"".join(getattr(record, "strings", ())).decode("utf-8", "replace")
