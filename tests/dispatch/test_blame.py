"""A death is noted as theirs whose stack it left; where there is none, all that ran are suspects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hub.dispatch import blame
from hub.dispatch.blame import blamed, culprit
from hub.dispatch.blocking import Stack
from hub.dispatch.judging import Note, content_key, read_notes

KEY, OTHER = content_key(b"a", 1), content_key(b"b", 1)

STACK = """Current thread 0x00007f (most recent call first):
  File "{lib}/re/__init__.py", line 166 in match
  File "{plugin}", line 8 in helper
  File "{plugin}", line 12 in check_message
  File "{hub}/dispatch/driving.py", line 47 in drive
  File "{hub}/dispatch/step.py", line 66 in run
  File "<frozen runpy>", line 88 in _run_code
"""


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/data/plugins.d/deny_list.py", "deny-list"),
        ("/src/plugins/deny-list/hub_plugin_deny_list.py", "deny-list"),
        ("/src/plugins/clamav/hub_plugin_clamav/scan.py", "clamav"),
        (f"{sys.prefix}/lib/python3.11/site-packages/hub_plugin_rate_limit/__init__.py", "rate-limit"),
    ],
)
def test_the_culprit_is_the_innermost_frame_that_is_a_plugin_s(file: str, name: str) -> None:
    stack = STACK.format(lib=Path(sys.base_prefix, "lib/python3.11"), plugin=file, hub=blame._HUB)
    assert culprit(stack) == f"{name} ({file}:8)"


def test_the_hub_s_own_frames_are_no_plugin_s() -> None:
    stack = f'  File "{blame._HUB}/app.py", line 1 in _serve\n  File "<string>", line 1 in <module>\n'
    assert culprit(stack) is None
    assert culprit("") is None


def test_of_a_crash_only_the_thread_that_crashed_counts() -> None:
    idle = 'Thread 0x1 (most recent call first):\n  File "/data/plugins.d/idle.py", line 3 in wait\n'
    crashed = (
        'Current thread 0x2 (most recent call first):\n  File "/data/plugins.d/bad.py", line 8 in check\n'
    )
    for stack in (f"{idle}\n{crashed}", f"{crashed}\n{idle}"):
        assert (
            culprit(f"Fatal Python error: Segmentation fault\n\n{stack}") == "bad (/data/plugins.d/bad.py:8)"
        )


def note(plugin: str, content: bytes = KEY, thread: int = 2, *, running: bool = True) -> Note:
    return Note(content, "01message", f"{plugin} ({plugin}.py:5)", running, thread, on_loop=thread == 1)


def crash(*plugins: str, thread: int = 2) -> str:
    """The stack of a thread that stood in these plugins, innermost first."""
    frames = "".join(f'  File "/data/plugins.d/{each}.py", line 8 in check\n' for each in plugins)
    idle = 'Thread 0x9 (most recent call first):\n  File "/data/plugins.d/idle.py", line 3 in wait\n'
    return f"{idle}\nCurrent thread 0x{thread:x} (most recent call first):\n{frames}"


def test_the_step_of_the_thread_that_crashed_is_to_blame_among_steps_of_one_plugin() -> None:
    mine, others = note("bad", thread=2), note("bad", OTHER, thread=3)
    for notes in ([mine, others], [others, mine]):
        assert blamed(notes, crash("bad")) == [mine]


def test_who_has_called_a_library_of_another_plugin_is_to_blame() -> None:
    mine, others = note("bad", thread=2), note("library", OTHER, thread=3)
    assert blamed([mine, others], crash("library", "bad")) == [mine]


def test_of_steps_within_steps_the_innermost_is_to_blame() -> None:
    outer, inner = note("outer", thread=1), note("inner", thread=1)
    assert blamed([inner, outer], crash("inner", "outer", thread=1)) == [inner]
    assert blamed([inner, outer], crash("outer", thread=1)) == [outer]


def test_a_stack_of_libraries_alone_is_theirs_who_ran_in_that_thread() -> None:
    mine, others = note("bad", thread=2), note("idle", OTHER, thread=3)
    assert blamed([others, mine], crash().replace("/data/plugins.d", f"{sys.prefix}/lib")) == [mine]


def test_who_holds_the_loop_is_found_by_a_stack_that_names_no_thread() -> None:
    mine, others = note("bad", thread=1), note("neighbour", OTHER, thread=3)
    stack = 'Stack (most recent call first):\n  File "/data/plugins.d/bad.py", line 8 in check\n'
    assert blamed([mine, others], stack) == [mine]


def test_in_a_thread_of_the_plugin_s_own_whatever_waits_for_it_is_to_blame() -> None:
    waits, others = note("bad", thread=1, running=False), note("neighbour", OTHER, thread=3)
    assert blamed([waits, others], crash("bad", thread=7)) == [waits]


def test_a_plugin_that_judged_nothing_dies_alone() -> None:
    assert blamed([note("neighbour", thread=3)], crash("bad", thread=7)) == []


def test_where_no_stack_names_anybody_all_that_ran_are_suspects() -> None:
    ran, beside, waited = note("a", thread=2), note("b", thread=3), note("c", thread=1, running=False)
    assert blamed([ran, beside, waited], "") == [ran, beside]
    assert blamed([waited], "") == [waited]
    hub = f'Current thread 0x1 (most recent call first):\n  File "{blame._HUB}/app.py", line 1 in _serve\n'
    assert blamed([ran, beside, waited], hub) == [ran, beside]


ROUNDS = 10
DYING = """
import ctypes, os, signal, threading
from pathlib import Path

ENDS = {
    "crash": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}

def check(end):
    ENDS[end]()
"""
SIDE_BY_SIDE = """
import asyncio, os, sys, threading
from pathlib import Path

from hub.dispatch.blocking import Stack
from hub.dispatch.judging import Judged, Judging, content_key, step_note

sys.path.insert(0, sys.argv[1])
import bad

folder, end, noted, rounds = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])

async def die(number):
    judging = Judging()
    judging.open(folder / f"{number}.notes", {})
    judged = Judged(judging, content_key(b"a", 1), "01message")
    at_work, forever = threading.Event(), threading.Event()
    def neighbour():
        at_work.set()
        forever.wait()
    def die():
        if noted == "first":
            beside()
        bad.check(end)
    def beside():
        work = lambda: judged.function(neighbour, step_note("neighbour (neighbour.py:1)"))
        threading.Thread(target=work, daemon=True).start()
        at_work.wait()
    if noted == "last":
        beside()
    with Stack(folder / f"{number}.notes"):
        await asyncio.to_thread(judged.function, die, step_note("bad (bad.py:12)"))

for number in range(rounds):
    pid = os.fork()
    if not pid:
        asyncio.run(die(number))
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("noted", ["first", "last"])
@pytest.mark.parametrize("end", ["crash", "exit", "kill"])
def test_beside_a_neighbour_who_dies_is_to_blame_in_whichever_order_they_began(
    tmp_path: Path, end: str, noted: str
) -> None:
    (tmp_path / "bad.py").write_text(DYING)
    subprocess.run(
        [sys.executable, "-c", SIDE_BY_SIDE, tmp_path, end, noted, str(ROUNDS)], check=True, timeout=60
    )
    for number in range(ROUNDS):
        notes = tmp_path / f"{number}.notes"
        found = [note.plugin for note in blamed(read_notes(notes), Stack(notes).read())]
        if end == "kill":  # nothing is left of it
            assert sorted(found) == ["bad (bad.py:12)", "neighbour (neighbour.py:1)"]
        else:
            assert found == ["bad (bad.py:12)"]
