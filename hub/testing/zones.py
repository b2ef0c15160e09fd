"""DNS in memory, for tests and examples: records as a zone file has them.

Zones({"example.org": ["MX 10 mx.example.org."], "mx.example.org": ["A 192.0.2.1"]})
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from hub.services.dns import DnsAnswer, DnsTrouble

MAX_ALIASES: Final = 8


class Zones:
    """A `Dns` that knows these names and no others.

    records: name → `TYPE data`, or what dnspython made of it. troubled: nobody answers for these. `asked` is
    every question so far.
    """

    def __init__(
        self, records: Mapping[str, Sequence[str | dns.rdata.Rdata]], troubled: Collection[str] = ()
    ) -> None:
        self._records = {_key(name): [_record(each) for each in found] for name, found in records.items()}
        self._troubled = {_key(name) for name in troubled}
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, kind: str) -> DnsAnswer:
        """Answer as a resolver does, CNAME included."""
        self.asked.append((name, kind))
        try:
            key, rdtype = _key(name), dns.rdatatype.from_text(kind)
        except dns.exception.DNSException as error:
            raise ValueError(f"{name} {kind} cannot be asked for: {error}") from error
        for _ in range(MAX_ALIASES):
            found = self._records.get(key, [])
            records = [each for each in found if each.rdtype == rdtype]
            alias = next((each for each in found if each.rdtype == dns.rdatatype.CNAME), None)
            if not records and key in self._troubled:
                raise DnsTrouble(f"nobody answers for {key}")
            if records or alias is None:
                exists = bool(found) or any(each.endswith(f".{key}") for each in self._records)
                return DnsAnswer(key, records, exists=exists)
            key = _key(str(getattr(alias, "target", "")))
        raise DnsTrouble(f"{name} is an alias of itself")


def _key(name: str) -> str:
    return dns.name.from_text(name).to_text(omit_final_dot=True).lower()


def _record(record: str | dns.rdata.Rdata) -> dns.rdata.Rdata:
    if not isinstance(record, str):
        return record
    kind, _, data = record.partition(" ")
    return dns.rdata.from_text(dns.rdataclass.IN, kind, data)
