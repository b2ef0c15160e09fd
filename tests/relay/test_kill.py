"""kill -9 while mail is sent on: none is lost, and none is sent twice but what was in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import smtplib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.testing.running import PASSWORD, running_hub
from tests.crew import ALICE, started
from tests.peers.sink import Sink, needs_sink, sinking
from tests.soak import Soak

TO = "ann@elsewhere.example"


def submit(port: int, first: int, answered: set[str]) -> None:
    """One mail after the other, until the hub is gone; what it said 250 to is noted."""
    with (
        contextlib.suppress(OSError, smtplib.SMTPException),
        smtplib.SMTP("127.0.0.1", port, timeout=30) as client,
    ):
        client.login(ALICE, PASSWORD)
        for number in itertools.count(first):
            subject = f"Subject: mail {number}"
            client.sendmail(ALICE, [TO], f"From: {ALICE}\r\n{subject}\r\n\r\nwords\r\n")
            answered.add(subject)


def taken(sink: Sink) -> Counter[str]:
    """How often each came."""
    lines = (line for text in sink.messages() for line in text.splitlines())
    return Counter(line for line in lines if line.startswith("Subject: mail "))


def at_least(count: int) -> Callable[[Counter[str]], bool]:
    return lambda came: len(came) >= count


async def until_taken(sink: Sink, holds: Callable[[Counter[str]], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds(await asyncio.to_thread(taken, sink)):
            await asyncio.sleep(0.1)


@needs_sink
@pytest.mark.soak
@pytest.mark.proves("sending: a hub that is killed while it sends on loses nothing that waits to be sent")
async def test_a_hub_that_is_killed_while_it_sends_loses_nothing(tmp_path: Path, soak: Soak) -> None:
    rounds = soak.times(2, soak=30)
    answered: set[str] = set()
    with sinking(tmp_path / "sink") as sink:
        # A connection that the sink resets is no reason to wait for two minutes here.
        relay = {"routes": {"*": f"127.0.0.1:{sink.port}"}, "per_host": 4, "first_retry": "1s"}
        tables = {"relay": relay, "hub": {"workers": 1}, "log": {"format": "json"}}
        async with running_hub(tmp_path / "hub", tables=tables):
            pass  # the configuration, the store and the accounts
        for number in range(rounds):
            enough = len(taken(sink)) + 50
            async with started(tmp_path / "hub") as crew:
                port = await crew.port("submission")
                submitting = asyncio.create_task(asyncio.to_thread(submit, port, number * 10_000, answered))
                await until_taken(sink, at_least(enough), 60)
                crew.process.kill()
                await crew.process.wait()
                await submitting
            async with started(tmp_path / "hub"):
                await until_taken(sink, lambda came: answered <= came.keys(), 90)
        came = taken(sink)
    doubles = [count - 1 for count in came.values() if count > 1]
    soak.found(f"mails sent on by a hub that was killed {rounds} times", f"{len(answered)}, none lost")
    soak.found(f"of them sent twice, in {rounds} kills with up to 4 mails under way each", f"{len(doubles)}")
    assert answered <= came.keys()
    # What was between its last dot and what was kept of the reply to it: one for each connection.
    assert sum(doubles) <= 4 * rounds
    assert all(count == 1 for count in doubles)  # no mail is in that state at two kills
