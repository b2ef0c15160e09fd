"""May this client send mail for that domain? (RFC 7208 §4)

    MAIL FROM, or HELO if that is empty ──► TXT of its domain ──► mechanisms in order ──► the first match
                                                 ▲                 include, redirect
                                                 └─────────────────────────┘

What one evaluation may cost is bounded: ten terms that ask DNS, two answers without records, ten names of an
MX, and a time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from dns.rdata import Rdata

from hub.mail.address import Address, AddressError
from hub.mailauth.iprev import MAX_NAMES, Reverse, check_iprev, record_address, record_name
from hub.mailauth.results import AuthResult
from hub.mailauth.spf_macro import IN_EXPLANATIONS, MAX_NAME, MacroError, expand, target_name, uses
from hub.mailauth.spf_record import Ip, Mechanism, SpfRecord, SpfSyntaxError, is_spf, parse_record
from hub.services.dns import Dns, DnsTrouble

MAX_LOOKUPS: Final = 10
"""Terms of an evaluation, all records together, that ask DNS (RFC 7208 §4.6.4)."""
MAX_VOID: Final = 2
"""Answers without a record."""
MAX_SECONDS: Final = 20.0
_LABEL: Final = re.compile(r"[^.]{1,63}")


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What SPF says of one identity.

    result: `none`, `neutral`, `pass`, `fail`, `softfail`, `temperror` or `permerror` (§2.6). domain: whose
    record it was. mechanism: what has matched, as it was written. explanation: of the domain's owner, for
    who is refused (§6.2): a stranger's words, in ASCII.
    """

    result: str
    identity: Literal["mailfrom", "helo"]
    domain: str
    sender: str
    mechanism: str = ""
    reason: str = ""
    explanation: str = ""

    def auth_result(self) -> AuthResult:
        """For Authentication-Results (RFC 8601 §2.7.2)."""
        value = self.sender if self.identity == "mailfrom" else self.domain
        return AuthResult("spf", self.result, self.reason or self.mechanism, [("smtp", self.identity, value)])


