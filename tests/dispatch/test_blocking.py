"""A loop that is blocked is noticed from outside, with the place, and time in which nobody looked is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.dispatch import blocking
from hub.dispatch.blocking import Silence, culprit
from hub.dispatch.judging import BEAT, Judging

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
    stack = STACK.format(lib=Path(sys.base_prefix, "lib/python3.11"), plugin=file, hub=blocking._HUB)
    assert culprit(stack) == f"{name} ({file}:8)"


def test_the_hub_s_own_frames_are_no_plugin_s() -> None:
    stack = f'  File "{blocking._HUB}/app.py", line 1 in _serve\n  File "<string>", line 1 in <module>\n'
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


async def test_silence_grows_by_the_looks_and_ends_with_a_beat(tmp_path: Path) -> None:
    silence, notes = Silence(tmp_path / "hub.notes"), tmp_path / "hub.notes"
    assert silence.look(100.0) == 0  # its heart has not begun to beat
    judging = Judging()
    judging.open(notes, {})
    assert silence.look(101.0) == 0
    assert silence.look(101.0 + BEAT) == BEAT
    assert silence.look(101.0 + 2 * BEAT) == 2 * BEAT
    assert silence.look(999.0) == 4 * BEAT  # the machine slept, or we did
    judging._beat()
    assert silence.look(999.25) == 0
    judging.close()
    assert silence.look(999.5) == 0
