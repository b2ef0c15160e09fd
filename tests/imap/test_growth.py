"""What a command costs grows with what it touches, not with the mailbox or the accounts beside it.

Counted in calls of Python and C functions on the event loop, the client's own included; what SQLite does is
counted by the tests of its driver.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from pathlib import Path
from types import FrameType
from typing import cast

import pytest

from hub.mail.address import Address
from hub.mail.ident import new_id
from hub.services.directory import DirectoryAdmin
from hub.services.storage import NewItem
from hub.testing.running import running_hub
from tests.imap.conftest import Client, ImapHub, _hub
from tests.imap.test_resync import code

HEAD = b"From: Ann Example <ann@example.org>\r\nSubject: number %d\r\n\r\n"
BODY = b"a line of text\r\n"
SMALL = 300

WHOLE = (
    "SELECT INBOX", "FETCH 1:* (FLAGS)", "FETCH 1:* (UID ENVELOPE)", "UID SEARCH UNSEEN",
    "SEARCH SUBJECT 1", "SEARCH TEXT line", "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL", "SORT (RELEVANCY) UTF-8 FUZZY TEXT line",
    "ESEARCH IN (personal) SUBJECT 1",
    "FETCH 1:* (THREADID)", "SEARCH THREADID T1",
    "STORE 1:* +FLAGS (\\Flagged)", "COPY 1:* Archive", "STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE",
)  # fmt: skip
"""What touches every message."""
PART = (
    "STATUS INBOX (MESSAGES UNSEEN UIDNEXT)", 'LIST "" *', "NOOP", "FETCH 7 (FLAGS)", "FETCH 7 (BODY.PEEK[])",
    "UID FETCH 8:12 (ENVELOPE)", "STORE 9 +FLAGS (\\Seen)", "COPY 9 Archive", "CHECK",
    "STORE 9 +FLAGS (\\Deleted)", "UID EXPUNGE 9", "UNSELECT",
)  # fmt: skip
"""What touches a few."""


async def steps(work: Awaitable[object]) -> int:
    """How many calls are made on this thread until it is done."""
    calls = 0

    def note(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        await work
    finally:
        sys.setprofile(previous)
    return calls


async def fill(hub: ImapHub, size: int) -> None:
    services = hub.kernel.services
    await services.storage.ensure_account(hub.alice)
    inbox = await services.storage.mailbox(hub.alice, "INBOX")
    assert inbox is not None

    async def put(number: int) -> NewItem:
        head = HEAD % number
        blob = await services.blobs.put(head, BODY, b"{}")
        return NewItem(new_id(), blob, len(head), len(head) + len(BODY), 1_770_000_000 + number)

    items = await asyncio.gather(*[put(number) for number in range(size)])
    await services.storage.append(hub.alice, inbox.id, items)


async def costs(folder: Path, size: int, commands: tuple[str, ...]) -> list[int]:
    folder.mkdir()
    async with _hub(folder, "", {}, None) as hub:
        await fill(hub, size)
        async with await hub.logged_in(mailbox="INBOX") as client:
            await rehearse(client)
            return [await steps(client.ok(command)) for command in commands]


async def rehearse(client: Client) -> None:
    """What is imported, compiled or opened with the first use."""
    for command in ("STATUS INBOX (MESSAGES)", "FETCH 2 (UID ENVELOPE BODY.PEEK[])", "UID SEARCH SEEN"):
        await client.ok(command)
    await client.command("STORE 2 +FLAGS (x)")
    await client.command("COPY 2 Archive")
    await client.command("SELECT INBOX")


@pytest.mark.proves("imap: commands cost what they touch, counted in steps at n and 4n messages")
async def test_commands_on_a_whole_mailbox_grow_in_proportion(tmp_path: Path) -> None:
    small = await costs(tmp_path / "small", SMALL, WHOLE)
    large = await costs(tmp_path / "large", 4 * SMALL, WHOLE)
    found = dict(zip(WHOLE, zip(small, large, strict=True), strict=True))
    assert {command: pair for command, pair in found.items() if pair[1] > 4.5 * pair[0]} == {}


async def test_commands_on_a_few_messages_do_not_grow(tmp_path: Path) -> None:
    small = await costs(tmp_path / "small", SMALL, PART)
    large = await costs(tmp_path / "large", 4 * SMALL, PART)
    found = dict(zip(PART, zip(small, large, strict=True), strict=True))
    # A view is a list of numbers, so some calls may come with its thousands, but none for each.
    assert {command: pair for command, pair in found.items() if pair[1] > 1.3 * pair[0] + 60} == {}


async def test_a_client_that_comes_back_costs_what_it_has_missed(tmp_path: Path) -> None:
    async def cost(folder: Path, size: int) -> int:
        folder.mkdir()
        async with _hub(folder, "", {}, None) as hub:
            await fill(hub, size)
            async with await hub.logged_in(mailbox="INBOX") as client:
                await rehearse(client)
                await client.ok("ENABLE QRESYNC")
                opened = await client.ok("SELECT INBOX")
                uidvalidity, modseq = code(opened, b"UIDVALIDITY"), code(opened, b"HIGHESTMODSEQ")
                for number in range(20, 200, 20):
                    await client.ok(f"UID STORE {number} +FLAGS (\\Flagged)")
                await client.ok("UID STORE 30,50 +FLAGS (\\Deleted)")
                await client.ok("EXPUNGE")
                return await steps(client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} {modseq}))"))

    small, large = await cost(tmp_path / "small", SMALL), await cost(tmp_path / "large", 4 * SMALL)
    assert large <= 1.3 * small + 60


async def test_delivery_does_not_grow_with_the_accounts(tmp_path: Path) -> None:
    async def cost(folder: Path, accounts: int) -> int:
        folder.mkdir()
        async with running_hub(folder) as running:
            directory = cast(DirectoryAdmin, running.hub.kernel.services.directory)
            for number in range(accounts):
                await directory.add_account(Address(f"user{number}", "example.test"), None)
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port())

            async def deliver() -> None:
                writer.write(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<user1@example.test>\r\nDATA\r\n")
                for _ in range(3):
                    await reader.readline()
                writer.write(b"Subject: x\r\n\r\ny\r\n.\r\n")
                assert (await reader.readline()).startswith(b"250 ")

            await reader.readline()
            writer.write(b"HELO c.example\r\n")
            await reader.readline()
            for _ in range(3):
                await deliver()
            taken = min([await steps(deliver()) for _ in range(5)])
            writer.close()
            return taken

    small, large = await cost(tmp_path / "small", 20), await cost(tmp_path / "large", 80)
    assert large <= 1.3 * small + 60
