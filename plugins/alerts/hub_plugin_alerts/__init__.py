"""Alerting: events counted, metrics measured, rules that look at both, and alerts that reach an operator.

    hooks ─► a counter in each worker ─► history, by minute ─┐
    hub status ─► samples ─────────────► history, by minute ─┴► rules ─► alerts ─► sinks (`send_alert`)

Each worker writes down what it has counted; one of them, by a lease, looks at the rules. What it knows lies
in the store, so it may be another one the next time. Nothing of it goes through the mail queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from hub import Address, BounceClass, Plugin, Session, hookimpl, open_poster
from hub_plugin_alerts.counting import Counter
from hub_plugin_alerts.evaluating import COUNTER, HISTORY, POSTER, evaluate, flush, forget, show_sinks
from hub_plugin_alerts.history import History
from hub_plugin_alerts.settings import Settings as Settings
from hub_plugin_alerts.tables import METADATA

HOUR = 3600.0


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Open the tables, count from now on, and look at the rules on one worker."""
    settings = plugin.settings(Settings)
    plugin.stash[COUNTER] = Counter()
    plugin.stash[HISTORY] = History(await plugin.tables(METADATA))
    plugin.stash[POSTER] = await plugin.enter(open_poster())
    await plugin.enter(_flushed_at_the_end(plugin))
    plugin.every(settings.interval / 2, partial(flush, plugin))
    plugin.every(settings.interval, partial(show_sinks, plugin))
    plugin.every(settings.interval, partial(evaluate, plugin), once=True)
    plugin.every(HOUR, partial(forget, plugin), once=True)


@asynccontextmanager
async def _flushed_at_the_end(plugin: Plugin) -> AsyncIterator[None]:
    yield
    await flush(plugin)


@hookimpl
async def message_accepted(plugin: Plugin, session: Session) -> None:
    """Counted for shares."""
    plugin.stash[COUNTER].add(plugin.clock.time(), "message_accepted", {"protocol": session.protocol})


@hookimpl
async def message_refused(plugin: Plugin, session: Session, code: int) -> None:
    """Counted by the code; the text may hold addresses and is not kept."""
    labels = {"code": str(code), "protocol": session.protocol}
    plugin.stash[COUNTER].add(plugin.clock.time(), "message_refused", labels)


@hookimpl
async def recipient_refused(plugin: Plugin, session: Session, code: int) -> None:
    """Counted by the code."""
    labels = {"code": str(code), "protocol": session.protocol}
    plugin.stash[COUNTER].add(plugin.clock.time(), "recipient_refused", labels)


@hookimpl
async def message_sent(plugin: Plugin, recipient: Address) -> None:
    """Counted for shares."""
    labels = {"domain": recipient.ascii_domain.lower()}
    plugin.stash[COUNTER].add(plugin.clock.time(), "message_sent", labels)


@hookimpl
async def message_deferred(plugin: Plugin, recipient: Address, bounce: BounceClass, text: str) -> None:
    """Counted by why and by domain, with what was said."""
    labels = {"bounce": bounce, "domain": recipient.ascii_domain.lower()}
    plugin.stash[COUNTER].add(plugin.clock.time(), "message_deferred", labels, text)


@hookimpl
async def message_bounced(plugin: Plugin, recipient: Address, bounce: BounceClass, text: str) -> None:
    """Counted by why and by domain, with what was said."""
    labels = {"bounce": bounce, "domain": recipient.ascii_domain.lower()}
    plugin.stash[COUNTER].add(plugin.clock.time(), "message_bounced", labels, text)


@hookimpl
async def login_failed(plugin: Plugin, session: Session, mechanism: str) -> None:
    """Counted by client; the name is not kept, for people type passwords there."""
    labels = {"client": session.peer[0], "mechanism": mechanism, "protocol": session.protocol}
    plugin.stash[COUNTER].add(plugin.clock.time(), "login_failed", labels)


@hookimpl
async def account_alarmed(plugin: Plugin, name: str, what: str, text: str) -> None:
    """Counted by account, with the reason."""
    plugin.stash[COUNTER].add(plugin.clock.time(), "account_alarmed", {"account": name, "what": what}, text)


@hookimpl
async def breaker_opened(plugin: Plugin, name: str, hook: str, reason: str) -> None:
    """Counted by plugin, with the reason."""
    plugin.stash[COUNTER].add(plugin.clock.time(), "breaker_opened", {"plugin": name, "hook": hook}, reason)


@hookimpl
async def reload_refused(plugin: Plugin, errors: tuple[str, ...]) -> None:
    """Counted, with the first error."""
    plugin.stash[COUNTER].add(plugin.clock.time(), "reload_refused", {}, next(iter(errors), ""))
