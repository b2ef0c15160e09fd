"""Trace records survive a restart, never outgrow their bound, and are found by any word in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.mail.envelope import Envelope
from hub.trace.record import HEAD, TAIL, Trace
from hub.trace.ring import CURRENT, TraceRing, find, line
from hub.trace.writer import TraceWriter


def trace(message: str, *, records: int = 1) -> Trace:
    made = Trace(f"session-{message}", "smtp from 192.0.2.1:4711")
    made.begin(Envelope(message, None))
    for number in range(records):
        made.add("command", "RCPT", "250", detail=f"number {number}")
    return made


def test_a_message_is_found_after_a_restart(tmp_path: Path) -> None:
    TraceRing(tmp_path, 1 << 20).append(line(trace("one")) + line(trace("two")))
    (found,) = find(tmp_path, "two")
    assert found.session_id == "session-two"
    assert found.records[0][1:4] == ("two", "command", "RCPT")
    assert list(find(tmp_path, "three")) == []


def test_the_ring_keeps_the_newest_and_never_outgrows_its_bound(tmp_path: Path) -> None:
    ring = TraceRing(tmp_path, 20_000)
    for number in range(400):
        ring.append(line(trace(f"m{number}-")))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    assert len(list(find(tmp_path, "m399-"))) == 1
    assert list(find(tmp_path, "m0-")) == []


def test_a_line_torn_by_a_crash_is_skipped(tmp_path: Path) -> None:
    ring = TraceRing(tmp_path, 1 << 20)
    ring.append(line(trace("one")))
    with (tmp_path / CURRENT).open("ab") as file:
        file.write(b'["session-torn","one')
    assert [part.session_id for part in find(tmp_path, "one")] == ["session-one"]


def test_a_long_session_keeps_its_beginning_and_its_end() -> None:
    long = trace("one", records=10_000)
    kept, dropped = long.take()
    details = [record[7] for record in kept]
    assert details[:HEAD] == [f"number {number}" for number in range(HEAD)]
    assert details[-1] == "number 9999"
    assert TAIL <= len(kept) - HEAD <= 2 * TAIL
    assert len(kept) + dropped == 10_000
    assert not long


async def test_what_was_added_is_there_after_a_flush_and_a_failing_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.trace.writer.PAUSE", 3600)  # who flushes waits for no pause
    errors: list[OSError] = []
    writer = TraceWriter(TraceRing(tmp_path / "ring", 1 << 20), errors.append)
    writer.add(trace("one"))
    writer.add(trace("two"))
    await writer.flush()
    assert len(list(find(tmp_path / "ring", "session-"))) == 2
    (tmp_path / "ring").rename(tmp_path / "gone")
    writer.add(trace("three"))
    await writer.flush()
    assert [type(error) for error in errors] == [FileNotFoundError]


def test_half_a_surrogate_pair_costs_that_character_and_no_line(tmp_path: Path) -> None:
    odd = trace("one")
    odd.add("hook", "check_message", "+1", detail="said \ud800 it")
    TraceRing(tmp_path, 1 << 20).append(line(odd))
    (found,) = find(tmp_path, "one")
    assert found.records[-1][7] == "said ? it"
