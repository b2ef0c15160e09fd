"""TLS reporting (RFC 8460): what came of connections to a domain's servers is told to the domain, once a day.

    tls_negotiated ──► counts in memory ──► every minute into plugin.kv, a key for each day and domain
    once a day is over: _smtp._tls.domain TXT: rua= ──► a report by mail or HTTPS ──► the key is gone

A worker that is killed loses the counts of its last minute. A report whose web server is away is tried again
every hour, for two days.
"""

import gzip
import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Final, TypeAlias, cast

from dns.rdtypes.ANY.TXT import TXT
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import (
    Address,
    AddressError,
    DnsTrouble,
    Plugin,
    Poster,
    StashKey,
    TlsOutcome,
    hookimpl,
    open_poster,
)

DAY: Final = 86400
FLUSH: Final = 60.0
LATE: Final = 600
"""Seconds after midnight (UTC) until all workers have written down what they counted of the day."""
KEPT: Final = 2
"""Days for which a report is tried that cannot be delivered."""
MOST_DOMAINS: Final = 10_000
MOST_POLICIES: Final = 4
MOST_DETAILS: Final = 10
"""Kinds of failures of a policy that are told apart; the others only count."""
MOST_LINES: Final = 10
MOST_ADDRESSES: Final = 4
"""Addresses that one report goes to."""
LONGEST_TEXT: Final = 120
KINDS: Final = {"tlsa": "tlsa", "sts": "sts"}
"""Policies that domains publish; all else is `no-policy-found`."""

Detail: TypeAlias = tuple[str, str, str, str, str]
"""Result type, our address, the server's name and address, what is wrong."""


def _address(text: str) -> str:
    Address.parse(text)
    return text


class Settings(BaseModel):
    """[plugins.tls-rpt]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: Annotated[str, AfterValidator(_address)] = Field(
        description="The address that reports come from, in a domain of yours that signs its mail."
    )
    trust: Path | None = Field(
        default=None,
        description="Certificates of authorities to trust in place of the system's for `rua=https:`, as PEM.",
    )
    organization: str | None = Field(
        default=None, max_length=200, description="Who reports; without it, the domain of the sender."
    )


@dataclass(slots=True)
class Tally:
    """What came of the connections under one policy."""

    kind: str
    domain: str
    lines: list[str]
    exchangers: list[str]
    succeeded: int = 0
    failed: int = 0
    details: dict[Detail, int] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count those of another, too."""
        self.succeeded += other.succeeded
        self.failed += other.failed
        for detail, count in other.details.items():
            if detail in self.details or len(self.details) < MOST_DETAILS:
                self.details[detail] = self.details.get(detail, 0) + count


Tallies: TypeAlias = dict[str, Tally]
"""Those of one domain on one day, by their policies."""


