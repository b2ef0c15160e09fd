"""Keys that are believed without being signed by anybody, as DS records by the name of their zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.DS import DS

Anchors: TypeAlias = Mapping[dns.name.Name, Sequence[DS]]
"""Zone → its keys. No keys at all: what is below that name counts as unsigned (RFC 7646)."""

ROOT: Final = (
    # IANA, https://data.iana.org/root-anchors/root-anchors.xml, KSK-2017 and KSK-2024.
    ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
)


def parse_anchor(text: str) -> tuple[dns.name.Name, DS]:
    """A line such as `example.org. DS 12345 13 2 0123…`. ValueError."""
    owner, *words = text.split()
    data = " ".join(words[2:] if words[:1] in (["IN"], ["in"]) else words[1:])
    try:
        record = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DS, data)
        name = dns.name.from_text(owner)
    except dns.exception.DNSException as error:
        raise ValueError(f"{text} is no DS record: {error}") from error
    assert isinstance(record, DS)
    return name, record


def anchors(lines: Sequence[str] = (), unsigned: Sequence[str] = ()) -> Anchors:
    """Those of the root, and those of these lines, which replace what is known of their zones.

    unsigned: names below which nothing is validated. ValueError.
    """
    said: dict[dns.name.Name, list[DS]] = {}
    for name, record in map(parse_anchor, lines):
        said.setdefault(name, []).append(record)
    known: dict[dns.name.Name, Sequence[DS]] = {
        dns.name.root: tuple(record for _, record in map(parse_anchor, ROOT))
    }
    return MappingProxyType(known | said | {dns.name.from_text(name): () for name in unsigned})
