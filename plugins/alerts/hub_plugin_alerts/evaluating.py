"""A look at all the rules, by one worker of the hub at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from hub import Plugin, Poster, StashKey
from hub_plugin_alerts.counting import Counter
from hub_plugin_alerts.history import History, Sample
from hub_plugin_alerts.keeping import Keeper, SinkState
from hub_plugin_alerts.measuring import count_restarts, minute_of, samples_of
from hub_plugin_alerts.observing import Window, fold, minutes_of, observe_events, observe_metric
from hub_plugin_alerts.sending import HOOK, tell_all
from hub_plugin_alerts.settings import Rule, Settings
from hub_plugin_alerts.tracking import Tracked, end, go_on

COUNTER = StashKey[Counter]()
HISTORY = StashKey[History]()
POSTER = StashKey[Poster]()
BEATEN = StashKey[float]()

HEARTBEAT: Final = "heartbeat"
"""What it is called among the sinks."""


async def flush(plugin: Plugin) -> None:
    """Write down what this worker has counted; what cannot be written is kept for the next time."""
    counter = plugin.stash[COUNTER]
    taken = counter.take()
    try:
        await plugin.stash[HISTORY].add(taken)
    except BaseException:
        counter.give_back(taken)
        raise


async def evaluate(plugin: Plugin) -> None:
    """Measure, look at each rule, tell the sinks, and let the heartbeat go out if all that was possible."""
    settings = plugin.settings(Settings)
    status = await plugin.status()
    samples = samples_of(status)
    await count_restarts(plugin, plugin.stash[COUNTER], status)
    await flush(plugin)
    await plugin.stash[HISTORY].measure(plugin.clock.time(), samples)
    await _look(plugin, settings, samples)
    source = str(status["hostname"])
    await _beat(plugin, settings, source)
    await tell_all(plugin, settings, source)
    await show_sinks(plugin)


async def _look(plugin: Plugin, settings: Settings, samples: Sequence[Sample]) -> None:
    now = plugin.clock.time()
    rules = {name: rule for name, rule in settings.rules.items() if rule.enabled}
    keeper = Keeper(plugin.kv)
    known = await keeper.alerts()
    windows = await _windows(plugin, rules.values(), minute_of(now))
    changed: dict[str, Tracked | None] = {}
    for name, rule in rules.items():
        if rule.metric is None:
            seen = observe_events(name, rule, windows[minutes_of(rule)].sums)
        else:
            seen = observe_metric(name, rule, samples)
        seen = fold(name, seen, known, settings.max_alerts)
        changed |= go_on(name, rule, seen, known, now)
    for key, alert in known.items():
        if alert.rule not in rules and (after := end(alert, now)) != alert:
            changed[key] = after
    for key, after in changed.items():
        if await keeper.keep(key, known.get(key), after):
            _log(plugin, known.get(key), after)


async def _windows(plugin: Plugin, rules: Collection[Rule], minute: int) -> dict[int, Window]:
    """The counts of the windows that the rules have, by their minutes."""
    windows = {length: Window(length) for length in {minutes_of(rule) for rule in rules if rule.event}}
    if windows:
        entries = await plugin.stash[HISTORY].events(minute - max(windows) + 1)
        for length, window in windows.items():
            window.add(each for each in entries if each[0][0] > minute - length)
    return windows


async def _beat(plugin: Plugin, settings: Settings, source: str) -> None:
    """Say that alerting lives, if it is time to."""
    now, heartbeat = plugin.clock.time(), settings.heartbeat
    if heartbeat is None or now < plugin.stash.get(BEATEN, 0.0) + heartbeat.every:
        return
    plugin.stash[BEATEN] = now
    body = json.dumps({"source": source, "time": now}).encode()
    attempt = await plugin.stash[POSTER].post(heartbeat.url.reveal(), body)
    if attempt.trouble is not None:
        plugin.log.warning("the heartbeat was not taken", reason=attempt.trouble)
    keeper = Keeper(plugin.kv)
    known = (await keeper.sinks()).get(HEARTBEAT, SinkState())
    if attempt.trouble != known.trouble:
        await keeper.keep_sink(HEARTBEAT, SinkState(trouble=attempt.trouble))


async def show_sinks(plugin: Plugin) -> None:
    """Say in the hub's status how the sinks and the heartbeat do; each worker says what any has found."""
    alive = {HEARTBEAT, *plugin.implementations(HOOK)}
    for name, state in (await Keeper(plugin.kv).sinks()).items():
        plugin.dependency(name, state.trouble if name in alive else None)


def _log(plugin: Plugin, before: Tracked | None, after: Tracked | None) -> None:
    if after is not None and (before is None or after.state != before.state) and after.state != "pending":
        say = plugin.log.warning if after.state == "firing" else plugin.log.info
        say(f"alert {after.state}", alert=after.key, severity=after.severity, summary=after.summary)


async def forget(plugin: Plugin) -> None:
    """Remove what is older than it has to be."""
    keep = plugin.settings(Settings).keep
    await plugin.stash[HISTORY].forget(minute_of(plugin.clock.time() - keep))
