"""Spans out of the records of a session. A message is a trace of its own, and what belongs to none is one.

session ·· linked ·· message                               (in the trace of its sender, if that may say so)
├── connect              ├── MAIL ── smtp_mail deny-list
├── EHLO                 ├── RCPT ── smtp_rcpt greylist
└── QUIT                 └── DATA ── check_message clamav, commit, delivery

A step ends before the command that it belongs to, and so stands before it in the records. Notes become
events.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from hub.config.model import HubSettings
from hub.config.tables.observing import SamplingTable
from hub.hooks.span import Attribute, Span, SpanEvent
from hub.mail.address import Address, AddressError, parse_path
from hub.mail.redaction import Policy, redacted, redacted_host
from hub.mail.traceparent import TraceParent, message_context, own_context, own_trace_id, parse_traceparent
from hub.trace.record import DETAIL, KIND, MESSAGE, NAME, OUTCOME, RELAY, Record, Spanned, Trace
from hub.trace.sampling import is_chosen, is_sampled

HELD: Final = 1000
"""Records of a message under way that are kept from one `take` to the next."""
LINKS: Final = 100
NAMED: Final = 20
"""Messages that a session's span links to, and recipients that a message's span names."""
LONGEST: Final = 500
"""Characters of a detail."""
_SUSPECT: Final = "45NBf"
"""How the outcome of what has failed may begin."""


class _Sorted:
    """Records by message, in one pass, for most of them are looked at for nothing.

    failed: the messages in which something did; parents: the spans that messages have named as theirs.
    """

    __slots__ = ("failed", "groups", "parents")

    def __init__(self, records: Iterable[Record]) -> None:
        self.groups: dict[str | None, list[Record]] = {}
        self.failed: set[str | None] = set()
        self.parents: dict[str | None, TraceParent | None] = {}
        group: list[Record] | None = None
        current: str | None = None
        for record in records:
            if group is None or record[MESSAGE] != current:
                current = record[MESSAGE]
                group = self.groups.setdefault(current, [])
            group.append(record)
            if record[OUTCOME][:1] in _SUSPECT:
                if has_failed(record):
                    self.failed.add(current)
            elif record[NAME] == "traceparent":
                self.parents[current] = parse_traceparent(record[DETAIL].encode())


def spans_of(trace: Trace, settings: HubSettings) -> tuple[Span, ...]:
    """The spans of all that the trace holds now and that is chosen; a message under way waits for its end."""
    state = trace.spanned
    records = trace.records if state is None else [*state.held, *trace.records]
    if not records:
        return ()
    if trace.about.startswith(RELAY):
        return _relayed(trace, settings)
    is_over = records[-1][KIND] == "session" and records[-1][OUTCOME] == "closed"
    if state is None:
        state = trace.spanned = Spanned()
    found = _Sorted(records)
    own = found.groups.pop(None, [])
    state.held = [] if is_over else found.groups.pop(trace.message, [])[-HELD:]
    spans: list[Span] = []
    for message, of_message in found.groups.items():
        assert message is not None
        if _is_chosen(trace, settings.trace.sampling, message, of_message, found):
            spans += _message(trace, settings, message, of_message, found.parents.get(message))
    sampling = settings.trace.sampling
    state.chosen = (
        state.chosen
        or bool(spans)
        or (sampling.errors and None in found.failed)
        or is_sampled(sampling, own_trace_id(trace.session_id), trace.listener)
    )
    if state.chosen:
        spans += _session(trace, settings, own, is_over=is_over)
    return tuple(spans)


def _relayed(trace: Trace, settings: HubSettings) -> tuple[Span, ...]:
    """A try to send a message on: children of the span that the message's arrival has made."""
    message, records, sampling = trace.message, trace.records, settings.trace.sampling
    assert message is not None
    context = _Sorted(records).parents.get(message) or own_context(message)
    if not context.sampled and not (sampling.errors and any(map(has_failed, records))):
        return ()
    tree = _Tree(trace, settings.log.addresses, context)
    tree.add(records)
    return tuple(tree.spans)


def _is_chosen(
    trace: Trace, sampling: SamplingTable, message: str, records: Sequence[Record], found: _Sorted
) -> bool:
    if sampling.errors and message in found.failed:
        return True
    if is_sampled(sampling, own_trace_id(message), trace.listener, found.parents.get(message)):
        return True
    return bool(sampling.senders) and is_chosen(sampling, _sender(records))


