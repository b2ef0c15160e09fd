"""What all workers send to one name is counted together."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from hub.loading.commons import CommonMemory, Commons
from hub.loading.traffic import Traffic, shared


def in_a_worker(memory: CommonMemory, number: int, work: Callable[[Commons], object]) -> None:
    """Do it in a process of its own, which ends without tidying up."""
    pid = os.fork()
    if pid == 0:
        try:
            work(memory.of(number))
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_connections_of_all_workers_count_and_those_of_a_dead_one_do_not() -> None:
    memory = CommonMemory(3)
    own = memory.of(0).traffic
    own.add("to a.test", 2)
    in_a_worker(memory, 2, lambda commons: commons.traffic.add("to a.test", 3))
    assert own.connections("to a.test") == 5
    assert own.connections("at a.test") == 0
    memory.of(2)  # another one takes its place
    assert own.connections("to a.test") == 2
    own.add("to a.test", -2)
    assert own.connections("to a.test") == 0


def test_a_rate_is_used_up_by_all_workers_and_outlives_each() -> None:
    memory = CommonMemory(2)
    own = memory.of(0).traffic
    in_a_worker(memory, 1, lambda commons: commons.traffic.use_until("to a.test", 12.5))
    memory.of(1)
    assert own.used_until("to a.test") == 12.5
    assert own.used_until("to b.test") == 0.0


def test_what_is_not_used_takes_no_memory() -> None:
    before = resident()
    memory = shared(64)
    assert len(memory) >= 24 << 20
    Traffic(memory, 64, 1).use_until("to a.test", 1.0)
    assert resident() - before < 2 << 20  # its own row, and a page


def resident() -> int:
    """Octets of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("name", ["census", "traffic"])
def test_a_process_without_others_has_counts_of_its_own(name: str) -> None:
    assert getattr(Commons(), name) is not getattr(Commons(), name)
