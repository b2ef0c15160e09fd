"""A hub that sends, and what tests of that have in common."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hub.services.queue import QueueRow
from hub.testing.clock import ManualClock
from hub.testing.running import PASSWORD, RunningHub, running_hub

ALICE = "alice@example.test"
ANN, BEN = "ann@elsewhere.example", "ben@elsewhere.example"
MAIL = "From: alice@example.test\r\nSubject: Out\r\n\r\nInto the world.\r\n.dots\r\n..two\r\n"


@asynccontextmanager
async def sending(
    folder: Path,
    port: int,
    clock: ManualClock | None = None,
    *,
    relay: Mapping[str, object] | None = None,
    tables: Mapping[str, object] | None = None,
) -> AsyncIterator[RunningHub]:
    """A hub whose mail for all the world goes to a port on loopback; 0: where DNS says.

    Without a clock to turn it tries again soon: what has to wait takes no minutes then.
    """
    soon = {} if clock else {"first_retry": "1s", "pause": "1s", "unreachable": "1s"}
    said = {
        **({"routes": {"*": f"127.0.0.1:{port}"}} if port else {}),
        "first_retry": "5m",
        **soon,
        "give_up": "1h",
        "delay_report": "20m",
        **(relay or {}),
    }
    async with running_hub(folder, tables={"relay": said, **(tables or {})}, clock=clock) as running:
        yield running


async def submit(
    running: RunningHub,
    *to: str,
    text: str | bytes = MAIL,
    sender: str = ALICE,
    options: Sequence[str] = (),
    mail_options: Sequence[str] = (),
) -> str:
    """Send as Alice; the message's id. options: of RCPT."""
    content = text.encode() if isinstance(text, str) else text

    def work(client: smtplib.SMTP) -> str:
        client.ehlo("client.example.test")
        client.login(ALICE, PASSWORD)
        code, reply = client.mail(sender, mail_options)
        assert code == 250, reply
        for each in to:
            assert client.rcpt(each, options)[0] == 250
        code, reply = client.data(content)
        assert code == 250, reply
        return reply.decode().rpartition(" ")[2]

    return await running.smtp(work, "submission")


async def until(what: Callable[[], Awaitable[object]]) -> None:
    """TimeoutError after a minute: only a test that fails waits for so long."""
    async with asyncio.timeout(60):
        while not await what():
            await asyncio.sleep(0.02)


async def rows(running: RunningHub) -> list[QueueRow]:
    """What waits."""
    return list(await running.hub.kernel.services.storage.queue())


async def empty(running: RunningHub) -> bool:
    """Whether nothing waits."""
    return not await rows(running)


async def tried(running: RunningHub, times: int) -> bool:
    """Whether all that waits was tried that often."""
    return all(row.attempts >= times for row in await rows(running))