def has_failed(record: Record) -> bool:
    """Whether a record counts as an error: 4xx, 5xx, NO, BAD, a step, a handshake or a relay that failed."""
    if record[KIND] == "relay":
        return record[OUTCOME] != "sent"
    return record[OUTCOME] == "failed" or (record[KIND] == "command" and record[OUTCOME][:1] in "45NB")


def _session(trace: Trace, settings: HubSettings, records: Sequence[Record], *, is_over: bool) -> list[Span]:
    tree = _Tree(trace, settings.log.addresses, own_context(trace.session_id))
    tree.add(records)
    if is_over:
        state = cast(Spanned, trace.spanned)
        attributes = _client(trace, tree.policy)
        name = f"{attributes['network.protocol.name']} session"
        tree.root(records, name, attributes, links=tuple(state.messages), since=trace.started_at)
    return tree.spans


def _message(
    trace: Trace,
    settings: HubSettings,
    message: str,
    records: Sequence[Record],
    parent: TraceParent | None,
) -> list[Span]:
    context = message_context(message, parent, sampled=True)
    tree = _Tree(trace, settings.log.addresses, context)
    tree.add(records)
    session = own_context(trace.session_id)
    tree.root(
        records,
        "message",
        _client(trace, tree.policy) | _about(message, records, tree.policy),
        parent=parent,
        links=((session.trace_id, session.span_id),),
    )
    links = cast(Spanned, trace.spanned).messages
    if len(links) < LINKS:
        links.append((context.trace_id, context.span_id))
    return tree.spans


class _Tree:
    """The spans below one root, and then the root."""

    def __init__(self, trace: Trace, policy: Policy, context: TraceParent) -> None:
        self.policy: Policy = policy
        self.spans: list[Span] = []
        self._trace = trace
        self._context = context
        self._events: tuple[SpanEvent, ...] = ()

    def add(self, records: Iterable[Record]) -> None:
        """Commands with what led to them; what is left over belongs to the root."""
        parts: list[Record] = []
        for record in records:
            if record[KIND] == "command":
                span = self._child(record, self._context.span_id, self._noted(parts))
                self.spans.append(span)
                self._add_parts(parts, span.span_id)
                parts = []
            elif record[KIND] != "session":
                parts.append(record)
        self._add_parts(parts, self._context.span_id)
        self._events = self._noted(parts)

    def root(
        self,
        records: Sequence[Record],
        name: str,
        attributes: Mapping[str, Attribute],
        *,
        parent: TraceParent | None = None,
        links: tuple[tuple[int, int], ...] = (),
        since: float | None = None,
    ) -> None:
        """The span over all of them. since: when it began, if that was before these records."""
        context = self._context
        is_kept = any(record[KIND] == "commit" for record in records)
        failures = [] if is_kept else [record[OUTCOME] for record in records if has_failed(record)]
        start = min(self._at(record[0]) for record in records)
        self.spans.append(
            Span(
                context.trace_id,
                context.span_id,
                None if parent is None else parent.span_id,
                name,
                "server",
                start if since is None else int(since * 1e9),
                max(self._at(record[0] + record[6]) for record in records),
                failures[-1] if failures else None,
                _with_error(attributes, failures[-1] if failures else None),
                self._events,
                links,
                parent is not None,
            )
        )

    def _add_parts(self, records: Iterable[Record], parent: int) -> None:
        self.spans += [self._child(record, parent, ()) for record in records if record[KIND] != "note"]

    def _child(self, record: Record, parent: int, events: tuple[SpanEvent, ...]) -> Span:
        offset, _, _, _, _, outcome, took, detail = record
        failed = None
        if has_failed(record):
            failed = outcome if record[KIND] == "command" else _text(detail or outcome, self.policy)
        name, attributes = _described(record, self.policy)
        return Span(
            self._context.trace_id,
            random.getrandbits(64) or 1,
            parent,
            name,
            "internal",
            self._at(offset),
            self._at(offset + took),
            failed,
            _with_error(attributes, outcome if failed is not None else None),
            events,
        )

    def _noted(self, records: Iterable[Record]) -> tuple[SpanEvent, ...]:
        return tuple(
            SpanEvent(self._at(record[0]), record[NAME], MappingProxyType(_said(record, self.policy)))
            for record in records
            if record[KIND] == "note"
        )

    def _at(self, microseconds: int) -> int:
        return int(self._trace.started_at * 1e6) * 1000 + microseconds * 1000


