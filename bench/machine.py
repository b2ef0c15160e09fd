"""Facts about the machine that a figure means little without; nothing that names it."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.cpu import CORES


def facts(folder: Path) -> Mapping[str, str]:
    """folder: where everything measured keeps its data."""
    return {
        "cores": str(CORES),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "file system": _file_system(folder),
        "disk": f"{syncs_per_second(folder):,.0f} × append and fdatasync of 4 KiB per second",
    }


def syncs_per_second(folder: Path, seconds: float = 1.0) -> float:
    """How often 4 KiB can be appended to one file durably, one after the other."""
    block = os.urandom(4096)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        count, began = 0, time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    return count / elapsed


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system that the folder is on."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, this_kind, *_ = line.split()
        if folder.is_relative_to(mounted) and len(mounted) > len(best):
            best, kind = mounted, this_kind
    return kind
