"""Who used the processors: one server's process tree, this run as a whole, everybody else.

Figures come from proc(5) in clock ticks, usually 10 ms. A process counts with the children that it has waited
for, so that what a short-lived child used is found in its parent.
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
    """seconds: user and system time, with that of children which ended and were waited for."""

    parent: int
    seconds: float


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
            found[int(entry.name)] = Process(int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
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
    return sum(there[pid].seconds for pid in tree(root, there))


def foreign_seconds() -> float:
    """What everybody else has used so far: other processes, and other machines on the same hardware."""
    there = processes()
    ours = tree(os.getpid(), there)
    others = sum(process.seconds for pid, process in there.items() if pid not in ours)
    return others + _stolen()


def settled_seconds(root: int, quiet: float = 0.1, patience: float = 3.0) -> float:
    """`tree_seconds` once the tree has rested for `quiet` seconds, so that work put off is counted too."""
    deadline = time.monotonic() + patience
    used = tree_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(quiet)
        before, used = used, tree_seconds(root)
        if used == before:
            break
    return used


def _stolen() -> float:
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / TICKS
