"""Mail at times fixed in advance: an open loop, which a slow server does not slow down.

Latency counts from when a mail was due, not from when a session was free for it. So a stall of the server
is seen in every mail that it held up ("coordinated omission" is what hides it otherwise). Runs in a process
of its own, `python -m bench.open_loop`: a specification in JSON on its input, what it measured on its output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bench.server import DOMAIN, HOST, ROOT, environment
from bench.smtp_source import LoadFailed

SENDER: Final = f"sender@client.{DOMAIN}"
SPARE: Final = 60.0
"""Seconds that a server gets to answer after the last mail was due."""


@dataclass(frozen=True, slots=True)
class Mail:
    """due: seconds from the start for each mail, ascending; all 0 is as fast as the sessions can.

    recipients: taken in turn. size: octets of a body. sessions: that are open, over which mails are pipelined
    one after the other.
    """

    port: int
    due: Sequence[float]
    recipients: Sequence[str]
    size: int = 4096
    sessions: int = 100


@dataclass(frozen=True, slots=True)
class Answered:
    """latencies: milliseconds from due to 250, per mail. lateness: milliseconds by which the generator itself
    was late, per mail. seconds: until the last 250. cpu: seconds that the generator used."""

    latencies: Sequence[float]
    lateness: Sequence[float]
    seconds: float
    cpu: float


def send_on_time(mail: Mail) -> Answered:
    """Send it all from another process; returns when the last was answered. LoadFailed."""
    allowed = mail.due[-1] + SPARE
    command = [sys.executable, "-m", "bench.open_loop"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asdict(mail)),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(),
            timeout=allowed,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"not all was answered within {allowed:g} s") from None
    if done.returncode:
        raise LoadFailed(done.stderr.strip()[-500:])
    return Answered(**json.loads(done.stdout))


class _Generator:
    """One run: who is free, what is due, what was answered when."""

    def __init__(self, mail: Mail, loop: asyncio.AbstractEventLoop) -> None:
        self.mail = mail
        self.text = ("x" * 70 + "\r\n") * (mail.size // 72)
        self.finished: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._began = 0.0
        self._arrived = 0
        self._sent = 0
        self._left = len(mail.due)
        self._free: deque[_Session] = deque()
        self._ready = asyncio.Event()
        self.latencies = [0.0] * len(mail.due)
        self.lateness: list[float] = []

    async def run(self) -> float:
        """Open the sessions, send it all; the seconds that it took."""
        sessions = min(self.mail.sessions, len(self.mail.due))
        for _ in range(sessions):
            await self._loop.create_connection(lambda: _Session(self), HOST, self.mail.port)
        while len(self._free) < sessions and not self.finished.done():
            self._ready.clear()
            await self._ready.wait()
        self._began = self._loop.time()
        self._tick()
        await self.finished
        return self._loop.time() - self._began

    def _tick(self) -> None:
        """Hand out what is due by now, and come back for the next."""
        now = self._loop.time() - self._began
        due = self.mail.due
        while self._arrived < len(due) and due[self._arrived] <= now:
            self.lateness.append(now - due[self._arrived])
            self._arrived += 1
        self._hand_out()
        if self._arrived < len(due):
            self._loop.call_at(self._began + due[self._arrived], self._tick)

    def _hand_out(self) -> None:
        while self._free and self._sent < self._arrived:
            self._free.popleft().begin(self._sent)
            self._sent += 1

    def free(self, session: _Session) -> None:
        """A session is greeted."""
        self._free.append(session)
        self._ready.set()

    def answered(self, session: _Session, number: int) -> None:
        """250 for a mail."""
        self.latencies[number] = self._loop.time() - self._began - self.mail.due[number]
        self._left -= 1
        if not self._left and not self.finished.done():
            self.finished.set_result(None)
        self._free.append(session)
        self._hand_out()

    def failed(self, reason: str) -> None:
        """The run is over."""
        if not self.finished.done():
            self.finished.set_exception(LoadFailed(reason))
        self._ready.set()


class _Session(asyncio.Protocol):
    """One connection: greeting, EHLO, then mail after mail, its commands in one pipeline (RFC 2920)."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._buffer = b""
        self._wanted = [b"220"]
        self._number = -2  # -2 before EHLO, -1 before its reply, then the mail's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.failed(f"the server closed a connection: {exc or 'without a word'}")

    def begin(self, number: int) -> None:
        """Send a mail."""
        recipients = self._generator.mail.recipients
        self._to = recipients[number % len(recipients)]
        self._number = number
        self._wanted = [b"250", b"250", b"354"]
        self._transport.write(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{self._to}>\r\nDATA\r\n".encode())

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._wanted or line[:3] != self._wanted.pop(0):
                self._generator.failed(f"the server said: {line.decode(errors='replace')}")
                return
            if not self._wanted:
                self._go_on(line[:3])

    def _go_on(self, code: bytes) -> None:
        if self._number == -2:
            self._number, self._wanted = -1, [b"250"]
            self._transport.write(f"EHLO client.{DOMAIN}\r\n".encode())
        elif self._number == -1:
            self._generator.free(self)
        elif code == b"354":
            self._wanted = [b"250"]
            self._transport.write(
                f"From: <{SENDER}>\r\nTo: <{self._to}>\r\nSubject: {self._number}\r\n\r\n"
                f"{self._generator.text}.\r\n".encode()
            )
        else:
            self._generator.answered(self, self._number)


async def _send(mail: Mail) -> Answered:
    # A collection of its own garbage would look like a stall of the server.
    gc.collect()
    gc.freeze()
    gc.disable()
    generator = _Generator(mail, asyncio.get_running_loop())
    seconds = await generator.run()
    return Answered(
        [round(each * 1000, 3) for each in generator.latencies],
        [round(each * 1000, 3) for each in generator.lateness],
        seconds,
        time.process_time(),
    )


def main() -> None:
    """What the process does."""
    try:
        answered = asyncio.run(_send(Mail(**json.load(sys.stdin))))
    except (LoadFailed, OSError) as error:
        sys.exit(str(error))
    json.dump(asdict(answered), sys.stdout)


if __name__ == "__main__":
    main()
