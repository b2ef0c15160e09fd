"""Has every certificate that is wanted: orders it, renews it, and gives it to the hub of each node.

tick    on one worker of all nodes: orders what is due
share   on every worker: what has been issued is served here too
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hub import Plugin
from hub_plugin_acme import schedule
from hub_plugin_acme.keys import check
from hub_plugin_acme.ordering import Blocking, forget_account, obtain, opened
from hub_plugin_acme.orders import Refused
from hub_plugin_acme.records import Kept, Progress, Records
from hub_plugin_acme.settings import Settings, Wanted, wanted

TICK: Final = 2.0
SHARE: Final = 5.0
PATIENT: Final = 3
"""Failures in a row that are nobody's concern yet, while the certificate that is there is good."""


class Renewer:
    """One in each worker."""

    def __init__(self, plugin: Plugin, blocking: Blocking) -> None:
        self._plugin = plugin
        self._blocking = blocking
        self._settings = plugin.settings(Settings)
        self._records = Records(plugin.kv)
        self._served: dict[str, bytes | None] = {}

    def wanted(self) -> Mapping[str, Wanted]:
        """The certificates that should be there, by what they are called. ValueError."""
        return wanted(self._settings, self._plugin.hostname)

    async def tick(self) -> None:
        """Order what is due, one after the other."""
        wishes = await self._records.wishes()
        try:
            every = self.wanted()
        except ValueError:
            return  # `share` says so
        now = self._plugin.clock.time()
        for each in every.values():
            kept = await self._records.certificate(each.called)
            progress = await self._records.progress(each.called)
            if each.called in wishes or schedule.is_due(each, self._settings.url, kept, progress, now):
                await self._renew(each, kept, progress)
            elif kept is not None and now >= progress.ask_at:
                await self._ask(each, kept, progress)
        for called in wishes - set(every):
            await self._records.wish(called, wanted=False)
        await self._forget(every, now)

    async def _forget(self, every: Mapping[str, Wanted], now: float) -> None:
        """What nobody wants is kept until it ends, so that taking a line out and in again orders nothing."""
        for called, raw in (await self._records.certificates()).items():
            if called not in every and Kept.read(raw).ends < now:
                await self._records.keep_certificate(called, None)
                await self._records.keep_progress(called, None)

    async def share(self) -> None:
        """Serve here what was issued anywhere, and nothing that nobody wants any more."""
        try:
            every = self.wanted()
        except ValueError as error:
            self._plugin.dependency("acme", str(error))
            return
        there = await self._records.certificates()
        try:
            for called, raw in there.items():
                await self._serve(called, raw if called in every else None)
        except (OSError, ValueError) as error:
            trouble: str | None = f"what was issued cannot be served on this node: {error}"
            self._plugin.log.error("not served", reason=str(error))
        else:
            trouble = await self._trouble(every, there)
        self._plugin.dependency("acme", trouble)

    async def _serve(self, called: str, raw: bytes | None) -> None:
        """Have the hub serve it, or nothing under this name; once for each change."""
        if called in self._served and self._served[called] == raw:
            return
        if raw is None:
            await self._plugin.remove_certificate(called)
        else:
            kept = Kept.read(raw)
            await self._plugin.install_certificate(called, kept.chain.encode(), kept.key.encode())
        self._served[called] = raw

    async def _trouble(self, every: Mapping[str, Wanted], there: Mapping[str, bytes]) -> str | None:
        """What is worth an alert: a certificate that is not there, or whose renewal fails and fails."""
        now = self._plugin.clock.time()
        for called in every:
            progress = await self._records.progress(called)
            kept = Kept.read(there[called]) if called in there else None
            good = schedule.is_valid(kept, now)
            if progress.trouble is not None and (not good or progress.failures >= PATIENT):
                return f"{called}: {progress.trouble}"
        return None

    async def _renew(self, each: Wanted, kept: Kept | None, progress: Progress) -> None:
        """Try it, and write down how that went. What is served stays until there is something better."""
        failures = progress.failures if progress.asked == each.asked else 0
        try:
            fresh = await self._order(each, kept)
        except (Refused, OSError, ValueError) as error:
            refused = error if isinstance(error, Refused) else Refused(f"{type(error).__name__}: {error}")
            now = self._plugin.clock.time()
            again = now + schedule.pause(failures + 1, refused.later)
            progress = replace(
                progress, asked=each.asked, failures=failures + 1, again=again, tried=now,
                trouble=str(refused), advice=refused.advice,
            )  # fmt: skip
            if refused.unknown:
                await forget_account(self._records, self._settings)
            self._plugin.log.error(
                "no certificate", certificate=each.called, names=list(each.names), reason=str(refused),
                advice=refused.advice, failures=failures + 1, again=again,
            )  # fmt: skip
        else:
            await self._records.keep_certificate(each.called, fresh)
            progress = Progress(each.asked, tried=fresh.obtained, again=fresh.obtained + schedule.APART)
            self._plugin.log.info(
                "certificate issued",
                certificate=each.called,
                names=list(each.names),
                until=fresh.ends,
            )
        await self._records.keep_progress(each.called, progress)
        await self.share()
        await self._records.wish(each.called, wanted=False)

    async def _order(self, each: Wanted, kept: Kept | None) -> Kept:
        replaces = kept.chain if kept is not None and kept.directory == self._settings.url else None
        async with opened(self._blocking, self._records, self._settings) as ca:
            issued = await obtain(self._plugin, self._blocking, ca, each, replaces)
        now = self._plugin.clock.time()
        facts = check(issued, each.names, now)
        return Kept(
            each.names, self._settings.url, issued.chain, issued.key,
            facts.begins, facts.ends, facts.fingerprint, now,
        )  # fmt: skip

    async def _ask(self, each: Wanted, kept: Kept, progress: Progress) -> None:
        """Ask when the authority would renew it. One that does not answer is asked again some other time."""
        now = self._plugin.clock.time()
        when, later = progress.renew_at, now + schedule.ASK_LATEST / 4
        try:
            async with opened(self._blocking, self._records, self._settings) as ca:
                when, later = await self._blocking(ca.renewal, kept.chain)
        except Refused as refused:
            self._plugin.log.debug("no suggestion", certificate=each.called, reason=str(refused))
        soonest, latest = now + schedule.ASK_SOONEST, now + schedule.ASK_LATEST
        ask_at = min(max(later, soonest), latest)
        await self._records.keep_progress(each.called, replace(progress, renew_at=when, ask_at=ask_at))