async def check_spf(
    dns: Dns,
    ip: Ip,
    sender: Address | None,
    helo: str,
    *,
    receiver: str = "unknown",
    now: float = 0.0,
    seconds: float = MAX_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> SpfResult:
    """Evaluate the policy of the sender's domain, or of HELO's where the reverse-path is null (§2.4).

    receiver, now: for the macros of explanations. seconds: `temperror` if it takes longer. say: is told of
    each step, indented by how deep it is.
    """
    identity: Literal["mailfrom", "helo"] = "helo" if sender is None else "mailfrom"
    try:
        domain = (sender or Address("", helo)).ascii_domain.removesuffix(".")
    except AddressError:
        domain = ""
    local = (sender.local if sender else "") or "postmaster"  # §4.3
    if not is_domain(domain):
        say(f"none: {domain or helo!r} is no domain name that could have a policy")
        return SpfResult("none", identity, domain, f"{local}@{domain}", reason="not a domain name")
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped  # §5: it is an IPv4 address
    check = _Check(dns, ip, local, domain, helo, receiver, now, say)
    say(f"may {ip} send for {local}@{domain}?")
    try:
        async with asyncio.timeout(seconds):
            found = await check.host(domain)
    except TimeoutError:
        found = _Found("temperror", reason=f"it takes longer than {seconds:g} s")
    except _Stop as stop:
        found = _Found(stop.result, reason=str(stop))
    say(f"{found.result}{f': {found.reason}' if found.reason else ''}")
    return SpfResult(
        found.result,
        identity,
        domain,
        f"{local}@{domain}",
        found.mechanism,
        found.reason,
        found.explanation,
    )


def is_domain(name: str) -> bool:
    """Whether a name has two labels at least, and none that DNS could not have (§4.3)."""
    labels = name.split(".")
    return (
        len(labels) > 1
        and len(name) <= MAX_NAME
        and not name.startswith("[")
        and all(map(_LABEL.fullmatch, labels))
    )


class _Stop(Exception):
    """The evaluation ends here, with that result; the text says why."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


@dataclass(frozen=True, slots=True)
class _Found:
    result: str
    mechanism: str = ""
    reason: str = ""
    explanation: str = ""


@dataclass(slots=True)
class _Check:
    """One evaluation, with what it has cost so far."""

    dns: Dns
    ip: Ip
    local: str
    sender_domain: str
    helo: str
    receiver: str
    now: float
    say: Callable[[str], None]
    lookups: int = 0
    void: int = 0
    depth: int = 1
    reverse: Reverse | None = field(default=None)

    async def host(self, domain: str, *, explained: bool = True) -> _Found:
        """check_host() of §4. explained: the explanation is wanted too. _Stop."""
        record = await self._record(domain)
        if record is None:
            return _Found("none", reason=f"{domain} has no SPF record")
        for mechanism in record.mechanisms:
            matched = await self._matches(mechanism, domain)
            self._tell(f"{mechanism.text}: {'matches' if matched else 'no'}")
            if matched:
                wanted = explained and mechanism.result == "fail" and record.exp
                explanation = await self._explanation(record.exp, domain) if wanted else ""
                return _Found(mechanism.result, mechanism.text, explanation=explanation)
        if not record.redirect:
            return _Found("neutral", reason="nothing matches")  # §4.7
        self._count(f"redirect={record.redirect}")
        target = await self._target(record.redirect, domain)
        self._tell(f"redirect to {target}")
        found = await self.host(target, explained=explained) if is_domain(target) else _Found("none")
        if found.result == "none":  # §6.1
            raise _Stop("permerror", f"{domain} redirects to {target}, which has no SPF record")
        return found

    async def _record(self, domain: str) -> SpfRecord | None:
        texts = [record for record in await self._texts(domain) if is_spf(record)]
        if not texts:
            self._tell(f"{domain} has no SPF record")
            return None
        if len(texts) > 1:
            raise _Stop("permerror", f"{domain} has {len(texts)} SPF records")
        text = texts[0].decode("latin-1")
        self._tell(f"{domain} says {text[:1000]!r}")
        try:
            return parse_record(text)
        except SpfSyntaxError as error:
            raise _Stop("permerror", f"the record of {domain} is wrong: {error}") from None

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        kind = mechanism.kind
        if kind == "all":
            return True
        if mechanism.network is not None:
            return self.ip in mechanism.network
        self._count(mechanism.text)
        target = await self._target(mechanism.spec, domain) if mechanism.spec else domain
        if kind == "include":
            return await self._includes(target)
        if kind == "a":
            return await self._is_address_of(target, mechanism)
        if kind == "mx":
            return await self._is_mx_of(target, mechanism)
        if kind == "exists":
            return bool(await self._query(target, "A"))
        names = (await self._reverse()).confirmed
        return any(_is_within(name, target.lower()) for name in names)

    async def _includes(self, target: str) -> bool:
        """§5.2: a pass of the other record is a match."""
        self.depth += 1
        found = await self.host(target, explained=False) if is_domain(target) else _Found("none")
        self.depth -= 1
        if found.result == "none":
            raise _Stop("permerror", f"{target} is included and has no SPF record")
        return found.result == "pass"

    async def _is_address_of(self, name: str, mechanism: Mechanism) -> bool:
        prefix = mechanism.prefixes[self.ip.version == 6]
        for record in await self._query(name, "A" if self.ip.version == 4 else "AAAA"):
            if self.ip in ipaddress.ip_network((record_address(record), prefix), strict=False):
                return True
        return False

    async def _is_mx_of(self, name: str, mechanism: Mechanism) -> bool:
        exchanges = [record_name(record) for record in await self._query(name, "MX")]
        if len(exchanges) > MAX_NAMES:
            raise _Stop("permerror", f"{name} has more than {MAX_NAMES} MX")
        for exchange in filter(None, exchanges):  # the null MX has none (RFC 7505)
            if await self._is_address_of(exchange, mechanism):
                return True
        return False

    async def _explanation(self, spec: str, domain: str) -> str:
        """§6.2: empty if there is anything wrong with it."""
        try:
            texts = await self._texts(await self._target(spec, domain))
            if len(texts) != 1 or not texts[0].isascii():
                return ""
            text = texts[0].decode()
            values = await self._values(text, domain)
            return expand(text, values, letters=IN_EXPLANATIONS, spaces=True)
        except (_Stop, MacroError):
            return ""

    async def _target(self, spec: str, domain: str) -> str:
        return target_name(spec, await self._values(spec, domain))

    async def _values(self, text: str, domain: str) -> dict[str, str]:
        """What the macros stand for (§7.2); the client's name is looked up only where it is needed."""
        ip, is_v4 = self.ip, self.ip.version == 4
        name = "unknown"
        if uses(text, "p"):
            confirmed = (await self._reverse()).confirmed
            near = sorted(confirmed, key=lambda each: (each != domain, not _is_within(each, domain)))
            name = near[0] if near else name
        return {
            "s": f"{self.local}@{self.sender_domain}",
            "l": self.local,
            "o": self.sender_domain,
            "d": domain,
            "i": str(ip) if is_v4 else ".".join(f"{int(ip):032x}"),
            "p": name,
            "v": "in-addr" if is_v4 else "ip6",
            "h": self.helo,
            "c": str(ip),
            "r": self.receiver,
            "t": str(int(self.now)),
        }

    async def _reverse(self) -> Reverse:
        """The client's names, looked up once."""
        if self.reverse is None:
            self.reverse = await check_iprev(self.dns, self.ip, self._tell)
            if self.reverse.result == "permerror":
                self._count_void(str(self.ip), "PTR")
        return self.reverse

    async def _texts(self, name: str) -> Sequence[bytes]:
        records = await self._query(name, "TXT", counted=False)
        return [b"".join(getattr(record, "strings", ())) for record in records]

    async def _query(self, name: str, kind: str, *, counted: bool = True) -> Sequence[Rdata]:
        try:
            answer = await self.dns.query(name.replace("\\", "\\\\"), kind)
        except ValueError:  # §4.8: what cannot be asked for is not there
            return ()
        except DnsTrouble as error:
            raise _Stop("temperror", f"{name} {kind}: {error}") from None
        if counted and not answer.records:
            self._count_void(name, kind)
        return answer.records

    def _count(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _Stop("permerror", f"{term[:100]} is one term too many that asks DNS")

    def _count_void(self, name: str, kind: str) -> None:
        self.void += 1
        if self.void > MAX_VOID:
            raise _Stop("permerror", f"{name} has no {kind}: more than {MAX_VOID} questions have no answer")

    def _tell(self, line: str) -> None:
        self.say("  " * self.depth + line)


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)
