"""How a worker gets sockets that were opened after it was forked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

from hub.listening import Bound

NAME: Final = "sockets.sock"
"""In the data folder, while a reload is under way."""
PATIENCE: Final = 5.0
"""Seconds for everything that one of them waits for."""


@asynccontextmanager
async def handing_out(folder: Path, crews: Sequence[Sequence[Bound]]) -> AsyncIterator[None]:
    """Give the sockets of its number to every worker that asks, until the block ends. OSError.

    One packet for each, `[name, host, port]` with the descriptor beside it (unix(7), SCM_RIGHTS), then the
    end.
    """
    path = folder / NAME
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.setblocking(False)
        previous = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(previous)
        listening.listen()
        task = asyncio.create_task(_serve(listening, crews))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
            path.unlink(missing_ok=True)


async def _serve(listening: socket.socket, crews: Sequence[Sequence[Bound]]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        asking, _ = await loop.sock_accept(listening)
        with asking, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                number = int.from_bytes(await loop.sock_recv(asking, 4))
                for bound in crews[number]:
                    await _send(asking, bound)


async def _send(asking: socket.socket, bound: Bound) -> None:
    while True:
        try:
            named = json.dumps([bound.name, *(bound.asked or ())]).encode()
            socket.send_fds(asking, [named], [bound.socket.fileno()])
            return
        except BlockingIOError:  # it reads slowly; rare enough to look again
            await asyncio.sleep(0.01)


Handed: TypeAlias = tuple[str, tuple[str, int], socket.socket]
"""The name of a listener, one of its addresses, and the socket."""


def fetch(folder: Path, number: int) -> list[Handed]:
    """What the supervisor has for this worker. OSError; blocks."""
    found: list[Handed] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.settimeout(PATIENCE)
        asking.connect(str(folder / NAME))
        asking.send(number.to_bytes(4))
        while True:
            data, descriptors, _, _ = socket.recv_fds(asking, 4096, 1)
            if not data:
                return found
            taken = socket.socket(fileno=descriptors[0])
            taken.setblocking(False)
            name, *asked = json.loads(data)
            if asked:
                found.append((name, (asked[0], asked[1]), taken))
            else:  # systemd's, which every worker has from its start
                taken.close()
