"""SMTP: messages accepted and durably delivered, and what they cost, beside Postfix."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench import hub_server, postfix
from bench.cpu import settled_seconds
from bench.figure import Figure, Goal
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import Server
from bench.smtp_source import Load, send
from bench.svg import Bars

PEER: Final = "Postfix"
SESSIONS: Final = (20, 100)
"""Twenty, and what Postfix serves at once by default (default_process_limit)."""
PATIENCE: Final = 120.0
"""Seconds that a server gets to deliver what it has accepted."""


@dataclass(frozen=True, slots=True)
class Workload:
    """share: it sends one in so many of the messages, so that large ones take no longer.

    ratio: how many times the peer's rate is wanted. cpu: the most µs per message that are wanted.
    """

    name: str
    size: int
    reuse: bool
    share: int
    ratio: float
    cpu: float | None = None

    def load(self, messages: int, sessions: int) -> Load:
        """At least one message."""
        return Load(max(1, messages // self.share), self.size, self.reuse, sessions)


WORKLOADS: Final = (
    Workload("4 KiB, reused", 4096, reuse=True, share=1, ratio=10, cpu=250),
    Workload("4 KiB, new", 4096, reuse=False, share=1, ratio=6),
    Workload("64 KiB, reused", 65536, reuse=True, share=4, ratio=4),
)


class Lost(Exception):
    """A server said 250 for what is not in its mailbox, or has more there than it was given."""


def measure(options: Options) -> Report:
    """Start the servers, warm them up, measure each workload. NotStarted, LoadFailed, Lost."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {**hub_server.all_running(stack, options), **peers(stack, options)}
        for server in servers.values():
            deliver(server, Load(min(200, options.messages), 4096))
        figures = [
            figure
            for workload in WORKLOADS
            for sessions in SESSIONS
            for figure in _figures(workload, sessions, servers, options)
        ]
        setups = {subject: server.setup for subject, server in servers.items()}
    return Report(
        area="smtp",
        title="SMTP: accepted and durably in the mailbox",
        setups=setups,
        figures=figures,
        notes=[
            "Load: smtp-source(1), one mailbox; the clock stops when all mail is in it.",
            "reused: many mails over each connection; new: a connection per mail.",
            "The load's own CPU comes out of the same cores.",
            "Nothing is synced any less than by default, on either side.",
            *without_peer(),
        ],
        charts=[
            _chart("rate", "Mail accepted and in the mailbox", "mails/s", figures, list(servers)),
            _chart("cpu", "What a mail costs the server", "CPU µs/mail", figures, list(servers)),
        ],
    )


def peers(stack: ExitStack, options: Options) -> Mapping[str, Server]:
    """Whoever can be run here beside the hub. NotStarted."""
    if postfix.missing() is not None:
        return {}
    return {PEER: stack.enter_context(postfix.running(options.folder / "postfix"))}


def without_peer() -> Sequence[str]:
    """A note for the report where there is no peer."""
    why = postfix.missing()
    return [] if why is None else [f"Without a peer: {why}."]


def _figures(
    workload: Workload, sessions: int, servers: Mapping[str, Server], options: Options
) -> Iterator[Figure]:
    load = workload.load(options.messages, sessions)
    name = f"{workload.name}, {sessions} sessions"
    options.say(f"{name}: {load.messages} mails")
    works = {subject: partial(deliver, server, load) for subject, server in servers.items()}
    rounds = interleave(works, options.rounds, options.say)
    yield Figure(name, "mails/s", "rate", rounds, Goal(workload.ratio, PEER))
    yield Figure(name, "CPU µs/mail", "cpu", rounds, None if workload.cpu is None else Goal(workload.cpu))
    yield Figure(f"{name}, the load's own", "CPU µs/mail", "load cpu", rounds)


def _chart(name: str, title: str, unit: str, figures: Sequence[Figure], subjects: Sequence[str]) -> Bars:
    drawn = [figure for figure in figures if figure.key == name]
    groups = [figure.name.removesuffix(" sessions") for figure in drawn]
    series = {subject: [figure.median(subject) for figure in drawn] for subject in subjects}
    return Bars(name, f"{title}, by workload and sessions", unit, groups, series)


def deliver(server: Server, load: Load) -> Values:
    """Send it all, and see that it is all in the mailbox. Lost, LoadFailed."""
    stored = server.stored()
    used, began = settled_seconds(server.pid), time.monotonic()
    generator = send(load, server.port)
    if not server.delivers_first:
        await_stored(server, stored + load.messages)
    seconds = time.monotonic() - began
    used = settled_seconds(server.pid) - used
    if (found := server.stored() - stored) != load.messages:
        raise Lost(f"{found} of {load.messages} messages are in the mailbox")
    return {
        "rate": load.messages / seconds,
        "cpu": used / load.messages * 1e6,
        "load cpu": generator / load.messages * 1e6,
    }


def await_stored(server: Server, count: int) -> None:
    """Until that many are in the mailbox, or patience is at an end."""
    deadline = time.monotonic() + PATIENCE
    while server.stored() < count and time.monotonic() < deadline:
        time.sleep(0.01)
