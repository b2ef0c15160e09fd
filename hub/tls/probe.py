"""What a server's TLS is like, seen by a client that tries everything; its certificates, or those of a file.

    one handshake that looks at the certificate ─► one per version ─► one per cipher ─► two for tickets ─► DNS

Nothing that is wrong ends it: what was shown is judged here.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from hub.services.dns import Dns, DnsTrouble
from hub.tls.chain import Fault, Roots, faults, is_for, key_kind, names, read, subject, system_roots
from hub.tls.naming import TLS_1_2, TLS_1_3, VERSIONS
from hub.tls.ocsp import OcspError, judge, subject_of
from hub.tls.visit import OLDEST, Seen, Target, Tell, accepted, resumes, visit

_WORST_FIRST: Final = ("error", "warning", "hint")
_BROKEN: Final = ("NULL", "RC4", "DES", "EXP", "MD5", "ADH", "AECDH", "SEED", "IDEA")


@dataclass(frozen=True, slots=True)
class Report:
    """facts: label → what was found, in words. faults: worst first. certificates: PEM, as they were shown."""

    facts: Mapping[str, str]
    faults: Sequence[Fault]
    certificates: Sequence[str] = field(default=())

    @property
    def is_faulty(self) -> bool:
        """Whether somebody has to do something."""
        return any(fault.severity != "hint" for fault in self.faults)

    def plain(self) -> dict[str, object]:
        """For JSON."""
        found = [asdict(fault) for fault in self.faults]
        certificates = list(self.certificates)
        return {
            "ok": not self.is_faulty,
            "facts": dict(self.facts),
            "faults": found,
            "certificates": certificates,
        }


def probe_file(content: bytes, name: str | None, trust: Path | None, now: float) -> Report:
    """The certificates in a PEM file, and the key if it is in there too."""
    key = content if b"PRIVATE KEY-----" in content else None
    found = list(faults(content, key, now, roots=_roots(trust)))
    if any(fault.kind == "unreadable" for fault in found):
        return Report({}, found)
    chain = read(content)
    return _report(_certified(chain, now), [*found, *_misnamed(chain[0], name)], chain)


async def probe(
    target: Target, *, name: str | None, trust: Path | None, dns: Dns, now: float, tell: Tell
) -> Report:
    """A server. name: that its certificate has to be for, by default the host. tell: what is tried now.

    OSError if nobody answers; what goes wrong later is a fault.
    """
    host = name or target.host
    asked = None if _is_address(host) else host
    try:
        seen, facts, found = await asyncio.to_thread(_look, target, asked, tell)
    except SSL.Error as error:
        what = f"no handshake succeeds: {_said(error)}"
        return Report({}, [Fault("handshake", "error", what, "look into its log; of a hub: hub tls explain")])
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in seen.chain)
    found += faults(pem, None, now, roots=_roots(trust))
    found += _misnamed(seen.chain[0], host)
    staple, more = _staple(seen, pem, now)
    tell("DNS")
    said, dane = await published(target, dns, seen.chain)
    begins = "TLS at once" if target.starttls == "none" else f"STARTTLS ({target.starttls})"
    facts = {
        "server": f"{target}, {begins}",
        **_certified(seen.chain, now),
        **facts,
        "OCSP staple": staple,
        **said,
    }
    return _report(facts, [*found, *more, *dane], seen.chain)


def _look(target: Target, name: str | None, tell: Tell) -> tuple[Seen, dict[str, str], list[Fault]]:
    """Everything that takes a connection. SSL.Error, OSError."""
    tell("certificate")
    seen = visit(target, name)
    taken, ciphers = [], []
    for version in range(OLDEST, TLS_1_3 + 1):
        tell(VERSIONS[version])
        try:
            agreed = visit(target, name, least=version, most=version)
        except (SSL.Error, OSError):
            continue
        taken.append(version)
        ciphers += [agreed.cipher] if version == TLS_1_3 else accepted(target, name, version, tell)
    tell("tickets")
    newest = ssl.TLSVersion.TLSv1_2 if TLS_1_2 in taken else ssl.TLSVersion.TLSv1_3
    try:
        again = "yes" if resumes(target, name, newest) else "no"
    except OSError as error:
        again = f"not known: {error.strerror or error}"
    ciphers = list(dict.fromkeys(ciphers))
    facts = {
        "versions": ", ".join(VERSIONS[each] for each in taken),
        "agreed": f"{seen.version}, {seen.cipher}",
        "ciphers": ", ".join(ciphers),
        "resumption": again,
    }
    return seen, facts, [*_of_versions(taken), *_of_ciphers(ciphers)]


def _of_versions(taken: Sequence[int]) -> Iterator[Fault]:
    old = [VERSIONS[each] for each in taken if each < TLS_1_2]
    if old:
        what = f"it speaks {' and '.join(old)}, which are broken (RFC 8996)"
        yield Fault("old-version", "warning", what, "take nothing before TLS 1.2")
    if TLS_1_3 not in taken:
        yield Fault("no-tls-1.3", "hint", "it does not speak TLS 1.3", "let it")


def _of_ciphers(found: Sequence[str]) -> Iterator[Fault]:
    broken = [each for each in found if any(part in each for part in _BROKEN)]
    if broken:
        what = f"it takes ciphers that are broken: {', '.join(broken)}"
        yield Fault("broken-cipher", "error", what, "leave them out of its list")
    old = [each for each in found if each not in broken and not each.startswith(("ECDHE-", "DHE-", "TLS_"))]
    if old:
        what = f"it takes ciphers without forward secrecy: {', '.join(old)}"
        yield Fault("no-forward-secrecy", "warning", what, "take only ECDHE (RFC 9325 §4.1)")


def _staple(seen: Seen, pem: bytes, now: float) -> tuple[str, list[Fault]]:
    about = subject_of(pem)
    if not seen.staple:
        return ("none" if about else "none; the certificate names nobody who gives one"), []
    if about is None:
        return "there is one that cannot be judged without the issuer", []
    try:
        judged = judge(about, seen.staple, datetime.fromtimestamp(now, UTC))
    except OcspError as error:
        return "bad", [Fault("staple", "error", f"the stapled response is bad: {error}", "fetch a new one")]
    return f"good, until {judged.until:%Y-%m-%d %H:%M} UTC", []


async def published(
    target: Target, dns: Dns, chain: Sequence[x509.Certificate]
) -> tuple[dict[str, str], list[Fault]]:
    """What DNS says about the server: DANE (RFC 7672) and MTA-STS (RFC 8461 §3.1)."""
    if _is_address(target.host):
        return {}, []
    try:
        tlsa = await dns.query(f"_{target.port}._tcp.{target.host}", "TLSA")
        domains = (target.host, target.host.partition(".")[2])
        sts = [each for each in domains if each and (await dns.query(f"_mta-sts.{each}", "TXT")).records]
    except (DnsTrouble, ValueError) as error:
        return {"DNS": f"not known: {error}"}, []
    facts = {"MTA-STS": f"published for {', '.join(sts)}"} if sts else {}
    if not tlsa.records:
        return {"DANE": "no TLSA record", **facts}, []
    fits = any(_fits(record, chain) for record in tlsa.records)
    signed = "" if tlsa.secure else ", in a zone that is not signed, which counts for nothing"
    facts["DANE"] = f"{len(tlsa.records)} TLSA records, {'one fits' if fits else 'none fits'}{signed}"
    what = "no TLSA record fits what the server shows: who looks at DANE sends it no mail"
    bad = [Fault("dane", "error", what, "publish 3 1 1 of its key")] if not fits and tlsa.secure else []
    return facts, bad


def _fits(record: object, chain: Sequence[x509.Certificate]) -> bool:
    """RFC 6698 §2.1: usage 1 and 3 are about the server's own certificate, 0 and 2 about an issuer's."""
    usage, selector = getattr(record, "usage", 0), getattr(record, "selector", 0)
    kind, wanted = getattr(record, "mtype", 0), getattr(record, "cert", b"")
    for each in chain[:1] if usage in (1, 3) else chain[1:]:
        spki = each.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        octets = spki if selector else each.public_bytes(Encoding.DER)
        hashed = {1: hashlib.sha256, 2: hashlib.sha512}.get(kind)
        if (hashed(octets).digest() if hashed else octets) == wanted:
            return True
    return False


def _certified(chain: Sequence[x509.Certificate], now: float) -> dict[str, str]:
    leaf = chain[0]
    until = leaf.not_valid_after_utc
    days = (until - datetime.fromtimestamp(now, UTC)).days
    return {
        "names": ", ".join(names(leaf)) or "none",
        "key": key_kind(leaf),
        "chain": " ← ".join(subject(each) for each in chain),
        "expires": f"{until:%Y-%m-%d}, in {days} days" if days >= 0 else f"{until:%Y-%m-%d}",
    }


def _misnamed(leaf: x509.Certificate, name: str | None) -> Iterator[Fault]:
    if name and names(leaf) and not is_for(leaf, name):
        what = f"it is not for {name}, but for {', '.join(names(leaf))}"
        yield Fault("name", "error", what, "have one issued for it, or connect by such a name")


def _report(facts: dict[str, str], found: list[Fault], chain: Sequence[x509.Certificate]) -> Report:
    found.sort(key=lambda fault: _WORST_FIRST.index(fault.severity))
    return Report(facts, found, [each.public_bytes(Encoding.PEM).decode("ascii") for each in chain])


def _roots(trust: Path | None) -> Roots:
    """This system's, and those of a file. OSError, ValueError."""
    return partial(_with, read(trust.read_bytes())) if trust is not None else system_roots


def _with(more: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    return [*more, *system_roots()]


def _said(error: SSL.Error) -> str:
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(each[2]) for each in reasons) or type(error).__name__


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
