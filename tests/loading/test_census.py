"""Sessions are counted for each address and in total, by all workers of a hub together."""

from __future__ import annotations

import os

import pytest
from structlog.testing import capture_logs

from hub.config.tables.sessions import SessionLimits
from hub.loading.census import CELLS, IMAP, SMTP, Census, Full, shared

LIMITS = SessionLimits(max_sessions=5, max_sessions_per_address=2, exempt=("192.0.2.99", "198.51.100.0/24"))


def enter(census: Census, host: str, family: int = SMTP) -> int:
    cell = census.enter(family, host, LIMITS)
    assert isinstance(cell, int), cell
    return cell


def test_each_address_has_its_share_and_all_together_theirs() -> None:
    census = Census()
    cells = [enter(census, host) for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert census.enter(SMTP, "192.0.2.1", LIMITS) is Full.ADDRESS
    enter(census, "192.0.2.1", IMAP)  # which is counted by itself
    cells += [enter(census, host) for host in ("192.0.2.3", "192.0.2.4")]
    assert census.enter(SMTP, "192.0.2.5", LIMITS) is Full.TOTAL
    census.leave(SMTP, cells[0])
    enter(census, "192.0.2.1")


def test_exempt_networks_have_no_share_but_count_in_total() -> None:
    census = Census()
    for _ in range(3):
        enter(census, "192.0.2.99")
    enter(census, "198.51.100.7")
    enter(census, "198.51.100.7")
    assert census.enter(SMTP, "198.51.100.7", LIMITS) is Full.TOTAL


def test_no_limit_is_no_limit() -> None:
    census, none = Census(), SessionLimits(max_sessions=0, max_sessions_per_address=0, exempt=())
    for _ in range(1000):
        assert isinstance(census.enter(SMTP, "192.0.2.1", none), int)


def test_an_ipv6_network_is_one_address() -> None:
    census = Census()
    enter(census, "2001:db8:1:2::1")
    enter(census, "2001:db8:1:2:ffff::1%eth0")
    assert census.enter(SMTP, "2001:db8:1:2::3", LIMITS) is Full.ADDRESS
    enter(census, "2001:db8:1:3::1")


@pytest.mark.proves("mail: no address takes all sessions, whichever workers it meets")
def test_workers_count_together() -> None:
    memory = shared(3)
    own = Census(memory, 3, 0)
    enter(own, "192.0.2.1")
    pid = os.fork()
    if pid == 0:
        other = Census(memory, 3, 2)
        os._exit(0 if isinstance(other.enter(SMTP, "192.0.2.1", LIMITS), int) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert own.enter(SMTP, "192.0.2.1", LIMITS) is Full.ADDRESS
    Census(memory, 3, 2)  # it has died, and another one takes its place
    enter(own, "192.0.2.1")


def test_sessions_that_have_ended_leave_nothing() -> None:
    census = Census()
    for number in range(2000):
        census.leave(SMTP, enter(census, f"2001:db8:{number:x}::1"))
    assert not any(census._own)
    assert len(census._own) == CELLS


def test_the_log_says_it_once_a_minute() -> None:
    census = Census()
    for host in ("192.0.2.1", "192.0.2.1"):
        enter(census, host)
    with capture_logs() as logs:
        for _ in range(50):
            census.enter(SMTP, "192.0.2.1", LIMITS)
    assert logs == [
        {
            "area": "sessions",
            "event": "sessions are refused",
            "log_level": "warning",
            "limit": "smtp.max_sessions_per_address",
            "client": "192.0.2.1",
        }
    ]