class Counting:
    """What this worker has counted and not yet written down."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._counted: dict[tuple[str, str], Tallies] = {}

    def count(self, outcome: TlsOutcome) -> None:
        """One connection more."""
        key = (_day(self._plugin.clock.time()), outcome.domain)
        if key not in self._counted and len(self._counted) >= MOST_DOMAINS:
            return
        merge(self._counted.setdefault(key, {}), _tallied(outcome))

    async def flush(self) -> None:
        """Write down what was counted, beside what other workers have."""
        counted, self._counted = self._counted, {}
        for (day, domain), tallies in counted.items():
            key = f"{day}/{hashlib.sha256(domain.encode()).hexdigest()}"
            stored = False
            while not stored:
                known = await self._plugin.kv.get(key)
                whole = {} if known is None else read(known)[1]
                for tally in tallies.values():
                    merge(whole, tally)
                fresh = written(domain, whole)
                stored = await self._plugin.kv.compare_and_set(key, known, fresh, expires=(KEPT + 3) * DAY)


def merge(tallies: Tallies, tally: Tally) -> None:
    """Count a tally with those of its domain."""
    name = " ".join((tally.kind, tally.domain, *tally.lines))
    if name in tallies:
        tallies[name].add(tally)
    elif len(tallies) < MOST_POLICIES:
        tallies[name] = tally


def _tallied(outcome: TlsOutcome) -> Tally:
    policy, fault = outcome.policy, outcome.fault
    kind = KINDS.get(policy.kind if policy is not None else "", "no-policy-found")
    tally = Tally(kind, outcome.domain, [], [])
    if policy is not None and kind in KINDS:
        tally.domain = policy.domain
        tally.lines = [each[:LONGEST_TEXT] for each in policy.lines[:MOST_LINES]]
        tally.exchangers = [each[:LONGEST_TEXT] for each in policy.exchangers[:MOST_LINES]]
    if fault is None:
        tally.succeeded = 1
    else:
        tally.failed = 1
        text = fault.text[:LONGEST_TEXT]
        tally.details[fault.kind, outcome.source, outcome.host, outcome.address, text] = 1
    return tally


def written(domain: str, tallies: Tallies) -> bytes:
    """As it is kept."""
    names = ("kind", "domain", "lines", "exchangers", "succeeded", "failed")
    said = [
        {name: getattr(each, name) for name in names}
        | {"details": [[*key, count] for key, count in each.details.items()]}
        for each in tallies.values()
    ]
    return json.dumps([domain, said], ensure_ascii=False).encode()


def read(kept: bytes) -> tuple[str, Tallies]:
    """The domain, and what was kept of it."""
    domain, said = json.loads(kept)
    tallies: Tallies = {}
    for each in said:
        details = {cast(Detail, tuple(words)): count for *words, count in each.pop("details")}
        merge(tallies, Tally(**each, details=details))
    return domain, tallies


# -- reports ------------------------------------------------------------------------------------------------


def report(settings: Settings, day: str, identity: str, tallies: Tallies) -> Mapping[str, object]:
    """What is told of a day (RFC 8460 §4.4)."""
    return {
        "organization-name": organization(settings),
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": settings.sender,
        "report-id": identity,
        "policies": [_policy(each) for each in tallies.values()],
    }


def _policy(tally: Tally) -> Mapping[str, object]:
    policy: dict[str, object] = {"policy-type": tally.kind, "policy-domain": tally.domain}
    if tally.lines:
        policy["policy-string"] = tally.lines
    if tally.exchangers:
        policy["mx-host"] = tally.exchangers
    said: dict[str, object] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": tally.succeeded,
            "total-failure-session-count": tally.failed,
        },
    }
    if tally.details:
        said["failure-details"] = [_detail(*each) for each in tally.details.items()]
    return said


def _detail(detail: Detail, count: int) -> Mapping[str, object]:
    kind, source, host, address, text = detail
    said = {
        "result-type": kind,
        "sending-mta-ip": source,
        "receiving-mx-hostname": host,
        "receiving-ip": address,
        "failed-session-count": count,
        "additional-information": text,
    }
    return {name: value for name, value in said.items() if value}


def organization(settings: Settings) -> str:
    """Who reports."""
    return settings.organization or Address.parse(settings.sender).domain


def as_mail(
    settings: Settings, domain: str, day: str, identity: str, packed: bytes, to: str, now: float
) -> bytes:
    """The mail that brings a report (RFC 8460 §5.3)."""
    submitter = Address.parse(settings.sender).ascii_domain
    begin = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp())
    mail = EmailMessage()
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    mail["From"], mail["To"] = settings.sender, to
    mail["Subject"] = f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{identity}>"
    mail["Message-ID"] = f"<{identity}>"
    mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"] = domain, submitter
    mail["TLS-Required"] = "No"  # RFC 8460 §3: who is told that its TLS is broken has to hear it
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"What came of connections with TLS to the servers of {domain} on {day}.\n")
    name = f"{submitter}!{domain}!{begin}!{begin + DAY - 1}.json.gz"
    mail.add_attachment(packed, maintype="application", subtype="tlsrpt+gzip", filename=name)
    mail.set_type("multipart/report")
    mail.set_param("report-type", "tlsrpt")
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n", max_line_length=0))


class Reporting:
    """Tells domains of days that are over."""

    def __init__(self, plugin: Plugin, poster: Poster) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._poster = poster

    async def report(self) -> None:
        """All that are due. What cannot be delivered stays, for two days."""
        now = self._plugin.clock.time()
        today, oldest = _day(now - LATE), _day(now - (KEPT + 1) * DAY)
        for key, kept in await self._plugin.kv.scan("2"):  # of all years up to 2999
            day = key.partition("/")[0]
            if day >= today:
                continue
            domain, tallies = read(kept)
            if await self._send(domain, day, tallies) or day <= oldest:
                await self._plugin.kv.set(key, None)

    async def _send(self, domain: str, day: str, tallies: Tallies) -> bool:
        """Whether it has arrived at one of the addresses, or there is none."""
        try:
            addresses = await self._addresses(domain)
        except DnsTrouble:
            return False
        identity = f"{uuid.uuid4()}@{Address.parse(self._settings.sender).ascii_domain}"
        said = report(self._settings, day, identity, tallies)
        packed = gzip.compress(json.dumps(said, ensure_ascii=False).encode())
        results = [await self._deliver(each, domain, day, identity, packed) for each in addresses]
        if addresses:
            self._plugin.log.info("a TLS report was made", domain=domain, day=day, delivered=sum(results))
        return any(results) or not addresses

    async def _deliver(self, address: str, domain: str, day: str, identity: str, packed: bytes) -> bool:
        if address.startswith("https:"):
            kind = {"Content-Type": "application/tlsrpt+gzip"}
            attempt = await self._poster.post(address, packed, kind)
            return attempt.trouble is None or not attempt.again
        to = address.removeprefix("mailto:")
        try:
            recipient = Address.parse(to)
            sender = Address.parse(self._settings.sender)
            now = self._plugin.clock.time()
            mail = as_mail(self._settings, domain, day, identity, packed, to, now)
            await self._plugin.submit(sender, [recipient], mail)
        except (AddressError, LookupError):
            pass  # it leads nowhere, today and tomorrow
        return True

    async def _addresses(self, domain: str) -> list[str]:
        """Where the domain wants to be told (RFC 8460 §3). DnsTrouble."""
        try:
            found = await self._plugin.dns.query(f"_smtp._tls.{domain}", "TXT")
        except ValueError:
            return []
        texts = [
            b"".join(each.strings).decode("ascii", "replace")
            for each in found.records
            if isinstance(each, TXT)
        ]
        records = [each for each in texts if each.partition(";")[0].strip() == "v=TLSRPTv1"]
        if len(records) != 1:
            return []
        fields = (part.strip().partition("=") for part in records[0].split(";"))
        said = next((value for name, _, value in fields if name == "rua"), "")
        wanted = [each.strip() for each in said.split(",")]
        return [each for each in wanted if each.startswith(("mailto:", "https://"))][:MOST_ADDRESSES]


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


COUNTING = StashKey[Counting]()
REPORTING = StashKey[Reporting]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Count from now on, and look every hour whether a day is over."""
    counting = Counting(plugin)
    reporting = Reporting(plugin, await plugin.enter(open_poster(trust=plugin.settings(Settings).trust)))
    plugin.stash[COUNTING], plugin.stash[REPORTING] = counting, reporting
    plugin.every(FLUSH, counting.flush)
    plugin.every(3600.0, reporting.report, once=True)
    stack = AsyncExitStack()
    stack.push_async_callback(counting.flush)
    await plugin.enter(stack)


@hookimpl
async def tls_negotiated(plugin: Plugin, outcome: TlsOutcome) -> None:
    """Count it."""
    plugin.stash[COUNTING].count(outcome)
