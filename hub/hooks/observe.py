"""What happens around the mail: connections, logins, the plugins themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from hub.hooks.markers import NOTIFY, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.hooks.span import Span
from hub.mail.login import AccountRef, Identity

TraceRecord: TypeAlias = tuple[int, str | None, str, str, str | None, str, int, str]
"""(microseconds since the session began, message id, kind, name, plugin, outcome,
microseconds it took, detail).

kind is `session`, `command`, `hook`, `commit`, `delivery` or `note`; name is the command, the hook, the
mailbox …
"""


@hookspec(NOTIFY)
async def session_opened(plugin: Plugin, session: Session) -> None:
    """A client has connected and was greeted."""


@hookspec(NOTIFY)
async def session_closed(plugin: Plugin, session: Session) -> None:
    """A connection has ended, whoever ended it."""


@hookspec(NOTIFY)
async def session_recorded(
    plugin: Plugin, session_id: str, protocol: str, records: tuple[TraceRecord, ...], dropped: int
) -> None:
    """What has happened in a session, as `hub trace` shows it: all of every session, for whoever counts.

    It runs when a session has ended, and in between once it has more than 200 records; each record comes
    once. `dropped`: how many fell out of the middle of a session that was too long. Names and details are
    often the client's own words.
    """


@hookspec(NOTIFY)
async def session_traced(plugin: Plugin, session_id: str, spans: tuple[Span, ...]) -> None:
    """What happened in a session, as spans for whoever looks at traces (OpenTelemetry, Zipkin …).

    It runs when a session has ended, and now and then in a long one: each span comes once, and a message
    comes whole. Only what `[trace.sampling]` chooses is there; addresses in it are redacted as
    `log.addresses` says. If nobody implements it no span is made. `SpanSender` queues and sends spans,
    `make_spans` gives them to a tracer provider of OpenTelemetry:

        @hookimpl
        async def session_traced(plugin, spans):
            plugin.log.info("traced", names=" ".join(span.name for span in spans))
    """


@hookspec(NOTIFY)
async def login_succeeded(plugin: Plugin, session: Session, identity: Identity, mechanism: str) -> None:
    """Somebody has logged in; mechanism: the SASL name, or LOGIN for IMAP's own command."""


@hookspec(NOTIFY)
async def login_failed(plugin: Plugin, session: Session, username: str, mechanism: str, reason: str) -> None:
    """A login was refused; `username` is what the client sent, unverified."""


@hookspec(NOTIFY)
async def account_alarmed(plugin: Plugin, account: AccountRef, name: str, what: str, text: str) -> None:
    """An account behaves as if somebody else had its password.

    `name` is the one that it logs in by; `what` says in a word of what there was too much, such as
    `strangers`, and `text` in a sentence. A plugin has found it out and calls this hook:
    `await plugin.call("account_alarmed", …)`.
    """


@hookspec(NOTIFY)
async def breaker_opened(plugin: Plugin, name: str, hook: str, reason: str) -> None:
    """The plugin `name` failed too often and is no longer asked.

    `hook` answers by its failure rule until a probe succeeds.
    """


@hookspec(NOTIFY)
async def breaker_closed(plugin: Plugin, name: str, hook: str) -> None:
    """A probe succeeded: the plugin `name` is asked again."""


@hookspec(NOTIFY)
async def plugins_reloaded(plugin: Plugin, generation: int, changed: Mapping[str, str]) -> None:
    """A new generation serves; `changed` maps plugin names to `added`, `replaced` or `removed`."""


@hookspec(NOTIFY)
async def reload_refused(plugin: Plugin, errors: tuple[str, ...]) -> None:
    """A new generation could not be built; the old one goes on. `errors`.

    A line each, with file and line where known.
    """
