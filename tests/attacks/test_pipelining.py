"""Commands without an end, and nobody who reads the answers: what is not read is not answered, nor kept."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.attacks.conftest import Start, attack, rest
from tests.smtp.test_memory import Watch, anonymous_memory, hub_with_probe, probe, sample

FLOODS = [b"HELP\r\n", b"RSET\r\n", b"MAIL FROM:<a@b.example>\r\nRSET\r\n", b"EHLO x\r\n"]


async def pour(port: int, flood: bytes) -> socket.socket:
    """Send until nothing more is taken; the socket, from which nothing was read."""
    loop = asyncio.get_running_loop()
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.setblocking(False)
    await loop.sock_connect(wire, ("127.0.0.1", port))
    while True:
        try:
            async with asyncio.timeout(0.5):
                await loop.sock_sendall(wire, b"EHLO x\r\n" + flood * 10_000)
        except TimeoutError:
            return wire


async def test_answers_that_nobody_reads_are_not_kept(tmp_path: Path) -> None:
    """With the limits of a session lifted, so that this is all that holds."""
    lifted = {"max_commands": 1_000_000_000, "max_errors": 1_000_000_000}
    async with hub_with_probe(tmp_path, **lifted) as crew:
        port = await crew.port("smtp")
        watch = Watch(crew, anonymous_memory(crew.process.pid))
        async with asyncio.TaskGroup() as group:
            group.create_task(sample(watch))
            group.create_task(probe(watch, port))
            wires = await asyncio.gather(*(pour(port, FLOODS[number % len(FLOODS)]) for number in range(8)))
            watch.over = True
        await watch.see()
        for wire in wires:
            wire.close()
        assert watch.growth < 8 * 1_000_000
        assert watch.longest < 0.050  # nobody's commands are all answered before others are heard
        assert watch.others


@pytest.mark.parametrize(
    "flood", [b"RSET\r\n", b"EHLO x\r\n", b"NOPE\r\n", b"MAIL FROM:<a@b.example>\r\nRSET\r\n"]
)
async def test_commands_without_end_end_the_session(start: Start, flood: bytes) -> None:
    hub = await start()
    client = await attack(hub)
    await client.send(b"EHLO x\r\n" + flood * 300)
    said = await rest(client)
    assert said.splitlines()[-1].startswith(b"421 4.7.0 Too many ")
    await client.close()


async def test_message_and_next_commands_in_one_packet(start: Start) -> None:
    """Each command gets its answer, in order, and nothing of the message is one."""
    hub = await start()
    client = await attack(hub)
    one = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    one += b"QUIT: no\r\n\r\nRSET\r\n..\r\nQUIT\r\n.\r\n"
    await client.send(b"EHLO x\r\n" + one * 100 + b"QUIT\r\n")
    codes = [line[:3] for line in (await rest(client)).splitlines() if line[3:4] == b" "]
    assert codes == [b"250"] + [b"250", b"250", b"354", b"250"] * 100 + [b"221"]
    await client.close()
    assert len(await hub.mailbox(user="bob@example.test")) == 100
