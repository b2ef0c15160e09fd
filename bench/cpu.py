"""Who used the processors: one server's process tree, this run as a whole, everybody else.

What others used comes from proc(5) in clock ticks, usually 10 ms; what a server used, from its processes'
own clocks, to the nanosecond. A process counts with the children that it has waited for, so that what a
short-lived child used is found in its parent.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = len(os.sched_getaffinity(0))
KERNEL_THREAD: Final = 0x00200000
"""PF_KTHREAD: it works for others, so what it used is nobody's."""


@dataclass(frozen=True, slots=True)
class Process:
    """own: seconds of user and system time. ended: those of children which ended and were waited for."""

    parent: int
    own: float
    ended: float


def processes() -> Mapping[int, Process]:
    """All processes but kernel threads, by id."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_text("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        # The name in parentheses may hold anything, parentheses included; what follows starts at field 3.
        fields = text.rpartition(")")[2].split()
        if not int(fields[6]) & KERNEL_THREAD:
            own, ended = (sum(map(int, fields[first : first + 2])) / TICKS for first in (11, 13))
            found[int(entry.name)] = Process(int(fields[1]), own, ended)
    return found


def tree(root: int, among: Mapping[int, Process]) -> set[int]:
    """The ids of a process and all that descend from it."""
    children = defaultdict(list)
    for pid, process in among.items():
        children[process.parent].append(pid)
    found: set[int] = set()
    open_ends = [root] if root in among else []
    while open_ends:
        pid = open_ends.pop()
        found.add(pid)
        open_ends += children[pid]
    return found


def tree_seconds(root: int) -> float:
    """What a process and its descendants have used so far."""
    there = processes()
    return sum(_own_seconds(pid, there[pid]) + there[pid].ended for pid in tree(root, there))


def _own_seconds(pid: int, process: Process) -> float:
    try:
        # The clock of a process, as clock_getcpuclockid(3) makes its number.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return process.own  # ended meanwhile


def foreign_seconds() -> float:
    """What everybody else has used so far: other processes, and other machines on the same hardware."""
    there = processes()
    ours = tree(os.getpid(), there)
    others = sum(process.own + process.ended for pid, process in there.items() if pid not in ours)
    return others + _stolen()


def settled_seconds(root: int, quiet: float = 0.1, patience: float = 3.0) -> float:
    """`tree_seconds` once the tree rests, so that work put off is counted too.

    It rests when it uses less than a twentieth of a core for `quiet` seconds.
    """
    deadline = time.monotonic() + patience
    used = tree_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(quiet)
        before, used = used, tree_seconds(root)
        if used - before < quiet / 20:
            break
    return used


def _stolen() -> float:
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / TICKS
