"""SMTP: messages accepted and durably delivered, and what they cost, beside Postfix."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench import hub_server, postfix
from bench.cpu import settled_seconds
from bench.figure import HUB, Figure, Goal
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, Work, interleave
from bench.server import Server
from bench.smtp_source import Load, send

PEER: Final = "Postfix"
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

    def load(self, messages: int) -> Load:
        """At least one message."""
        return Load(max(1, messages // self.share), self.size, self.reuse)


WORKLOADS: Final = (
    Workload("4 KiB, reused", 4096, reuse=True, share=1, ratio=10, cpu=250),
    Workload("4 KiB, new", 4096, reuse=False, share=1, ratio=6),
    Workload("64 KiB, reused", 65536, reuse=True, share=4, ratio=4),
)


class Lost(Exception):
    """A server said 250 for what is not in its mailbox, or has more there than it was given."""


def measure(options: Options) -> Report:
    """Start the servers, warm them up, measure each workload. NotStarted, LoadFailed, Lost."""
    why_alone = postfix.missing()
    with ExitStack() as stack:
        servers: dict[str, Server] = {
            HUB: stack.enter_context(hub_server.running(options.folder / "hub", options.workers))
        }
        if why_alone is None:
            servers[PEER] = stack.enter_context(postfix.running(options.folder / "postfix"))
        for server in servers.values():
            deliver(server, Load(min(200, options.messages), 4096))
        figures = [figure for workload in WORKLOADS for figure in _figures(workload, servers, options)]
        setups = {subject: server.setup for subject, server in servers.items()}
    return Report(
        area="smtp",
        title="SMTP: accepted and durably in the mailbox",
        setups=setups,
        figures=figures,
        notes=[
            "Load: smtp-source(1), 20 sessions, one mailbox; the clock stops when all mail is in it.",
            "reused: many mails over each connection; new: a connection per mail.",
            "Nothing is synced any less than by default, on either side.",
            *([] if why_alone is None else [f"Without a peer: {why_alone}."]),
        ],
    )


def _figures(workload: Workload, servers: Mapping[str, Server], options: Options) -> Iterator[Figure]:
    load = workload.load(options.messages)
    options.say(f"{workload.name}: {load.messages} mails")
    rounds = interleave(_works(servers, load), options.rounds, options.say)
    yield Figure(workload.name, "mails/s", "rate", rounds, Goal(workload.ratio, PEER))
    cpu = None if workload.cpu is None else Goal(workload.cpu)
    yield Figure(workload.name, "CPU µs/mail", "cpu", rounds, cpu)


def _works(servers: Mapping[str, Server], load: Load) -> Mapping[str, Work]:
    return {subject: partial(deliver, server, load) for subject, server in servers.items()}


def deliver(server: Server, load: Load) -> Values:
    """Send it all, and see that it is all in the mailbox. Lost, LoadFailed."""
    stored = server.stored()
    used, began = settled_seconds(server.pid), time.monotonic()
    send(load, server.port)
    if not server.delivers_first:
        _await_stored(server, stored + load.messages)
    seconds = time.monotonic() - began
    used = settled_seconds(server.pid) - used
    if (found := server.stored() - stored) != load.messages:
        raise Lost(f"{found} of {load.messages} messages are in the mailbox")
    return {"rate": load.messages / seconds, "cpu": used / load.messages * 1e6}


def _await_stored(server: Server, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.stored() < count and time.monotonic() < deadline:
        time.sleep(0.01)
