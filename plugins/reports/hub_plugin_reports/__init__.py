"""Reads the reports of others: how our mail does with DMARC, and connections to our servers with TLS.

    change log ─► mail to the accounts that are named ─► `unpacking` ─► `dmarc` | `tls` ─► a row for each line
    hub reports ◄─ sums

The mails stay where they are. A report that comes twice counts once. Anybody can send one: `hub reports list`
says whose came from a domain whose DMARC passed.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import (
    AccountRef,
    Address,
    BlobGone,
    ChangeKind,
    Duration,
    LogEntry,
    Plugin,
    StoredMessage,
    Tables,
    addresses,
    claims_authserv_id,
    hookimpl,
    states_result,
)
from hub_plugin_reports import keeping
from hub_plugin_reports.keeping import Brought
from hub_plugin_reports.report import Report, ReportError, short
from hub_plugin_reports.tables import METADATA
from hub_plugin_reports.unpacking import MAX_MAIL, reports_in

__all__ = ["Settings"]

DAY: Final = 86400.0


def _address(text: str) -> str:
    Address.parse(text)
    return text


class Settings(BaseModel):
    """[plugins.reports]: whose mail is looked through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        min_length=1, description="The accounts here that `rua` of your domains leads to."
    )
    keep: Annotated[Duration, Field(gt=0)] = Field(
        default=400 * DAY, description="How long what they report is kept."
    )


class Reading:
    """Takes the reports out of what comes in."""

    def __init__(self, plugin: Plugin, tables: Tables) -> None:
        self._plugin = plugin
        self._tables = tables
        self._settings = plugin.settings(Settings)

    async def collect(self, entries: Sequence[LogEntry]) -> None:
        """Read what was delivered to the accounts."""
        new = [each for each in entries if each.kind in (ChangeKind.DELIVERED, ChangeKind.APPENDED)]
        accounts = await self._accounts() if new else set()
        for entry in new:
            if entry.account in accounts:
                async for message in self._plugin.messages(entry):
                    await self._read(message)

    async def forget(self) -> None:
        """Remove what is too old."""
        await keeping.forget(self._tables, self._plugin.clock.time() - self._settings.keep)

    async def _accounts(self) -> set[AccountRef]:
        found = [await self._plugin.directory.account(each) for each in self._settings.accounts]
        return {each.ref for each in found if each is not None}

    async def _read(self, message: StoredMessage) -> None:
        log = self._plugin.log
        if message.size > MAX_MAIL:
            return
        try:
            octets = await message.bytes(MAX_MAIL)
            reports: Sequence[Report] = await asyncio.to_thread(lambda: list(reports_in(octets)))
        except BlobGone:
            return
        except ReportError as error:
            where = {"mailbox": message.mailbox.name, "uid": message.item.uid}
            log.info("a report cannot be read", why=str(error), **where)
            return
        brought = _brought(message, self._plugin)
        for report in reports:
            if await keeping.keep(self._tables, report, brought):
                log.info("a report came in", kind=report.kind, domain=report.domain, reporter=report.reporter)


def _brought(message: StoredMessage, plugin: Plugin) -> Brought:
    found = addresses(message.headers.raw("From") or b"")
    host = next((each.host for each in found if each.host), None) or b""
    result = message.headers.raw("Authentication-Results") or b""  # the topmost is the last that was written
    ours = claims_authserv_id(result, plugin.hostname)
    authentic = ours and states_result(result.decode("utf-8", "replace"), "dmarc", "pass")
    return Brought(short(host.decode("utf-8", "replace")).lower(), authentic, plugin.clock.time())


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Follow the log from its beginning: reports that are there already count as well."""
    reading = Reading(plugin, await plugin.tables(METADATA))
    plugin.follow("reports", reading.collect)
    plugin.every(3600, reading.forget, once=True)
