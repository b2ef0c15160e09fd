"""Latency: how long a mail waits for its 250 while mail comes at half the rate that the server could take."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from bench import hub_server
from bench.arithmetic import arrivals, percentile
from bench.figure import HUB, Figure, Goal
from bench.open_loop import Mail, send_on_time
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import MAILBOX, Server
from bench.smtp import Lost, await_stored, deliver, peers, without_peer
from bench.smtp_source import Load
from bench.svg import Lines

SESSIONS: Final = 100
PERCENTILES: Final = (50, 95, 99, 99.9)
GOAL: Final = Goal(50)
SEED: Final = 5321


def measure(options: Options) -> Report:
    """Find each server's peak, then send at half of it. NotStarted, LoadFailed, Lost."""
    with ExitStack() as stack:
        hub = stack.enter_context(hub_server.running(options.folder / "hub", options.workers))
        servers: dict[str, Server] = {HUB: hub, **peers(stack, options)}
        peaks = {subject: _peak(server, options.messages) for subject, server in servers.items()}
        for subject, peak in peaks.items():
            options.say(
                f"{subject} takes {peak:,.0f} mails/s at most; now {options.seconds:g} s at half of it"
            )
        works = {
            subject: partial(_wait, server, peaks[subject] / 2, options.seconds)
            for subject, server in servers.items()
        }
        rounds = interleave(works, options.rounds, options.say)
        setups = {
            subject: {**server.setup, "peak": f"{peaks[subject]:,.0f} mails/s"}
            for subject, server in servers.items()
        }
    figures = [
        Figure(f"p{each:g}", "ms", f"p{each:g}", rounds, GOAL if each == 99 else None) for each in PERCENTILES
    ]
    return Report(
        area="latency",
        title="Latency at half the peak rate: from when a mail is due to its 250",
        setups=setups,
        figures=[
            *figures,
            Figure("slowest", "ms", "slowest", rounds),
            Figure("offered", "mails/s", "offered", rounds),
            Figure("the generator's own lateness, p99", "ms", "late", rounds),
            Figure("the generator's own", "CPU µs/mail", "load cpu", rounds),
        ],
        notes=[
            f"An open loop: 4 KiB mails at times fixed in advance, the gaps exponential, over {SESSIONS} "
            f"sessions for {options.seconds:g} s per round; a mail counts from when it was due, whether or "
            "not a session was free.",
            "Half the peak is each server's own: half of what smtp-source(1) gets into the mailbox over as "
            "many sessions, 4 KiB, reused, the better of two runs.",
            "The hub's 250 means delivered; Postfix's means queued.",
            "The generator is one process of Python on the same cores; its timers tick by the millisecond.",
            *without_peer(),
        ],
        charts=[_chart(figures, list(servers))],
    )


def _peak(server: Server, messages: int) -> float:
    load = Load(messages, 4096, True, SESSIONS)
    return max(deliver(server, load)["rate"] for _ in range(2))


def _wait(server: Server, rate: float, seconds: float) -> Values:
    due = arrivals(rate, seconds, SEED) or [0.0]
    before = server.stored()
    answered = send_on_time(Mail(server.port, due, [MAILBOX], sessions=SESSIONS))
    await_stored(server, before + len(due))
    if (found := server.stored() - before) != len(due):
        raise Lost(f"{found} of {len(due)} messages are in the mailbox")
    return {
        **{f"p{each:g}": percentile(answered.latencies, each) for each in PERCENTILES},
        "slowest": max(answered.latencies),
        "offered": len(due) / seconds,
        "late": percentile(answered.lateness, 99),
        "load cpu": answered.cpu / len(due) * 1e6,
    }


def _chart(figures: Sequence[Figure], subjects: Sequence[str]) -> Lines:
    series = {
        subject: [
            (100 / (100 - each), value)
            for each, figure in zip(PERCENTILES, figures, strict=True)
            if (value := figure.median(subject))
        ]
        for subject in subjects
    }
    title = "Latency at half the peak rate: the slowest mail of so many"
    return Lines("percentiles", title, "mails (2 is p50, 1,000 is p99.9)", "ms", series, True, True)
