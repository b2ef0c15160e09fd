"""Connections that do nothing, held open by processes of their own from many source addresses.

`python -m bench.idle` is one such process: a specification in JSON on the first line of its input; it writes
a line when all connections are there, another with how many still answer when it gets a second line, and
closes them when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from bench.resident import raise_file_limit
from bench.server import DOMAIN, HOST, ROOT, environment

PER_ADDRESS: Final = 50
"""Connections from one source address; Postfix by default takes no more from strangers."""
PROCESSES: Final = 2
AT_ONCE: Final = 50
PATIENCE: Final = 120.0


Talk = Literal["smtp", "imap", "idle"]
Tls = Literal["none", "starttls", "implicit"]


class NotHeld(Exception):
    """A connection was not made, or not kept."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What the connections say before they fall silent.

    talk: EHLO; or nothing after IMAP's greeting; or login, SELECT of an empty mailbox and IDLE. login: the
    arguments of IMAP's LOGIN. first: which source address is the first, 0 for 127.0.0.2.
    """

    port: int
    count: int
    talk: Talk = "smtp"
    tls: Tls = "none"
    login: str = ""
    first: int = 0


class Held:
    """Connections that are open while the block lasts."""

    def __init__(self, children: Sequence[subprocess.Popen[str]]) -> None:
        self._children = children

    def answering(self) -> int:
        """How many of them the server still answers; they are not as idle afterwards. NotHeld."""
        for child in self._children:
            assert child.stdin is not None
            print("answer?", file=child.stdin, flush=True)
        return sum(int(_line(child)) for child in self._children)


@contextmanager
def holding(idle: Idle) -> Iterator[Held]:
    """Open the connections, from two processes; returns when all are there. NotHeld."""
    children: list[subprocess.Popen[str]] = []
    try:
        for part in parts(idle, PROCESSES):
            child = subprocess.Popen(
                [sys.executable, "-m", "bench.idle"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=environment(),
            )
            children.append(child)
            assert child.stdin is not None
            print(json.dumps(asdict(part)), file=child.stdin, flush=True)
        for child in children:
            _line(child)
        yield Held(children)
    finally:
        for child in children:
            try:
                child.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()


def parts(idle: Idle, processes: int) -> Sequence[Idle]:
    """The same for several processes, none of which uses another's source addresses."""
    each = -(-idle.count // processes)
    counts = [min(each, idle.count - each * number) for number in range(processes)]
    addresses = -(-each // PER_ADDRESS)
    return [
        replace(idle, count=count, first=idle.first + addresses * number)
        for number, count in enumerate(counts)
        if count > 0
    ]


def source(number: int) -> str:
    """The loopback address of that number, from 127.0.0.2 on."""
    return f"127.0.{(number + 2) // 250}.{(number + 2) % 250}"


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    assert child.stderr is not None
    line = child.stdout.readline()
    if not line:
        raise NotHeld(child.stderr.read().strip()[-500:] or "a process with connections has ended")
    return line


# -- in the process that holds them

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _trusting() -> ssl.SSLContext:
    """Who the server is does not matter here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _open(idle: Idle, number: int, context: ssl.SSLContext, turn: asyncio.Semaphore) -> Pair:
    async with turn, asyncio.timeout(PATIENCE):
        pair = await asyncio.open_connection(
            HOST,
            idle.port,
            local_addr=(source(idle.first + number // PER_ADDRESS), 0),
            ssl=context if idle.tls == "implicit" else None,
            limit=1024,
        )
        if idle.talk == "smtp":
            await _until(pair, b"220 ")
            await _ask(pair, f"EHLO client.{DOMAIN}", b"250 ")
            if idle.tls == "starttls":
                await _ask(pair, "STARTTLS", b"220 ")
                await pair[1].start_tls(context)
                await _ask(pair, f"EHLO client.{DOMAIN}", b"250 ")
        else:
            await _until(pair, b"* OK")
        if idle.talk == "idle":
            await _ask(pair, f"1 LOGIN {idle.login}", b"1 OK")
            await _ask(pair, "2 SELECT Drafts", b"2 OK")  # what a full mailbox costs is measured elsewhere
            await _ask(pair, "3 IDLE", b"+ ")
        return pair


async def _answers(idle: Idle, pair: Pair) -> bool:
    command, wanted = {
        "smtp": ("NOOP", b"250 "),
        "imap": ("4 NOOP", b"4 OK"),
        "idle": ("DONE", b"3 OK"),
    }[idle.talk]
    try:
        async with asyncio.timeout(PATIENCE):
            await _ask(pair, command, wanted)
    except (NotHeld, OSError):
        return False
    return True


async def _ask(pair: Pair, command: str, wanted: bytes) -> None:
    pair[1].write(f"{command}\r\n".encode())
    await _until(pair, wanted)


async def _until(pair: Pair, wanted: bytes) -> None:
    """Read lines up to the one that begins like this."""
    last = b""
    while line := await pair[0].readline():
        if line.startswith(wanted):
            return
        last = line
    raise NotHeld(f"the server closed a connection after {last!r}")


async def _hold(idle: Idle) -> None:
    loop = asyncio.get_running_loop()
    context, turn = _trusting(), asyncio.Semaphore(AT_ONCE)
    pairs = await asyncio.gather(*(_open(idle, number, context, turn) for number in range(idle.count)))
    print("there", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        answers = await asyncio.gather(*(_answers(idle, pair) for pair in pairs))
        print(sum(answers), flush=True)
    for _, writer in pairs:
        writer.transport.abort()


def main() -> None:
    """What the process does."""
    raise_file_limit()
    try:
        asyncio.run(_hold(Idle(**json.loads(sys.stdin.readline()))))
    except (NotHeld, OSError) as error:
        sys.exit(str(error) or "the server did not answer in time")


if __name__ == "__main__":
    main()
