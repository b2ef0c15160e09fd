"""SPF against the two public test suites, of RFC 7208 and of RFC 4408, as pyspf ships them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
import yaml
from dns.rdtypes.ANY.TXT import TXT

from hub.mail.address import Address
from hub.mailauth.spf import check_spf
from hub.testing.zones import Zones
from tests.peers.sdists import unpacked

SUITES: Final = ("rfc7208", "rfc4408")
DISAGREEMENTS: Final[Mapping[tuple[str, str], str]] = {}
"""Test → why another result is right."""


@dataclass(frozen=True)
class Case:
    """One test of a suite."""

    suite: str
    name: str
    wanted: Mapping[str, object]
    zone: Mapping[str, Sequence[object]]

    @property
    def results(self) -> Sequence[str]:
        found = self.wanted["result"]
        return [found] if isinstance(found, str) else list(found)  # type: ignore[call-overload]


def cases(suite: str) -> Iterator[Case]:
    folder = unpacked("pyspf", "2.0.14", "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186")
    for part in yaml.load_all((folder / "test" / f"{suite}-tests.yml").read_bytes(), yaml.SafeLoader):
        for name, wanted in part["tests"].items():
            yield Case(suite, name, wanted, part["zonedata"])


def zones(data: Mapping[str, Sequence[object]]) -> Zones:
    """A zone as the suites write it: SPF stands for TXT too, unless there is a TXT."""
    records: dict[str, list[str | dns.rdata.Rdata]] = {}
    troubled = [name for name, found in data.items() if "TIMEOUT" in found]
    for name, found in data.items():
        pairs = [pair for each in found if isinstance(each, dict) for pair in each.items()]
        kinds = {kind for kind, _ in pairs}
        key = dns.name.from_text(name).to_text()
        records[key] = [
            _record("TXT" if kind == "SPF" else kind, value)
            for kind, value in pairs
            if value != "NONE" and not (kind == "SPF" and "TXT" in kinds)
        ]
    return Zones(records, troubled)


def _record(kind: str, value: object) -> dns.rdata.Rdata:
    if kind == "TXT":
        texts = [value] if isinstance(value, str) else value
        octets = [text.encode("latin-1") for text in texts]  # type: ignore[attr-defined]
        pieces = [text[at : at + 255] for text in octets for at in range(0, len(text), 255)] or [b""]
        return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, pieces)
    if kind == "MX":
        assert isinstance(value, list)
        value = f"{value[0]} {str(value[1]).rstrip('.')}."
    elif kind in ("PTR", "CNAME"):
        value = f"{str(value).rstrip('.')}."
    return dns.rdata.from_text(dns.rdataclass.IN, kind, str(value))


def sender(text: str) -> Address | None:
    local, _, domain = text.rpartition("@")
    return Address(local, domain) if text else None


@pytest.mark.proves("mail authentication: SPF passes the public test suites of RFC 7208 and RFC 4408")
@pytest.mark.parametrize("suite", SUITES)
async def test_the_suite_agrees(suite: str) -> None:
    different = {}
    for case in cases(suite):
        ip = ipaddress.ip_address(str(case.wanted["host"]))
        found = await check_spf(
            zones(case.zone), ip, sender(str(case.wanted["mailfrom"])), str(case.wanted["helo"])
        )
        explanation = case.wanted.get("explanation", "DEFAULT")
        if found.result not in case.results:
            different[suite, case.name] = f"{found.result} ({found.reason}), not {case.results}"
        elif found.result == "fail" and "explanation" in case.wanted:
            said = found.explanation or "DEFAULT"
            if said.lower() != str(explanation).lower():
                different[suite, case.name] = f"{said!r}, not {explanation!r}"
    surprises = {key: what for key, what in different.items() if key not in DISAGREEMENTS}
    assert surprises == {}
    assert {key for key in DISAGREEMENTS if key[0] == suite} <= different.keys(), "they agree now"
