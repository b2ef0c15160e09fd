"""A loop that is blocked is noticed from outside, with the place, and time in which nobody looked is none."""

from __future__ import annotations

from pathlib import Path

from hub.dispatch.blocking import Silence
from hub.dispatch.judging import BEAT, Judging


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
