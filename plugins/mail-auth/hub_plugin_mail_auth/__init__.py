"""Who a message is really from: found out once it is there, written on top of it, acted on as configured.

`judging` finds out, `deciding` decides, `reports` keeps what aggregate reports are made of, `telling` sends
them as `aggregate` writes them, `cli` explains.
"""

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from hub import (
    AUTH_RESULTS,
    Address,
    AuthResult,
    Envelope,
    Finding,
    Message,
    Networks,
    Plugin,
    Session,
    StashKey,
    claims_authserv_id,
    hookimpl,
    host_address,
    results_field,
)
from hub_plugin_mail_auth.aggregate import Reporter
from hub_plugin_mail_auth.deciding import Decision, decide
from hub_plugin_mail_auth.judging import Hop, Judgement, judge
from hub_plugin_mail_auth.reports import Reports
from hub_plugin_mail_auth.settings import Settings
from hub_plugin_mail_auth.tables import METADATA
from hub_plugin_mail_auth.telling import Telling

__all__ = ["Settings"]

FIELD: Final = "Authentication-Results"
EXEMPT = StashKey[Networks]()
REPORTS = StashKey[Reports]()
ORGANIZATION = StashKey[Callable[[str], str] | None]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Read the networks, load the list of suffixes where it is wanted, begin to count."""
    settings = plugin.settings(Settings)
    plugin.stash[EXEMPT] = Networks(settings.exempt)
    plugin.stash[ORGANIZATION] = None
    if settings.organization == "public-suffix-list":
        plugin.stash[ORGANIZATION] = await asyncio.to_thread(_by_list)
    if settings.keep:
        tables = await plugin.tables(METADATA)
        reports = await plugin.enter(Reports(tables, plugin.clock, settings.keep))
        plugin.stash[REPORTS] = reports
        plugin.every(60, reports.flush)
        plugin.every(3600, reports.forget, once=True)
        if settings.report_from is not None:
            sender = Address.parse(settings.report_from)
            reporter = Reporter(sender, settings.report_organization or sender.domain)
            telling = Telling(plugin, tables, reporter, plugin.stash[ORGANIZATION])
            plugin.every(3600, telling.tell, once=True)


def _by_list() -> Callable[[str], str]:
    from publicsuffixlist import PublicSuffixList

    private = PublicSuffixList().privatesuffix
    return lambda domain: private(domain) or domain


@hookimpl
async def smtp_mail(envelope: Envelope) -> None:
    """Promise results to those who judge the same message."""
    envelope.stash[AUTH_RESULTS] = asyncio.get_running_loop().create_future()


@hookimpl
async def check_message(
    plugin: Plugin, session: Session, envelope: Envelope, message: Message
) -> Finding | None:
    """Judge mail of strangers; take away what speaks in our name, whoever sent it."""
    results: Sequence[AuthResult] = ()
    client = host_address(session.peer[0])
    if client is None or session.peer[0] in plugin.stash[EXEMPT]:
        _keep_promise(envelope, results)
        return None
    settings = plugin.settings(Settings)
    name = settings.authserv_id or plugin.hostname
    forged = _forged(message, name)
    try:
        if session.protocol != "smtp" or session.identity is not None:
            return Finding(removes=forged) if forged else None
        found = await _judged(plugin, settings, session, envelope, message, client, name)
        results = found.results()
    finally:
        _keep_promise(envelope, results)
    decision = decide(found, settings)
    _count(plugin, session, envelope, found, decision)
    headers = [(FIELD, results_field(name, results))]
    if settings.received_spf:
        headers.append(("Received-SPF", _received_spf(found, client, session)))
    finding = decision.finding
    return Finding(finding.score, finding.action, finding.reasons, tuple(headers), forged)


async def _judged(
    plugin: Plugin,
    settings: Settings,
    session: Session,
    envelope: Envelope,
    message: Message,
    client: IPv4Address | IPv6Address,
    name: str,
) -> Judgement:
    return await judge(
        plugin.dns,
        Hop(client, envelope.reverse_path, session.greeting or ""),
        message,
        message_id=envelope.id,
        receiver=name,
        now=plugin.clock.time(),
        seconds=settings.timeout,
        organization=plugin.stash[ORGANIZATION],
    )


def _keep_promise(envelope: Envelope, results: Sequence[AuthResult]) -> None:
    pending = envelope.stash.get(AUTH_RESULTS)
    if pending is not None and not pending.done():
        pending.set_result(results)


def _forged(message: Message, name: str) -> tuple[int, ...]:
    """The fields of results that claim to be ours (RFC 8601 §5)."""
    headers = message.headers
    if FIELD not in headers:
        return ()
    block, wanted = headers.block, FIELD.lower().encode()
    return tuple(
        number
        for number, field in enumerate(headers.fields)
        if block[field.name_start : field.name_end].lower() == wanted
        and claims_authserv_id(block[field.value_start : field.value_end], name)
    )


def _count(
    plugin: Plugin, session: Session, envelope: Envelope, found: Judgement, decision: Decision
) -> None:
    reports = plugin.stash.get(REPORTS)
    if reports is not None and found.dmarc.record is not None and found.dmarc.record.rua:
        reports.add(session.peer[0], envelope.reverse_path, found, decision)


def _received_spf(found: Judgement, client: IPv4Address | IPv6Address, session: Session) -> str:
    spf = found.spf
    values = {
        "client-ip": str(client),
        "envelope-from": spf.sender,
        "helo": session.greeting or "",
        "identity": spf.identity,
    }
    said = ";\r\n\t".join(f"{key}={_quoted(value)}" for key, value in values.items())
    return f"{spf.result} {said}"


def _quoted(value: str) -> str:
    shown = "".join(each if " " <= each <= "~" else "?" for each in value[:250])
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
