"""How much memory a server's processes hold, from proc(5), in KiB."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import processes, tree


@dataclass(frozen=True, slots=True)
class Memory:
    """KiB over all processes of a tree.

    anonymous: what they have written themselves (RssAnon), the only part that leaks. proportional: what would
    be free without them (Pss), a page shared by two counting half for each. peak: the most that each had
    resident at any time (VmHWM), added up, shared pages once for each.
    """

    anonymous: int
    proportional: int
    peak: int


def tree_memory(root: int) -> Memory:
    """Of a process and all that descend from it, as it stands; needs their user or root."""
    anonymous = proportional = peak = 0
    for pid in tree(root, processes()):
        try:
            status = _kilobytes(Path(f"/proc/{pid}/status"))
            proportional += _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))["Pss"]
        except (FileNotFoundError, ProcessLookupError, KeyError):
            continue  # ended meanwhile, or ends just now and has no memory any more
        anonymous += status["RssAnon"]
        peak += status["VmHWM"]
    return Memory(anonymous, proportional, peak)


def raise_file_limit() -> None:
    """Allow this process, and what it starts, as many open files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _kilobytes(path: Path) -> Mapping[str, int]:
    """The lines of a file of proc(5) that give a number of kB."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value.split()[0])
    return found
