"""Is the author of a message who they say? (RFC 7489, and its successor's walk through the tree of names)

From ──► author's domain ──► _dmarc TXT there, or further up ──► what its owner wants
              │
              └── aligned with the domain of an SPF pass or of a DKIM signature that passes? ──► pass
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hub.mail.address import Address, AddressError
from hub.mail.headers import Headers
from hub.mail.mailboxes import addresses
from hub.mailauth.dmarc_record import POLICIES, DmarcRecord, Policy, milder, parse_dmarc
from hub.mailauth.results import AuthResult
from hub.mailauth.spf import is_domain
from hub.services.dns import Dns, DnsTrouble

MAX_AUTHORS: Final = 4
"""Different domains in From; more are not judged but refused."""
MAX_LABELS: Final = 8
"""A walk asks for the name itself and then for at most seven labels, so eight times at most."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """What DMARC says of a message.

    result: `none` (no policy), `pass`, `fail`, `temperror`, `permerror` (no single author to be seen).
    domain: the author's; policy_domain: where the record lies. policy: what its owner wants for such mail,
    disposition: what is to be done with this one, `none` unless it failed. spf, dkim: the domains that are
    authenticated and aligned, empty if none is. softened: what made the disposition milder, `t` or `pct`.
    """

    result: str
    domain: str = ""
    policy_domain: str = ""
    record: DmarcRecord | None = None
    policy: Policy = "none"
    disposition: Policy = "none"
    spf: str = ""
    dkim: str = ""
    softened: str = ""
    reason: str = ""

    def auth_result(self) -> AuthResult:
        """For Authentication-Results."""
        properties = [("header", "from", self.domain)] if self.domain else []
        if self.record is not None:
            properties.append(("policy", "dmarc", self.disposition))
        return AuthResult("dmarc", self.result, self.reason, properties)


async def check_dmarc(
    dns: Dns,
    headers: Headers,
    spf: str,
    dkim: Collection[str],
    *,
    unsure: Collection[str] = (),
    sample: float = 0.0,
    organization: Callable[[str], str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> DmarcResult:
    """Judge a message by the policies of the domains in From; of several the worst result is given.

    spf: the domain that passed SPF for MAIL FROM, empty without; dkim: those whose signatures pass.
    unsure: those of which DNS did not say whether they pass; if one would be aligned, nothing has failed yet.
    sample: 0 to 100, of this message, for `pct`. organization: finds the organizational domain as RFC 7489
    has it, from a list of public suffixes; without it the tree is walked. say: is told of each step.
    """
    authors, wrong = author_domains(headers)
    if wrong:
        say(wrong)
        return DmarcResult("permerror", reason=wrong)
    judge = _Judge(
        dns,
        spf.lower(),
        [each.lower() for each in dkim],
        [each.lower() for each in unsure],
        organization,
        say,
    )
    found = [await judge.author(domain, sample) for domain in authors]
    return max(found, key=lambda each: (POLICIES.index(each.disposition), _SEVERITY.index(each.result)))


_SEVERITY: Final = ("none", "pass", "temperror", "fail")


def author_domains(headers: Headers) -> tuple[Sequence[str], str]:
    """The domains of all authors in From, as DNS has them; and what is wrong, empty if nothing is."""
    values = headers.raw_all("From")
    if len(values) != 1:
        return (), "there is no From" if not values else f"there are {len(values)} From fields"
    domains: dict[str, None] = {}
    for mailbox in addresses(values[0]):
        if mailbox.is_group_mark:
            continue
        try:
            host = (mailbox.host or b"").decode()
            domain = Address("", host).ascii_domain.removesuffix(".")
        except (UnicodeDecodeError, AddressError):
            domain = ""
        if not (is_domain(domain) and _HOST.fullmatch(domain)):
            return (), "From has an address without a domain"
        domains[domain] = None
    if not 0 < len(domains) <= MAX_AUTHORS:
        return (), f"From has authors of {len(domains)} domains" if domains else "From has no address"
    return tuple(domains), ""


async def organizational_domain(
    dns: Dns, domain: str, organization: Callable[[str], str] | None = None
) -> str:
    """The domain under which all of one owner's lie: `example.org` for `mail.example.org`. DnsTrouble.

    organization: as in `check_dmarc`.
    """
    return await _Judge(dns, "", (), (), organization, lambda _: None).organization_of(domain)


@dataclass(slots=True)
class _Judge:
    """One evaluation; what was looked up is kept for all its domains."""

    dns: Dns
    spf: str
    dkim: Sequence[str]
    unsure: Sequence[str]
    organization: Callable[[str], str] | None
    say: Callable[[str], None]
    known: dict[str, DmarcRecord | None] = field(default_factory=dict)

    async def author(self, domain: str, sample: float) -> DmarcResult:
        """The result for one domain of From."""
        self.say(f"the author is of {domain}")
        result = DmarcResult("none", domain)
        try:
            policy_domain, record = await self._policy(domain)
            if record is None:
                self.say("  no policy is published")
                return replace(result, reason="no policy")
            policy = await self._wanted(domain, policy_domain, record)
        except DnsTrouble as error:
            self.say(f"  {error}")
            return replace(result, result="temperror", reason="the policy cannot be looked up now")
        result = replace(result, policy_domain=policy_domain, record=record, policy=policy)
        try:
            spf, dkim = await self._aligned(domain, record)
            undecided = "" if spf or dkim else await self._undecided(domain, record)
        except DnsTrouble as error:
            self.say(f"  {error}")
            return replace(result, result="temperror", reason="the organization cannot be looked up now")
        if spf or dkim:
            self.say("  pass")
            return replace(result, result="pass", spf=spf, dkim=dkim)
        if undecided:
            return replace(result, result="temperror", reason=f"nobody says whether {undecided} passes")
        return self._failed(result, record, sample)

    def _failed(self, result: DmarcResult, record: DmarcRecord, sample: float) -> DmarcResult:
        disposition, softened = result.policy, ""
        if disposition != "none" and record.testing:
            disposition, softened = milder(disposition), "t"
        elif disposition != "none" and sample >= record.percent:
            disposition, softened = milder(disposition), "pct"
        why = f", milder by {softened}=" if softened else ""
        self.say(f"  fail: the policy is {result.policy}{why}, so {disposition}")
        return replace(
            result, result="fail", disposition=disposition, softened=softened, reason="nothing aligned passes"
        )

    async def _policy(self, domain: str) -> tuple[str, DmarcRecord | None]:
        """The record that applies and where it lies: the domain's own, its organization's, its suffix's."""
        own = await self._record(domain)
        if own is not None:
            return domain, own
        if self.organization is not None:
            above = self.organization(domain)
            return above, await self._record(above) if above != domain else None
        found = await self._walk(domain)
        chosen = _organizational(domain, found)
        for name, record in found:
            if name == chosen:
                return name, record
        return found[-1] if found else ("", None)  # of the public suffix

    async def _wanted(self, domain: str, policy_domain: str, record: DmarcRecord) -> Policy:
        if domain == policy_domain:
            self.say(f"  its policy: p={record.p}")
            return record.p
        if record.np is not None and not (await self.dns.query(domain, "A")).exists:
            self.say(f"  {domain} does not exist, the policy of {policy_domain} for that: np={record.np}")
            return record.np
        policy = record.sp or record.p
        self.say(f"  the policy of {policy_domain} for its subdomains: {policy}")
        return policy

    async def _aligned(self, author: str, record: DmarcRecord) -> tuple[str, str]:
        """The first domains, aligned with the author's, that SPF and DKIM authenticated. DnsTrouble."""
        spf = await self._first(
            author, [self.spf] if self.spf else [], strict=record.strict_spf, by="spf passes"
        )
        dkim = await self._first(author, self.dkim, strict=record.strict_dkim, by="dkim passes")
        if not self.spf and not self.dkim:
            self.say("  neither SPF nor DKIM passes")
        return spf, dkim

    async def _undecided(self, author: str, record: DmarcRecord) -> str:
        strict = record.strict_spf and record.strict_dkim
        return await self._first(author, self.unsure, strict=strict, by="nobody says whether it passes")

    async def _first(self, author: str, domains: Sequence[str], *, strict: bool, by: str) -> str:
        found = ""
        for domain in domains:
            aligned = await self._same(author, domain, strict=strict)
            how = "strictly" if strict else "loosely"
            self.say(f"  {by} for {domain}: {'' if aligned else 'not '}aligned {how}")
            found = found or (domain if aligned else "")
        return found

    async def _same(self, author: str, domain: str, *, strict: bool) -> bool:
        """RFC 7489 §3.1. Only names below the author's organization are looked up, and no stranger's."""
        if author == domain:
            return True
        if strict:
            return False
        organization = await self.organization_of(author)
        below = domain == organization or domain.endswith(f".{organization}")
        return below and organization == await self.organization_of(domain)

    async def organization_of(self, domain: str) -> str:
        """By the list, or by the walk. DnsTrouble."""
        if self.organization is not None:
            return self.organization(domain)
        return _organizational(domain, await self._walk(domain))

    async def _walk(self, domain: str) -> Sequence[tuple[str, DmarcRecord]]:
        """The records at a name and above it, until one says whose it is."""
        found = []
        for name in walked(domain):
            record = await self._record(name)
            if record is not None:
                found.append((name, record))
                if record.psd != "u":
                    break
        return found

    async def _record(self, name: str) -> DmarcRecord | None:
        """The one record at a name; several are none (RFC 7489 §6.6.3). DnsTrouble."""
        if name not in self.known:
            try:
                answer = await self.dns.query(f"_dmarc.{name}", "TXT")
            except ValueError:  # a name too long to have one
                self.known[name] = None
                return None
            texts = (b"".join(getattr(each, "strings", ())).decode("latin-1") for each in answer.records)
            records = [each for each in map(parse_dmarc, texts) if each is not None]
            self.known[name] = records[0] if len(records) == 1 else None
            said = repr(records[0].text[:500]) if len(records) == 1 else f"{len(records)} records"
            self.say(f"  _dmarc.{name}: {said}")
        return self.known[name]


def walked(domain: str) -> Sequence[str]:
    """The names that a walk asks at: the domain, then from seven labels on upwards, eight at most.

    >>> walked("mail.example.org")
    ['mail.example.org', 'example.org', 'org']
    """
    labels = domain.split(".")
    first = 1 if len(labels) <= MAX_LABELS else len(labels) - MAX_LABELS + 1
    return [domain, *(".".join(labels[at:]) for at in range(first, len(labels)))]


def _organizational(domain: str, found: Sequence[tuple[str, DmarcRecord]]) -> str:
    """Whose domain it is, by the records on the way up: who says so, who is below a suffix, or the last."""
    for name, record in found:
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            below = domain.removesuffix(f".{name}").rpartition(".")[2]
            return f"{below}.{name}"
    return found[-1][0] if found else domain
