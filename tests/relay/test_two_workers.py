"""Two workers send to one server, within what it is given of both together."""

from __future__ import annotations

import base64
from itertools import accumulate
from pathlib import Path

from tests.crew import ALICE, serving, until
from tests.peers.sink import Sink, needs_sink, sinking

LOGIN = base64.b64encode(f"\0{ALICE}\0demo".encode()).decode()


def most_at_once(sink: Sink) -> int:
    """Connections that were open at the same time, by its log."""
    lines = (sink.folder / "log").read_text().splitlines()
    steps = [1 if ": connect (" in line else -1 if ": disconnect" in line else 0 for line in lines]
    return max(accumulate(steps))


@needs_sink
async def test_one_connection_is_one_for_both(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-v", "-w", "1") as sink:
        relay = {
            "routes": {"*": f"127.0.0.1:{sink.port}"},
            "limits": {"127.0.0.1": {"connections": 1}},
            "idle": 0,
        }
        async with serving(tmp_path / "hub", tables={"relay": relay}) as crew:
            for number in range(4):
                async with crew.connected(number % 2, "submission") as client:
                    await client.smtp("EHLO client.example.test")
                    assert (await client.smtp(f"AUTH PLAIN {LOGIN}")).startswith("235 ")
                    assert (await client.smtp(f"MAIL FROM:<{ALICE}>")).startswith("250 ")
                    assert (await client.smtp(f"RCPT TO:<ann@d{number}.example>")).startswith("250 ")
                    await client.smtp("DATA")
                    assert (await client.smtp(f"Subject: {number}\r\n\r\nwords\r\n.")).startswith("250 ")

            async def all_taken() -> bool:
                return len(sink.messages()) == 4

            await until(all_taken)
    assert most_at_once(sink) == 1
