"""Memory: what a server holds while mail flows, and for each connection that idles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from bench import hub_server, postfix
from bench.arithmetic import Points, slope
from bench.cpu import settled_seconds
from bench.figure import HUB, Figure, Goal
from bench.hub_server import PASSWORD, Hub
from bench.idle import Idle, NotHeld, holding
from bench.options import Options
from bench.report import Report
from bench.resident import raise_file_limit, tree_memory
from bench.rounds import Round, Values, interleave
from bench.server import MAILBOX, Server
from bench.smtp import PEER, Lost, await_stored, without_peer
from bench.smtp_source import Load, send
from bench.svg import Bars, Lines

BATCHES: Final = 8
WARM_UP: Final = 2
"""Batches before the slope is measured: by then caches and pools are as full as they get."""
GOAL: Final = Goal(5)
FIRST: Final = 100
"""Connections that come and go before any is counted, in a server that keeps its processes."""
PEERS_CONNECTIONS: Final = 90
"""Postfix has a process for each, 100 at most by default."""


@dataclass(frozen=True, slots=True)
class Sustained:
    """points: thousands of mails and KiB of anonymous memory after each batch. peak: KiB."""

    points: Points
    peak: int

    @property
    def slope(self) -> float:
        """KiB that 1,000 mails leave behind, once warmed up."""
        return slope(self.points[WARM_UP:])


def measure(options: Options) -> Report:
    """Every measurement on a server just started, for freed memory is used again. NotStarted, NotHeld, …"""
    raise_file_limit()
    hub = hub_server.lay_out(options.folder / "hub", options.workers, tls=True)
    kinds = _kinds(hub, options)
    works: dict[str, Callable[[], Values]] = {HUB: partial(_hub, hub, kinds, options)}
    setups: dict[str, Mapping[str, str]] = {HUB: hub.setup}
    if postfix.missing() is None:
        folders = (options.folder / f"postfix-{number}" for number in range(1 << 10))
        works[PEER] = partial(_postfix, folders.__next__, options)
        setups[PEER] = postfix.setup()
    rounds = interleave(works, options.rounds, options.say, timed=False)
    figures = [
        *(
            Figure(
                f"idle, {name}, {kind.count:,} connections",
                "KiB each",
                name,
                rounds,
                GOAL if kind.tls == "none" and kind.talk != "idle" else None,
            )
            for name, kind in kinds.items()
        ),
        Figure("peak while mail flows", "MiB", "peak", rounds),
        Figure("slope while mail flows", "KiB per 1,000 mails", "slope", rounds),
    ]
    return Report(
        area="memory",
        title="Memory: idle connections, and a sustained run",
        setups=setups,
        figures=figures,
        notes=[
            "Idle: how much the proportional set size (PSS) of all the server's processes grows, over the "
            "count; what the kernel holds for a socket is not in it. SMTP after EHLO, IMAP after the "
            "greeting, and in IDLE on a selected mailbox; TLS by STARTTLS for SMTP, from the start for IMAP.",
            f"{PEER} idles with {PEERS_CONNECTIONS} connections at most, as each is a process.",
            f"Sustained: {BATCHES} batches of {_batch(options):,} mails of 4 KiB, reused, 20 sessions; the "
            f"slope of RssAnon by least squares after {WARM_UP} of them. The peak is VmHWM, added up over "
            "processes.",
            "Every figure is of servers just started. The long run is in `soak.md`.",
            "Nothing here is timed, so that no round is rejected for what others did meanwhile; how much that"
            " was stands in `memory.json`.",
            *without_peer(),
        ],
        charts=[
            _bars(rounds, kinds, list(works)),
            _lines(rounds, list(works), _batch(options)),
        ],
    )


def _kinds(hub: Hub, options: Options) -> Mapping[str, Idle]:
    """What idles, by its name and key; the cheap ones first."""
    login = f'{MAILBOX} "{PASSWORD}"'
    return {
        "SMTP": Idle(hub.port, options.connections),
        "IMAP": Idle(hub.imap_port, options.connections, "imap"),
        "SMTP with TLS": Idle(hub.port, options.costly, tls="starttls"),
        "IMAP with TLS": Idle(hub.imaps_port, options.costly, "imap", tls="implicit"),
        "IMAP in IDLE": Idle(hub.imap_port, options.costly, "idle", login=login),
    }


def _hub(hub: Hub, kinds: Mapping[str, Idle], options: Options) -> Values:
    values: dict[str, float] = {}
    for name, kind in kinds.items():
        with hub_server.serving(hub):
            values[name] = per_connection(hub, kind)
    with hub_server.serving(hub):
        return {**values, **_sustained(hub, options)}


def _postfix(folder: Callable[[], Path], options: Options) -> Values:
    with postfix.running(folder()) as server:
        # A process that has served one client waits for the next, and would not be counted again.
        each = per_connection(server, Idle(server.port, min(PEERS_CONNECTIONS, options.connections)), first=0)
    with postfix.running(folder()) as server:
        return {"SMTP": each, **_sustained(server, options)}


def per_connection(server: Server, idle: Idle, first: int = FIRST) -> float:
    """KiB by which the server grows for each of them; all still answer afterwards. NotHeld.

    first: so many come and go before, for what is loaded for a worker's first client is not the next one's.
    """
    if first:
        with holding(replace(idle, count=min(idle.count, first))):
            pass
    before = _at_rest(server)
    with holding(idle) as held:
        grown = _at_rest(server) - before
        if (answering := held.answering()) != idle.count:
            raise NotHeld(f"{answering} of {idle.count} connections still answer")
    return grown / idle.count


def _at_rest(server: Server) -> int:
    settled_seconds(server.pid)
    return tree_memory(server.pid).proportional


def sustain(server: Server, batches: int, load: Load) -> Sustained:
    """Send batch after batch and look at the memory after each. Lost, LoadFailed."""
    points: list[tuple[float, float]] = []
    peak, stored = 0, server.stored()
    for number in range(1, batches + 1):
        send(load, server.port)
        if not server.delivers_first:
            await_stored(server, stored + number * load.messages)
        memory = tree_memory(server.pid)
        points.append((number * load.messages / 1000, float(memory.anonymous)))
        peak = max(peak, memory.peak)
    if (found := server.stored() - stored) != batches * load.messages:
        raise Lost(f"{found} of {batches * load.messages} messages are in the mailbox")
    return Sustained(points, peak)


def _batch(options: Options) -> int:
    return max(1, options.messages // 4)


def _sustained(server: Server, options: Options) -> Values:
    found = sustain(server, BATCHES, Load(_batch(options), 4096))
    after = {f"after {number}": kilobytes for number, (_, kilobytes) in enumerate(found.points, 1)}
    return {"peak": found.peak / 1024, "slope": found.slope, **after}


def _bars(rounds: Sequence[Round], kinds: Mapping[str, Idle], subjects: Sequence[str]) -> Bars:
    series = {
        subject: [Figure("", "", kind, rounds).median(subject) for kind in kinds]
        for subject in subjects
        if subject == HUB
    }
    return Bars("idle", "Memory for an idle connection", "KiB", list(kinds), series)


def _lines(rounds: Sequence[Round], subjects: Sequence[str], batch: int) -> Lines:
    series = {
        subject: [
            (number * batch / 1000, kilobytes / 1024)
            for number in range(1, BATCHES + 1)
            if (kilobytes := Figure("", "", f"after {number}", rounds).median(subject)) is not None
        ]
        for subject in subjects
    }
    return Lines("sustained", "Anonymous memory while mail flows", "thousand mails", "MiB", series)
