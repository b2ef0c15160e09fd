"""Alerts of a hub of two workers, through the shipped sinks to servers that answer as the vendors' do."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hub.testing.http_peer import Answer, HttpPeer, Request, http_peer
from tests.crew import Crew, serving, until

SINKS = ("alert-pagerduty", "alert-slack", "alert-discord", "alert-webhook")


def vendor(received: Request) -> Answer:
    """The success of each."""
    return {"/pagerduty": Answer(202, {}, '{"status": "success"}'), "/slack": Answer(200, {}, "ok")}.get(
        received.path, Answer(204, {}, "")
    )


async def fail_to_log_in(crew: Crew, worker: int, times: int) -> None:
    async with crew.connected(worker, "imap") as client:
        for _ in range(times):
            client.writer.write(b"a LOGIN alice@example.test wrong\r\n")
            while not (line := await client.line()).startswith("a "):
                pass
            assert line.startswith("a NO")


def paths(peer: HttpPeer) -> list[str]:
    return [received.path for received in peer.received if received.path != "/beat"]


def beats(peer: HttpPeer) -> list[float]:
    return [received.json()["time"] for received in peer.received if received.path == "/beat"]


@pytest.mark.proves(
    "alerting: events of all workers count together, one of them evaluates, each sink is told once"
)
async def test_what_all_workers_see_is_told_once_by_one_of_them(tmp_path: Path) -> None:
    async with http_peer(usual=vendor) as peer:
        plugins = {
            "alerts": {
                "interval": 1,
                "heartbeat": {"url": f"{peer.url}/beat", "every": 1},
                "rules": {"login-failures": {"count": 6}},
            },
            "alert-pagerduty": {"routing_key": "0" * 32, "url": f"{peer.url}/pagerduty"},
            "alert-slack": {"url": f"{peer.url}/slack"},
            "alert-discord": {"url": f"{peer.url}/discord"},
            "alert-webhook": {"url": f"{peer.url}/webhook"},
        }
        names = ["storage-sql", "blobs-segment", "directory-sql", "alerts", *SINKS]
        async with serving(tmp_path, tables={"hub": {"plugins": names}, "plugins": plugins}) as crew:
            await fail_to_log_in(crew, 0, 3)
            await fail_to_log_in(crew, 1, 3)

            async def told() -> bool:
                return len(paths(peer)) == 4

            await until(told)
            assert sorted(paths(peer)) == ["/discord", "/pagerduty", "/slack", "/webhook"]
            (notice,) = [each.json() for each in peer.received if each.path == "/webhook"]
            assert (notice["rule"], notice["count"], notice["status"]) == ("login-failures", 6, "firing")
            seen = len(beats(peer))

            async def looked_twice_more() -> bool:
                return len(beats(peer)) >= seen + 2

            await until(looked_twice_more)
            assert len(paths(peer)) == 4
            times = beats(peer)
            assert min(b - a for a, b in itertools.pairwise(times)) > 0.9  # one worker looks, not each
