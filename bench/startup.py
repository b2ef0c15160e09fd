"""Start-up: what an operator waits for before the first line appears."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from bench.figure import HUB, Figure, Goal
from bench.hub_server import COMMAND
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import environment
from hub.version import __version__

GOAL: Final = Goal(150)
COMMANDS: Final = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "import hub": (sys.executable, "-c", "import hub"),
    "hub --help": (str(COMMAND), "--help"),
}


def measure(options: Options) -> Report:
    """Each command as a process of its own, from start to exit."""
    _start_all()  # now everything is compiled and cached
    rounds = interleave({HUB: _start_all}, options.rounds, options.say)
    return Report(
        area="startup",
        title="Start-up of the command",
        setups={HUB: {"version": __version__}},
        figures=[Figure(name, "ms", name, rounds, None if "pass" in name else GOAL) for name in COMMANDS],
        notes=["The first line is the bare interpreter, which the others include."],
    )


def _start_all() -> Values:
    return {name: min(_milliseconds(command) for _ in range(5)) for name, command in COMMANDS.items()}


def _milliseconds(command: Sequence[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment(), check=True)
    return (time.monotonic() - began) * 1000
