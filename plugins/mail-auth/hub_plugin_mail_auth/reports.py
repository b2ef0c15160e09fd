"""Counts by kind of mail, added up in memory and written once a minute; a crash loses that minute's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from hub import Address, Clock, Tables
from hub_plugin_mail_auth.deciding import Decision
from hub_plugin_mail_auth.judging import Judgement
from hub_plugin_mail_auth.tables import REPORT

DAY: Final = 86400
MAX_PENDING: Final = 10_000
"""Rows in memory until they are written; what would be one more is not counted."""
MAX_ROWS: Final = 500_000
"""Rows in the table; past it only those that are there count on."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of a report, but for its count; `results` is JSON."""

    day: int
    domain: str
    policy: str
    header_from: str
    envelope_from: str
    source_ip: str
    disposition: str
    override: str
    dkim_aligned: bool
    spf_aligned: bool
    results: str

    @property
    def key(self) -> str:
        """A hash of all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Reports:
    """What one worker has counted since it wrote last; leaving it writes the rest."""

    def __init__(self, tables: Tables, clock: Clock, keep: float) -> None:
        self._tables = tables
        self._clock = clock
        self._keep = keep
        self._pending: dict[Kind, int] = {}

    async def __aenter__(self) -> Reports:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.flush()

    def add(self, source: str, sender: Address | None, found: Judgement, decision: Decision) -> None:
        """Count a message whose domain wants reports."""
        dmarc = found.dmarc
        assert dmarc.record is not None
        results = {
            "spf": {"domain": found.spf.domain, "scope": found.spf.identity, "result": found.spf.result},
            "dkim": [
                {"domain": each.domain, "selector": each.selector, "result": each.status}
                for each in found.dkim
            ],
        }
        kind = Kind(
            day=int(self._clock.time()) // DAY,
            domain=dmarc.policy_domain,
            policy=dmarc.record.text[:2000],
            header_from=dmarc.domain,
            envelope_from="" if sender is None else sender.domain[:253],
            source_ip=source[:64],
            disposition=decision.disposition,
            override=decision.override,
            dkim_aligned=bool(dmarc.dkim),
            spf_aligned=bool(dmarc.spf),
            results=json.dumps(results),
        )
        if kind in self._pending or len(self._pending) < MAX_PENDING:
            self._pending[kind] = self._pending.get(kind, 0) + 1

    async def flush(self) -> None:
        """Write what was counted; after a failure it is tried again with the rest."""
        pending, self._pending = self._pending, {}
        if not pending:
            return

        def work(db: Connection) -> None:
            room = MAX_ROWS - int(db.execute(select(func.count()).select_from(REPORT)).scalar() or 0)
            for kind, count in pending.items():
                same = {"day": kind.day, "key": kind.key}
                changed = update(REPORT).filter_by(**same).values(messages=REPORT.c.messages + count)
                if not db.execute(changed).rowcount and room > 0:
                    db.execute(insert(REPORT).values(**asdict(kind), key=kind.key, messages=count))
                    room -= 1

        try:
            await self._tables.write(work)
        except BaseException:
            for kind, count in list(pending.items())[:MAX_PENDING]:
                self._pending[kind] = self._pending.get(kind, 0) + count
            raise

    async def forget(self) -> None:
        """Remove days that are over and too old."""
        first = (int(self._clock.time()) - int(self._keep)) // DAY

        def work(db: Connection) -> None:
            db.execute(delete(REPORT).where(REPORT.c.day < first))

        await self._tables.write(work)
