"""Tracing: what a mail costs while nobody exports spans, and with an exporter at several shares."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from bench import hub_server
from bench.cpu import settled_seconds
from bench.figure import HUB, Figure, Goal
from bench.hub_server import PLUGINS, Hub
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import HOST, NotStarted
from bench.smtp import deliver
from bench.smtp_source import Load
from bench.svg import Bars

SHARES: Final = {"exporter at 0 %": 0.0, "exporter at 1 %": 0.01, "exporter at 100 %": 1.0}
GOAL: Final = Goal(round(1 / 1.05, 3), "exporter at 1 %")
"""At 1 % a mail costs at most 5 % more."""
FLUSH: Final = 1.5
"""Seconds after which the last spans have been sent."""
WORKLOADS: Final = {"4 KiB, reused": True, "4 KiB, new": False}
"""Whether many mails go over one connection."""


def measure(options: Options) -> Report:
    """A hub without an exporter, and one for each share, in turn. NotStarted, LoadFailed, Lost."""
    with ExitStack() as stack:
        sink = stack.enter_context(_collector())
        hubs: dict[str, Hub] = {HUB: stack.enter_context(hub_server.running(options.folder / "none", 1))}
        for name, share in SHARES.items():
            prepare = partial(_export, to=sink.server_port, share=share)
            folder = options.folder / f"share-{share:g}"
            hubs[name] = stack.enter_context(hub_server.running(folder, 1, prepare=prepare))
        figures = []
        for workload, reuse in WORKLOADS.items():
            load = Load(options.messages, 4096, reuse=reuse)
            for hub in hubs.values():
                deliver(hub, Load(min(200, options.messages), 4096, reuse=reuse))
            options.say(f"{workload}: {load.messages} mails")
            works = {name: partial(_deliver, hub, load) for name, hub in hubs.items()}
            rounds = interleave(works, options.rounds, options.say)
            figures.append(Figure(workload, "CPU µs/mail", "cpu", rounds, GOAL))
            figures.append(Figure(workload, "mails/s", "rate", rounds))
        if not sink.requests:
            raise NotStarted("no spans have come to the collector")
        setups = {name: hub.setup for name, hub in hubs.items()}
    costs = [figure for figure in figures if figure.key == "cpu"]
    series = {name: [figure.median(name) for figure in costs] for name in hubs}
    groups = [figure.name for figure in costs]
    return Report(
        area="tracing",
        title="Tracing: what spans cost a mail",
        setups=setups,
        figures=figures,
        notes=[
            "One worker each, 20 sessions; the exporter is tracing-otlp over HTTP, on the hub's own event "
            "loop, to a collector that reads and forgets.",
            "At 0 % each session is looked at and no span made; `trace.sampling.errors` is as by default.",
            f"The goal is that a mail costs at most 5 % more at 1 %. {sink.requests:,} requests came.",
        ],
        charts=[Bars("cpu", "What spans cost a mail", "CPU µs/mail", groups, series)],
    )


def _deliver(hub: Hub, load: Load) -> Values:
    """`deliver`, and what the exporter does afterwards counted too. LoadFailed, Lost."""
    used = settled_seconds(hub.pid)
    values = deliver(hub, load)
    time.sleep(FLUSH)
    return {**values, "cpu": (settled_seconds(hub.pid) - used) / load.messages * 1e6}


def _export(config: Path, *, to: int, share: float) -> None:
    """Have the exporter in a configuration."""
    last = f'"{PLUGINS[-1]}"]'
    text = config.read_text().replace(last, f'{last[:-1]}, "tracing-otlp"]')
    config.write_text(
        f'{text}\n[trace.sampling]\nratio = {share}\n[plugins.tracing-otlp]\nendpoint = "http://{HOST}:{to}"\n'
    )


class _Sink(ThreadingHTTPServer):
    """requests: how many came."""

    daemon_threads = True
    requests = 0


class _Reader(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read a batch and forget it."""
        assert isinstance(self.server, _Sink)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@contextmanager
def _collector() -> Iterator[_Sink]:
    with _Sink((HOST, 0), _Reader) as sink:
        thread = threading.Thread(target=sink.serve_forever)
        thread.start()
        try:
            yield sink
        finally:
            sink.shutdown()
            thread.join()
