"""The generator of the latency area, against servers that answer late, wrongly or never."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench import open_loop
from bench.open_loop import Answered, Mail, send_on_time
from bench.smtp_source import LoadFailed

STALL = 0.5
Answer = Callable[[int], str]


@asynccontextmanager
async def server(
    stalls_at: int = -1, answer: Answer = lambda number: "250 2.0.0 taken"
) -> AsyncIterator[tuple[int, list[str]]]:
    """An SMTP server's port, and the recipients of the mail that it took; it holds one mail up."""
    taken: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        recipient = ""
        while line := (await reader.readline()).decode():
            if line.startswith("EHLO"):
                writer.write(b"250-here\r\n250 PIPELINING\r\n")
            elif line == "DATA\r\n":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                if len(taken) == stalls_at:
                    await asyncio.sleep(STALL)
                taken.append(recipient)
                writer.write(f"{answer(len(taken))}\r\n".encode())
            else:
                recipient = line.partition("<")[2].partition(">")[0]
                writer.write(b"250 ok\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], taken


async def send(mail: Mail) -> Answered:
    return await asyncio.to_thread(send_on_time, mail)


async def test_a_stall_is_seen_in_every_mail_that_it_held_up() -> None:
    due = [number / 100 for number in range(100)]
    async with server(stalls_at=10) as (port, taken):
        answered = await send(Mail(port, due, ["reader@example.test"], size=200, sessions=1))
    assert len(taken) == len(answered.latencies) == 100
    # The mail that stalled waits for 500 ms, the one that was due 100 ms after it for 400 ms, and so on; a
    # generator that waits for its turn before it looks at the clock would have found a single late mail.
    for later in range(40):
        assert answered.latencies[10 + later] >= (STALL * 1000 - later * 10) * 0.99
    assert answered.seconds >= 0.99
    assert len(answered.lateness) == 100
    assert min(answered.lateness) >= 0


async def test_recipients_take_turns() -> None:
    people = ["a@example.test", "b@example.test", "c@example.test"]
    async with server() as (port, taken):
        await send(Mail(port, [0.0] * 8, people, size=100, sessions=2))
    assert sorted(taken) == sorted([*people, *people, *people[:2]])


async def test_a_refused_mail_fails_the_run_with_what_the_server_said() -> None:
    async with server(answer=lambda number: "250 taken" if number < 3 else "451 4.3.0 not now") as (port, _):
        with pytest.raises(LoadFailed, match=r"451 4\.3\.0 not now"):
            await send(Mail(port, [0.0] * 8, ["a@example.test"], size=100, sessions=1))


async def test_a_server_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "SPARE", 1.0)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(LoadFailed, match="within 1 s"),
    ):
        await send(Mail(mute.getsockname()[1], [0.0], ["a@example.test"]))
