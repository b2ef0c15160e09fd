"""A whole session in one breath, cut into packets anywhere: the answers are the same."""

import asyncio
import random

import pytest

from hub.testing.running import RunningHub

SAID = (
    b"CAPA\r\nUSER alice@example.test\r\nPASS demo\r\nSTAT\r\nUIDL\nLIST 1\r\nRETR 2\r\nTOP 1 1\r\n"
    b"DELE 1\r\nDELE 1\r\nRSET\r\nNOOP x\r\nWHAT\r\nQUIT\r\nSTAT\r\n"
)


async def answers(hub: RunningHub, pieces: list[bytes]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        heard = await reader.read()
    writer.close()
    await writer.wait_closed()
    return heard


@pytest.mark.proves("pop3: CAPA, TOP, UIDL, PIPELINING, response codes")
async def test_the_answers_are_the_same_wherever_packets_end(hub: RunningHub) -> None:
    whole = await answers(hub, [SAID])
    assert whole.endswith(b"+OK Goodbye, 0 removed\r\n")
    assert whole.count(b"-ERR") == 2
    dice = random.Random(1939)
    for _ in range(12):
        cuts = sorted(dice.sample(range(1, len(SAID)), dice.randrange(1, 60)))
        pieces = [SAID[a:b] for a, b in zip([0, *cuts], [*cuts, len(SAID)], strict=True)]
        assert await answers(hub, pieces) == whole
