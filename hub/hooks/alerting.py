"""Telling an operator."""

from __future__ import annotations

from hub.hooks.markers import COLLECT, hookspec
from hub.hooks.plugin import Plugin
from hub.mail.alert import Alert, Attempt


@hookspec(COLLECT, timeout=20)
async def send_alert(plugin: Plugin, alert: Alert) -> Attempt | None:
    """Tell somebody of an alert: page, post, write.

    The plugin `alerts` calls each implementation by itself, whenever an alert that is routed to it begins,
    is acknowledged, or is resolved. Return `Attempt()` once the service has it. With `again=True` the same
    alert comes once more, no sooner than `after` seconds, by then perhaps with another status; without it
    that notice is given up and `hub alerts list` says why. None counts as told. A failure is tried again.
    The same notice may come twice if the hub is killed between sending and noting it down.

        @hookimpl
        async def send_alert(plugin, alert):
            plugin.log.error(alert.summary, severity=alert.severity, status=alert.status)
            return Attempt()
    """
