"""Asking a real hub."""

import asyncio
from pathlib import Path

from hub.testing.observed import Observed
from hub.testing.running import RunningHub, running_hub

TREE = Path(__file__).parents[1]
LISTENERS = {
    "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
    "finger": {"protocol": "finger", "bind": ["127.0.0.1:0"]},
}


async def ask(hub: RunningHub, line: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("finger"))
    writer.write(line)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_mail_is_counted_and_asked_for(tmp_path: Path) -> None:
    observed = Observed()
    async with running_hub(
        tmp_path, plugins=["finger"], trees=[TREE], tables={"listeners": LISTENERS}, observed=observed
    ) as hub:
        assert await ask(hub, b"alice@example.test\r\n") == b"0 today\r\n"
        await hub.send()
        await hub.until_called("message_accepted")
        assert await ask(hub, b"Alice@example.test\r\n") == b"1 today\r\n"
        assert await ask(hub, b"x" * 2000 + b"\r\n") == b"The line is too long\r\n"
