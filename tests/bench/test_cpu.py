"""Whose work is whose, seen on processes that really work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from bench.cpu import processes, tree, tree_seconds
from bench.rounds import Round, Sample, interleave, joined

BURN = "import time\nwhile time.process_time() < 0.3: pass"
ORPHAN = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    os.close(1)
    while True:
        pass
os.wait()
"""


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that works all the time and descends from nobody here."""
    started = subprocess.run([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, check=True)
    pid = int(started.stdout)
    yield pid
    os.kill(pid, signal.SIGKILL)


def test_a_tree_counts_children_that_have_ended() -> None:
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\nprint()\ninput()"
    with subprocess.Popen(
        [sys.executable, "-uc", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used = tree_seconds(process.pid)
        assert process.pid in tree(os.getpid(), processes())
        process.communicate(b"\n")
    assert used >= 0.25


def test_a_servers_time_is_that_of_its_own_clock() -> None:
    burn = f"{BURN}\nprint(time.process_time(), flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = float(process.stdout.readline())
        used = tree_seconds(process.pid)
        process.communicate("\n")
    # proc(5) would be off by up to 10 ms, downwards.
    assert said <= used < said + 0.05


def test_a_stranger_at_work_rejects_the_rounds(stranger: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> dict[str, float]:
        time.sleep(0.3)
        return {"rate": 1.0}

    assert stranger not in tree(os.getpid(), processes())
    # Nobody but these two: of others, such as tests beside this one, some end and take their past along.
    here = (stranger, os.getpid())
    monkeypatch.setattr(
        "bench.cpu.processes", lambda: {pid: each for pid, each in processes().items() if pid in here}
    )
    told: list[str] = []
    rounds = interleave({"hub": work}, wanted=1, say=told.append)
    assert [each.accepted for each in rounds] == [False] * 3
    assert all("rejected" in line for line in told)


def test_joined_rounds_have_all_values_as_one_subjects() -> None:
    apart = Round({"10 rows": Sample({"rate": 4.0}, 0.01), "20 rows": Sample({"rate": 2.0}, 0.3)})
    [joint] = joined(
        [apart], "hub", lambda values: {"ratio": values["rate 10 rows"] / values["rate 20 rows"]}
    )
    assert joint.samples["hub"].values == {"rate 10 rows": 4.0, "rate 20 rows": 2.0, "ratio": 2.0}
    assert (joint.foreign, joint.accepted) == (0.3, False)


def test_rounds_are_interleaved_and_every_other_one_goes_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.rounds.foreign_seconds", lambda: 0.0)
    order: list[str] = []

    def work(subject: str) -> dict[str, float]:
        order.append(subject)
        return {"rate": 1.0}

    rounds = interleave({name: partial(work, name) for name in "ab"}, wanted=3, say=lambda line: None)
    assert "".join(order) == "abbaab"
    assert [list(each.samples) for each in rounds] == [["a", "b"]] * 3
