"""What all plugins that export spans have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub import NotSent, Span, SpanSender
from hub.loading.scope import Scope
from hub.testing.clock import ManualClock, settle
from hub.testing.scopes import make_scope
from hub.trace import sender as sender_module

SPAN = Span(1, 2, None, "message", "server", 1_000, 2_000)


class Peer:
    """Takes batches, or says what it is told to say first."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.batches: list[int] = []
        self.tries = 0

    async def send(self, spans: Sequence[Span]) -> None:
        self.tries += 1
        if self.troubles:
            raise self.troubles.pop(0)
        self.batches.append(len(spans))


@asynccontextmanager
async def sending(folder: Path, peer: Peer) -> AsyncIterator[tuple[SpanSender, ManualClock, Scope]]:
    clock = ManualClock()
    scope = make_scope("exporter", folder, clock)
    sender = await scope.enter(SpanSender(scope, "collector", peer.send))
    scope.open_timers()
    yield sender, clock, scope
    await scope.close()


async def test_spans_are_sent_in_batches_a_second_later(tmp_path: Path) -> None:
    peer = Peer()
    async with sending(tmp_path, peer) as (sender, clock, scope):
        sender.put([SPAN] * 600)
        await settle()
        assert peer.batches == []
        await clock.turn(1)
        assert peer.batches == [256, 256, 88]
        assert scope.dependencies == {"collector": None}


async def test_a_peer_that_is_away_is_tried_again_later_and_later(tmp_path: Path) -> None:
    peer = Peer(*[NotSent("refused")] * 3)
    async with sending(tmp_path, peer) as (sender, clock, scope):
        sender.put([SPAN])
        tries = []
        for _ in range(20):
            await clock.turn(1)
            tries.append(peer.tries)
        assert [tries.index(n) for n in (1, 2, 3, 4)] == [0, 2, 6, 14]
        assert peer.batches == [1], "nothing was lost"
        assert scope.dependencies == {"collector": None}


async def test_a_peer_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    peer = Peer(NotSent.answered(429, "40"))
    async with sending(tmp_path, peer) as (sender, clock, scope):
        sender.put([SPAN])
        await clock.turn(40)
        assert (peer.tries, peer.batches) == (1, [])
        assert scope.dependencies == {"collector": "it answered 429"}
        await clock.turn(2)
        assert peer.batches == [1]


async def test_what_can_never_be_sent_is_lost_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(NotSent.answered(400), RuntimeError("a bug"))
    async with sending(tmp_path, peer) as (sender, clock, _):
        sender.put([SPAN])
        await clock.turn(2)
        sender.put([SPAN])
        await clock.turn(10)
        sender.put([SPAN])
        await clock.turn(10)
        assert peer.batches == [1]
    said = capsys.readouterr().out
    assert "count=1" in said
    assert "it answered 400" in said
    assert said.count("spans were lost") == 2, "at once, and what came within the minute at the end"


async def test_the_queue_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sender_module, "BOUND", 10)
    peer = Peer()
    async with sending(tmp_path, peer) as (sender, clock, _):
        sender.put([SPAN] * 15)
        await clock.turn(1)
        assert peer.batches == [10]
    assert "spans were lost" in capsys.readouterr().out


async def test_at_the_end_what_is_left_is_sent(tmp_path: Path) -> None:
    peer = Peer()
    async with sending(tmp_path, peer) as (sender, _, _):
        sender.put([SPAN])
    assert peer.batches == [1]


async def test_a_peer_that_hangs_does_not_keep_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sender_module, "FAREWELL", 0.01)
    peer = Peer()
    hung = asyncio.Event()

    async def hang(spans: Sequence[Span]) -> None:
        await hung.wait()

    monkeypatch.setattr(peer, "send", hang)
    async with sending(tmp_path, peer) as (sender, _, _):
        sender.put([SPAN] * 3)
    said = capsys.readouterr().out
    assert "count=3" in said
    assert "spans were lost" in said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120.0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("soon", None), ("9" * 50, None), (None, None)],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(text: str | None, seconds: float | None) -> None:
    error = NotSent.answered(503, text)
    assert error.again
    if seconds is not None:
        assert error.after == seconds
    elif text and text.startswith("Wed"):
        assert error.after is not None
        assert error.after < 0
    elif text != "9" * 50:
        assert error.after is None


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 501])
def test_other_answers_are_for_ever(status: int) -> None:
    assert not NotSent.answered(status).again
