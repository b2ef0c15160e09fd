"""Who wants an aggregate report gets it once the day is over (RFC 7489 §7.1, §7.2).

rows of a day ──► rua of the record they were judged by ──► may it be told there? ──► a mail ──► rows removed

What cannot be found out or kept now stays, for as long as rows are kept. A hub that is killed in between
reports the day again under the same Report-ID.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from dns.rdtypes.ANY.TXT import TXT
from sqlalchemy import Connection, delete, select

from hub import (
    Address,
    AddressError,
    DnsTrouble,
    Plugin,
    Tables,
    organizational_domain,
    parse_dmarc,
)
from hub_plugin_mail_auth.aggregate import DAY, Reporter, Subject, as_mail, feedback, packed
from hub_plugin_mail_auth.tables import REPORT

LATE: Final = 600
"""Seconds after midnight (UTC) until all workers have written down what they counted of the day."""
MOST_ROWS: Final = 20_000
"""Records of one report; what else there was of that day is not told."""
MOST_ADDRESSES: Final = 4
_RUA: Final = re.compile(r"mailto:([^!]+)(?:!([0-9]{1,12})([kmgt]?))?\Z", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a report goes, and the most octets that are taken there, None for any number."""

    address: Address
    limit: int | None


class Telling:
    """Tells domains of days that are over."""

    def __init__(
        self, plugin: Plugin, tables: Tables, reporter: Reporter, organization: Callable[[str], str] | None
    ) -> None:
        self._plugin = plugin
        self._tables = tables
        self._reporter = reporter
        self._organization = organization

    async def tell(self) -> None:
        """All that are due."""
        today = int(self._plugin.clock.time() - LATE) // DAY
        kinds = select(REPORT.c.day, REPORT.c.domain, REPORT.c.policy).where(REPORT.c.day < today).distinct()
        for day, domain, policy in await self._tables.read(lambda db: list(db.execute(kinds))):
            record = parse_dmarc(policy)
            if record is None:
                await self._forget(day, domain, policy)
                continue
            try:
                wanted = await self._wanted(domain, record.rua)
            except DnsTrouble:
                continue
            await self._send(Subject(day, domain, record), policy, wanted)
            await self._forget(day, domain, policy)

    async def _send(self, subject: Subject, policy: str, wanted: Sequence[Wanted]) -> None:
        if not wanted:
            return
        same = (REPORT.c.day == subject.day, REPORT.c.domain == subject.domain, REPORT.c.policy == policy)
        chosen = select(REPORT).where(*same).order_by(REPORT.c.messages.desc()).limit(MOST_ROWS)

        def work(db: Connection) -> tuple[bytes, int]:
            rows: Sequence[Any] = db.execute(chosen).all()
            return packed(feedback(self._reporter, subject, identity, rows)), len(rows)

        digest = hashlib.sha256(f"{subject.day} {subject.domain} {policy}".encode()).hexdigest()[:32]
        identity = f"{digest}@{self._reporter.address.ascii_domain}"
        document, rows = await self._tables.read(work)
        sent = [await self._submit(each, subject, identity, document) for each in wanted]
        self._plugin.log.info(
            "a DMARC report was made", domain=subject.domain, day=subject.day, rows=rows, sent=sum(sent)
        )

    async def _submit(self, wanted: Wanted, subject: Subject, identity: str, document: bytes) -> bool:
        if wanted.limit is not None and len(document) > wanted.limit:
            return False
        now = self._plugin.clock.time()
        mail = as_mail(self._reporter, subject, identity, document, str(wanted.address), now)
        try:
            await self._plugin.submit(self._reporter.address, [wanted.address], mail)
        except LookupError:
            return False  # it leads nowhere, today and tomorrow
        return True

    async def _wanted(self, domain: str, uris: Sequence[str]) -> Sequence[Wanted]:
        """The addresses that the domain names and that agree to be named. DnsTrouble."""
        found: list[Wanted] = []
        for uri in uris:
            matched = _RUA.match(uri)
            if matched is None or len(found) == MOST_ADDRESSES:
                continue
            try:
                address = Address.parse(unquote(matched[1]))
            except AddressError:
                continue
            limit = int(matched[2]) * _UNITS[matched[3].lower()] if matched[2] else None
            if await self._agrees(domain, address.ascii_domain):
                found.append(Wanted(address, limit))
        return found

    async def _agrees(self, domain: str, host: str) -> bool:
        """Whether reports of the domain may go to that one: its own organization's, or it says so (§7.1)."""
        dns = self._plugin.dns
        if host == domain:
            return True
        own = await organizational_domain(dns, domain, self._organization)
        below = host == own or host.endswith(f".{own}")
        if below and await organizational_domain(dns, host, self._organization) == own:
            return True
        try:
            answer = await dns.query(f"{domain}._report._dmarc.{host}", "TXT")
        except ValueError:  # a name too long to be
            return False
        texts = [b"".join(each.strings) for each in answer.records if isinstance(each, TXT)]
        return any(re.match(rb"\s*v\s*=\s*DMARC1\s*(?:;|\Z)", text) for text in texts)

    async def _forget(self, day: int, domain: str, policy: str) -> None:
        done = delete(REPORT).where(REPORT.c.day == day, REPORT.c.domain == domain, REPORT.c.policy == policy)

        def work(db: Connection) -> None:
            db.execute(done)

        await self._tables.write(work)