def _described(record: Record, policy: Policy) -> tuple[str, dict[str, Attribute]]:
    """A span's name, of which there are few, and its attributes."""
    _, _, kind, name, plugin, outcome, _, detail = record
    match kind:
        case "command":
            # What a client has made up is no name.
            shown = "bad command" if outcome.startswith(("500 ", "BAD")) else name
            said: dict[str, Attribute] = {"hub.command": name, "hub.reply": outcome}
            path = _path(record) if shown in ("MAIL", "RCPT") else None
            if path is not None:
                said["hub.sender" if name == "MAIL" else "hub.recipient"] = _address(path, policy)
            elif shown not in ("MAIL", "RCPT") and detail:
                said["hub.detail"] = _text(detail, policy)
            return shown, said
        case "hook":
            return f"{name} {plugin}", {"hub.hook": name, "hub.plugin": plugin or ""} | _said(record, policy)
        case "commit":
            return "commit", {"hub.blob": name, "hub.size": _octets(detail)}
        case "relay":
            host, _, _ = detail.partition(" ")
            said = {"hub.recipient": _text(name, policy), **({"server.address": host} if host else {})}
            return kind, said | _said(record, policy)
        case _:
            where = "hub.recipient" if outcome == "queued" else "hub.mailbox"
            return kind, {where: _text(name, policy)} | _said(record, policy)


def _said(record: Record, policy: Policy) -> dict[str, Attribute]:
    detail = record[DETAIL]
    if record[NAME] == "login" and policy != "full":  # a user's name may be without a domain
        detail = detail.partition(" ")[0]
    return {"hub.outcome": record[OUTCOME], **({"hub.detail": _text(detail, policy)} if detail else {})}


def _client(trace: Trace, policy: Policy) -> dict[str, Attribute]:
    protocol, _, peer = trace.about.partition(" from ")
    host, _, port = peer.rpartition(":")
    return {
        "network.protocol.name": protocol,
        "hub.listener": trace.listener,
        "hub.session.id": trace.session_id,
        "client.address": redacted_host(host, policy),
        "client.port": int(port) if port.isdecimal() else 0,
    }


def _about(message: str, records: Sequence[Record], policy: Policy) -> dict[str, Attribute]:
    """What is known of a message."""
    accepted = [each for each in records if each[NAME] == "RCPT" and each[OUTCOME].startswith("2")]
    recipients = tuple(_address(_path(each), policy) for each in accepted[:NAMED])
    found: dict[str, Attribute] = {
        "hub.message.id": message,
        "hub.sender": _address(_sender(records), policy),
        "hub.recipients": recipients,
        "hub.recipients.count": len(accepted),
        "hub.outcome": "refused" if any(map(has_failed, records)) else "abandoned",
    }
    for each in records:
        if each[KIND] == "commit":
            found |= {"hub.outcome": "accepted", "hub.size": _octets(each[DETAIL])}
        elif each[NAME] == "Message-ID":
            found["hub.message.header_id"] = _text(each[DETAIL], policy)
    return found


def _with_error(attributes: Mapping[str, Attribute], kind: str | None) -> Mapping[str, Attribute]:
    """OpenTelemetry's `error.type` for what has failed: few different values."""
    found = dict(attributes)
    if kind is not None:
        found["error.type"] = kind[:3] if kind[:1] in "45" else kind
    return MappingProxyType(found)


def _sender(records: Iterable[Record]) -> Address | None:
    return next((_path(record) for record in records if record[NAME] == "MAIL"), None)


def _path(record: Record) -> Address | None:
    """The address after `FROM:` or `TO:`; None for the null reverse-path and for what is none."""
    try:
        return parse_path(record[DETAIL].partition(":")[2].encode(), utf8=True)[0]
    except AddressError:
        return None


def _address(address: Address | None, policy: Policy) -> str:
    return "" if address is None else str(redacted(address, policy))


def _text(text: str, policy: Policy) -> str:
    shown = str(redacted(text, policy))[:LONGEST]
    return shown.encode("utf-8", "replace").decode()  # a plugin may say half a surrogate pair


def _octets(detail: str) -> int:
    number = detail.partition(" ")[0]
    return int(number) if number.isdecimal() else 0
