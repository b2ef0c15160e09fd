"""A plugin's log is bounded per level, and says what it has left out."""

from __future__ import annotations

import logging

import pytest
from structlog.testing import capture_logs

from hub.dispatch.flood import MOST, WINDOW, BoundedLog


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_lines_over_the_limit_are_counted_and_said_once_and_at_the_next_line(level: str) -> None:
    now = 1000.0
    log = BoundedLog("chatty", lambda: now)
    write = getattr(log, level)
    with capture_logs() as logs:
        for _ in range(MOST + 30):
            write("again")
        assert len(logs) == MOST + 1
        now += WINDOW
        write("later")
    events = [entry["event"] for entry in logs]
    assert events[MOST:] == [
        f"more than {MOST} lines in 10 s: the next are suppressed", "30 lines suppressed", "later",
    ]  # fmt: skip
    assert {entry["log_level"] for entry in logs} == {level}
    assert {entry["plugin"] for entry in logs} == {"chatty"}


def test_one_level_does_not_use_up_another_s_lines() -> None:
    log = BoundedLog("chatty", lambda: 1000.0)
    with capture_logs() as logs:
        for _ in range(MOST + 1):
            log.info("again")
        log.error("broken", reason="why")
        log.close()
        log.close()
    assert logs[-2] == {"plugin": "chatty", "reason": "why", "event": "broken", "log_level": "error"}
    assert logs[-1]["event"] == "1 lines suppressed"


@pytest.mark.parametrize("level", [0, 5, 10, 15, 20, 25, 30, 40, 45, 50, 99])
def test_a_record_of_any_level_is_counted(level: int) -> None:
    log = BoundedLog("chatty", lambda: 1000.0)
    record = logging.LogRecord("hub_plugin_chatty", level, __file__, 1, "again", None, None)
    with capture_logs():
        assert [log.admits(record) for _ in range(MOST + 1)] == [True] * MOST + [False]
