"""Two hubs on one PostgreSQL: each is the other's, and neither loses anything when something is killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from hub.testing.load import HEADER, MailLoad, mail_load
from hub.testing.running import RunningHub, running_hub
from tests.crew import ALICE, Client, serving, until
from tests.peers.postgres import PostgresServer
from tests.soak import Soak


@pytest.fixture
def tables(postgres_url: str) -> Mapping[str, object]:
    """The configuration of a hub on the test's database."""
    return {"services": {"blobs": "blobs-sql"}, "plugins": {"storage-sql": {"url": postgres_url}}}


@pytest.fixture
async def hubs(tables: Mapping[str, object], tmp_path: Path) -> AsyncIterator[tuple[RunningHub, RunningHub]]:
    """Two of them; accounts made at the first."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(running_hub(tmp_path / "one", tables=tables))
        two = await stack.enter_async_context(running_hub(tmp_path / "two", tables=tables, accounts=()))
        yield one, two


@asynccontextmanager
async def alice(hub: RunningHub) -> AsyncIterator[Client]:
    """Her client, with INBOX selected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imap"))
    client = Client(reader, writer)
    await client.line()
    await client.imap(f"LOGIN {ALICE} demo")
    await client.imap("SELECT INBOX")
    yield client
    writer.close()
    await writer.wait_closed()


async def told(client: Client, pattern: str) -> None:
    """Read on in IDLE until a line says so."""
    while not re.search(pattern, await client.line()):
        pass


@pytest.mark.proves(
    "store: two hubs on one PostgreSQL serve the same mailboxes; IDLE at one sees what comes at the other"
)
async def test_what_happens_at_one_hub_is_seen_at_the_other(hubs: tuple[RunningHub, RunningHub]) -> None:
    one, two = hubs
    async with alice(one) as here, alice(two) as there:
        there.writer.write(b"a IDLE\r\n")
        assert (await there.line()).startswith("+")
        assert (await one.send("Subject: across\r\n\r\nfrom one to the other\r\n"))[0] == 250
        await told(there, r"^\* 1 EXISTS$")
        await here.imap("NOOP")
        await here.imap(r"STORE 1 +FLAGS (\Flagged)")
        await told(there, r"^\* 1 FETCH .*\\Flagged")
        await here.imap(r"STORE 1 +FLAGS (\Deleted)")
        await here.imap("EXPUNGE")
        await told(there, r"^\* (1 EXPUNGE|VANISHED)")
        there.writer.write(b"DONE\r\n")
        await told(there, "^a OK")
    large = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 20_000
    assert (await two.send(large))[0] == 250
    (found,) = await one.mailbox()
    assert found.endswith(large.encode())


async def is_down(hub: RunningHub) -> bool:
    """Whether its status says that the database cannot be reached."""
    return hub.hub.kernel.services.storage.status()["trouble"] != "none"


async def numbers(hub: RunningHub) -> list[int]:
    """Of the load's messages in Alice's INBOX."""
    return sorted(
        int(number)
        for text in await hub.mailbox()
        for number in re.findall(rf"{HEADER}: (\d+)".encode(), text)
    )


def nothing_lost(load: MailLoad, found: list[int]) -> None:
    """What was accepted is there once, what was refused is not; what was not answered may be either."""
    assert len(set(found)) == len(found)
    assert load.accepted.keys() <= set(found)
    assert set(found) <= load.accepted.keys() | load.unanswered
    assert {reply[:3] for reply in load.refused.values()} <= {"451", "452", "421"}


@pytest.mark.soak
@pytest.mark.proves(
    "store: PostgreSQL may be killed and started again under load; the hubs go on, nothing is lost"
)
async def test_a_killed_database_loses_nothing_that_was_acknowledged(
    tables: Mapping[str, object], tmp_path: Path, postgres: PostgresServer, soak: Soak
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        serving(tmp_path / "one", tables=tables) as crew,
        running_hub(tmp_path / "two", tables=tables, accounts=()) as two,
    ):
        pids = await crew.pids()
        async with mail_load(await crew.port("smtp"), sessions=4) as load:
            for round_ in range(soak.times(2, soak=50)):
                await load.until_accepted(40)
                await asyncio.to_thread(postgres.stop, signal.SIGKILL)
                if not round_:
                    assert (await two.send())[0] == 451
                    await until(partial(is_down, two))
                await asyncio.to_thread(postgres.start)
            await load.until_accepted(40)
        assert (await two.send())[0] == 250
        found = await numbers(two)
        assert await crew.pids() == pids
    nothing_lost(load, found)
    soak.found("messages accepted while PostgreSQL was killed", str(len(load.accepted)))


async def test_a_killed_hub_loses_nothing_and_the_other_goes_on(
    tables: Mapping[str, object], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        serving(tmp_path / "one", tables=tables) as crew,
        running_hub(tmp_path / "two", tables=tables, accounts=()) as two,
    ):
        port = await crew.port("smtp")
        async with mail_load(port, sessions=10) as load, mail_load(two.port(), sessions=5) as other:
            for _ in range(3):
                await load.until_accepted(50)
                for pid in await crew.pids():
                    os.kill(pid, signal.SIGKILL)
                await other.until_accepted(20)
                await until(crew.all_serve, 20)
        by_number = Counter(await numbers(two))
    # Both loads count from 1.
    for number in load.accepted.keys() | other.accepted.keys():
        certain = (number in load.accepted) + (number in other.accepted)
        perhaps = (number in load.unanswered) + (number in other.unanswered)
        assert certain <= by_number[number] <= certain + perhaps
