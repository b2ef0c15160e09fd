"""Alerts to sinks: who gets what, how often, and what happens when one does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from hub import AlertStatus, Attempt, Implementation, Plugin, Severity
from hub_plugin_alerts.counting import LONGEST_TEXT, clean
from hub_plugin_alerts.keeping import Keeper, Silence, SinkState
from hub_plugin_alerts.settings import Route, Settings
from hub_plugin_alerts.tracking import Tracked

HOOK: Final = "send_alert"
RATE_WINDOW: Final = 600.0
"""Seconds in which a sink gets `max_notices`."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0

_EVERYTHING: Final = Route()


async def tell_all(plugin: Plugin, settings: Settings, source: str) -> None:
    """Tell each sink what it should know and does not; one that fails is left alone for a while."""
    keeper = Keeper(plugin.kv)
    sinks = plugin.implementations(HOOK)
    alerts, silences, states = await asyncio.gather(keeper.alerts(), keeper.silences(), keeper.sinks())
    turns = [
        _Turn(plugin, settings, source, name, send, states.get(name, SinkState()))
        for name, send in sinks.items()
    ]
    told = await asyncio.gather(*(turn.run(alerts, silences) for turn in turns))
    for key, alert in alerts.items():
        after = alert
        for name, news in zip(sinks, told, strict=True):
            if key in news:
                after = after.noted(name, *news[key])
        over = after.is_over(sinks)
        if over or after != alert:
            await keeper.keep(key, alert, None if over else after)


class _Turn:
    """One sink's."""

    def __init__(
        self,
        plugin: Plugin,
        settings: Settings,
        source: str,
        name: str,
        send: Implementation,
        state: SinkState,
    ) -> None:
        self._plugin = plugin
        self._settings = settings
        self._source = source
        self._name = name
        self._send = send
        self._state = state

    async def run(
        self, alerts: Mapping[str, Tracked], silences: Sequence[Silence]
    ) -> dict[str, tuple[AlertStatus, str | None]]:
        """What it was told, by alert key: the status, and why it did not take it for good."""
        news: dict[str, tuple[AlertStatus, str | None]] = {}
        before = self._state
        for alert in sorted(alerts.values(), key=_urgency):
            silenced = any(silence.covers(alert) for silence in silences)
            status = alert.wanted(self._name, silenced)
            if status is None or not (self._name in alert.told or self._is_routed(alert)):
                continue
            if not self._may_send():
                break
            attempt = await self._try(alert, status)
            if attempt.trouble is None:
                news[alert.key] = (status, None)
            elif not attempt.again:
                news[alert.key] = (status, attempt.trouble)
        if self._state != before:
            await Keeper(self._plugin.kv).keep_sink(self._name, self._state)
        return news

    def _is_routed(self, alert: Tracked) -> bool:
        route = self._settings.routes.get(self._name, _EVERYTHING)
        return route.admits(alert.rule, Severity(alert.severity))

    def _may_send(self) -> bool:
        now = self._plugin.clock.time()
        recent = [sent for sent in self._state.sent if sent > now - RATE_WINDOW]
        return now >= self._state.later and len(recent) < self._settings.max_notices

    async def _try(self, alert: Tracked, status: AlertStatus) -> Attempt:
        now = self._plugin.clock.time()
        try:
            answer = await self._send(alert=alert.alert(status, self._source))
            attempt = answer if isinstance(answer, Attempt) else Attempt()
        except RuntimeError as error:  # it failed as a plugin; the hub has logged where
            attempt = Attempt(str(error), again=True)
        trouble = None if attempt.trouble is None else clean(attempt.trouble, LONGEST_TEXT)
        sent = [*(each for each in self._state.sent if each > now - RATE_WINDOW), now]
        if trouble is None:
            self._state = SinkState(sent, later=now + attempt.after)
            self._plugin.log.info("alert told", sink=self._name, alert=alert.key, status=str(status))
        elif attempt.again:
            failures = self._state.failures + 1
            pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
            later = now + max(pause, attempt.after)
            self._state = SinkState(sent, failures, later, trouble)
            self._log("alert not told yet", alert, trouble)
        else:
            self._state = replace(self._state, sent=sent, trouble=trouble)
            self._log("alert refused by its sink", alert, trouble)
        return replace(attempt, trouble=trouble)

    def _log(self, event: str, alert: Tracked, trouble: str) -> None:
        self._plugin.log.warning(event, sink=self._name, alert=alert.key, reason=trouble)


def _urgency(alert: Tracked) -> tuple[int, float, str]:
    """The most urgent first, then the oldest."""
    return (-Severity(alert.severity).rank, alert.fired or alert.began, alert.key)
