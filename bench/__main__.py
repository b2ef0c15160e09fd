"""`python -m bench`: measure, show, and keep the reports on demand."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench import (
    checks,
    growth,
    hooks,
    imap,
    index,
    latency,
    machine,
    mailauth,
    memory,
    reload,
    smtp,
    startup,
    tracing,
)
from bench.cpu import CORES
from bench.idle import NotHeld
from bench.imap_client import Unhappy
from bench.options import Options
from bench.plugins import NotLoaded
from bench.report import Report, keep
from bench.server import NotStarted
from bench.smtp_source import LoadFailed
from bench.terminal import show, show_machine

AREAS: Final[dict[str, Callable[[Options], Report]]] = {
    "smtp": smtp.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "imap": imap.measure,
    "startup": startup.measure,
    "reload": reload.measure,
    "hooks": hooks.measure,
    "tracing": tracing.measure,
    "checks": checks.measure,
    "mailauth": mailauth.measure,
}
ROWS: Final = (10, 1_000, 10_000, 100_000, 1_000_000)
ACCOUNTS: Final = (1, 100, 1_000, 10_000, 100_000)
FEW: Final = 3
"""How many of those without --full."""
KEPT: Final = Path(__file__).parents[1] / "docs" / "benchmarks"
FAILURES: Final = (
    NotStarted,
    NotLoaded,
    LoadFailed,
    Unhappy,
    NotHeld,
    smtp.Lost,
    imap.Missing,
    reload.NeverLive,
)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds that count.")
@click.option(
    "--messages",
    type=click.IntRange(1),
    default=4000,
    show_default=True,
    help="Messages of 4 KiB per server and round.",
)
@click.option(
    "--mailbox",
    type=click.IntRange(1),
    default=imap.USUAL,
    show_default=True,
    help="Messages in the mailbox that IMAP reads; another number is reported by itself.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=CORES,
    show_default="one per core",
    help="The hub's processes.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=10, show_default=True, help="Of mail at a steady rate."
)
@click.option(
    "--connections",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Connections that idle.",
)
@click.option(
    "--full",
    is_flag=True,
    help="As many idle connections with TLS, and the largest mailboxes and directories.",
)
@click.option("--only", type=click.Choice(list(AREAS)), multiple=True, help="An area; may be repeated.")
@click.option("--keep", "kept", is_flag=True, help="Write the reports to docs/benchmarks/.")
def main(
    rounds: int,
    messages: int,
    mailbox: int,
    workers: int,
    seconds: float,
    connections: int,
    full: bool,
    only: Sequence[str],
    kept: bool,
) -> None:
    """Measure the hub beside its peers on this machine, in interleaved rounds.

    Postfix is a peer where it is installed and this runs as root. Everything lives in a temporary folder
    below $TMPDIR or /var/tmp and on free ports of 127.0.0.1. The exit status is 1 if a figure has no round
    that counts, because others kept the machine busy, and 2 if an area could not be measured. All areas
    take about ten minutes on a quiet machine of two cores, with --full about twenty.
    """
    console = Console()

    def say(line: str) -> None:
        console.print(f"  {line}", style="dim", highlight=False, markup=False, soft_wrap=True)

    with tempfile.TemporaryDirectory(prefix="hub-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)  # Postfix's unprivileged users pass through it
        facts = machine.facts(folder)
        show_machine(facts, console)
        options = Options(
            rounds,
            messages,
            mailbox,
            workers,
            seconds,
            connections,
            costly=connections if full else max(1, connections // 5),
            rows=ROWS if full else ROWS[:FEW],
            accounts=ACCOUNTS if full else ACCOUNTS[:FEW],
            folder=folder,
            say=say,
        )
        reports = []
        for area in only or AREAS:
            console.print(f"\n{area}", style="bold")
            report = _measured(area, options, console)
            if report is not None:
                reports.append(report)
                show(report, console)
                if kept:
                    _keep(report, facts, console)
    if len(reports) < len(only or AREAS):
        sys.exit(2)
    if any(not figure.accepted for report in reports for figure in report.figures):
        console.print("\nothers kept the machine busy: some figures have no round that counts", style="red")
        sys.exit(1)


def _measured(area: str, options: Options, console: Console) -> Report | None:
    """None if it failed, which is said and leaves the other areas alone."""
    folder = options.folder / area
    try:
        return AREAS[area](replace(options, folder=folder))
    except FAILURES as error:
        console.print(f"{area} failed: {error}", style="red", markup=False, highlight=False)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(report: Report, facts: Mapping[str, str], console: Console) -> None:
    for path in keep(report, facts, KEPT):
        console.print(f"  kept as {path.relative_to(KEPT.parents[1])}")
    (KEPT / index.NAME).write_text(index.front_page(KEPT))


if __name__ == "__main__":
    main()
