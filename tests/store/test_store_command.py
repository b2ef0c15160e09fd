"""`hub store`, as operators and scripts use it, on the drivers that are installed by default."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from imaplib import IMAP4
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.testing.running import RunningHub, running_hub

TABLES = {
    "plugins": {
        "blobs-segment": {"segment_size": 20_000, "collect_after": 0, "keep_free": 0},
        "storage-sql": {"keep_expunged": 0},
    }
}


async def run(folder: Path, *words: str) -> Result:
    """`hub store …` in a thread: it has an event loop of its own."""
    arguments = ["--config", str(folder / "hub.toml"), "store", *words]
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def answer(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    result = await run(folder, *words, "--json")
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """One that serves, with twenty messages of Alice's."""
    async with running_hub(tmp_path, tables=TABLES) as hub:
        await fill(hub)
        yield hub


async def fill(hub: RunningHub) -> None:
    for number in range(1, 21):
        assert (await hub.send(f"Subject: {number}\r\n\r\n" + f"{number:06}\r\n" * 250))[0] == 250


async def stopped(folder: Path) -> None:
    """The same, and nobody serves it any more."""
    async with running_hub(folder, tables=TABLES) as hub:
        await fill(hub)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.seg"))


def change(folder: Path, statement: str) -> None:
    """As no hub would do it."""
    with closing(sqlite3.connect(folder / "data/plugins/storage-sql/index.sqlite")) as database:
        assert database.execute(statement).rowcount > 0
        database.commit()


async def remove(hub: RunningHub, uids: str) -> None:
    def work(client: IMAP4) -> None:
        client.select("INBOX")
        client.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
        client.expunge()

    await hub.imap(work)


# -- check -----------------------------------------------------------------------------------------


async def test_a_store_is_clean_while_it_serves_and_after(hub: RunningHub) -> None:
    await remove(hub, "3:5")
    found = await answer(hub.folder, "check", "--deep")
    assert (found["clean"], found["blobs"], found["accounts"], found["problems"]) == (True, 17, 1, [])
    shown = await run(hub.folder, "check")
    assert shown.exit_code == 0
    assert "17 messages of 1 accounts" in shown.stdout
    assert "The store is clean." in shown.stdout


async def test_garbage_is_no_fault_and_a_repair_gives_it_back(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES) as hub:
        await fill(hub)
        await remove(hub, "1:15")
    found = await answer(tmp_path, "check")
    assert (found["clean"], found["garbage"]["blobs"]) == (True, 15)
    size = sum(path.stat().st_size for path in segments(tmp_path))
    found = await answer(tmp_path, "check", "--repair")
    assert found["garbage"]["freed"] > 15 * 2_000
    assert sum(path.stat().st_size for path in segments(tmp_path)) == size - found["garbage"]["freed"]
    assert (await answer(tmp_path, "check", "--deep"))["garbage"]["blobs"] == 0


async def test_messages_whose_bytes_are_gone_are_named_and_stay_reported(tmp_path: Path) -> None:
    await stopped(tmp_path)
    segments(tmp_path)[0].unlink()
    shown = await run(tmp_path, "check", "--repair")
    assert shown.exit_code == 1
    assert "'INBOX' UID 1: " in shown.stdout
    assert "is not in the store" in shown.stdout
    assert "NOT clean" in shown.stdout
    lost = (await answer(tmp_path, "check", code=1))["problems"]
    assert 5 <= len(lost) < 15
    assert not any(problem["repaired"] for problem in lost)


async def test_a_message_that_lies_elsewhere_is_found_again(tmp_path: Path) -> None:
    """As after a restore of an index that is older than a compaction."""
    await stopped(tmp_path)
    path = segments(tmp_path)[0]
    path.rename(path.with_name(path.name.replace(path.name[-8:-4], "0000")))
    assert len((await answer(tmp_path, "check", code=1))["problems"]) > 5
    assert all(problem["repaired"] for problem in (await answer(tmp_path, "check", "--repair"))["problems"])
    assert (await answer(tmp_path, "check", "--deep"))["problems"] == []
    async with running_hub(tmp_path, tables=TABLES, accounts=()) as hub:
        found = await hub.mailbox()
        assert [f"\r\n{number:06}\r\n".encode() in found[number - 1] for number in range(1, 21)] == [
            True
        ] * 20


@pytest.mark.proves("store: what was expunged is checked, found again and had back as all other mail")
async def test_what_was_expunged_is_looked_after_as_long_as_it_is_kept(tmp_path: Path) -> None:
    keeping = {"plugins": {**TABLES["plugins"], "storage-sql": {}}}
    async with running_hub(tmp_path, tables=keeping) as hub:
        await fill(hub)
        before = await hub.mailbox()
        await remove(hub, "1:20")
    found = await answer(tmp_path, "check", "--deep", "--repair")
    assert (found["clean"], found["blobs"], found["garbage"]["blobs"]) == (True, 20, 0)
    path = segments(tmp_path)[0]
    path.rename(path.with_name(path.name.replace(path.name[-8:-4], "0000")))
    problems = (await answer(tmp_path, "check", code=1))["problems"]
    assert "'INBOX' UID 1: " in problems[0]["what"]
    assert all(problem["repaired"] for problem in (await answer(tmp_path, "check", "--repair"))["problems"])
    assert (await answer(tmp_path, "check", "--deep"))["problems"] == []
    async with running_hub(tmp_path, tables=keeping, accounts=()) as hub:
        storage = hub.hub.kernel.services.storage
        (account,) = await storage.accounts()
        kept = await storage.expunged(account)
        await storage.undelete(account, [each.id for each in kept])
        assert await hub.mailbox() == before


async def test_a_damaged_body_is_found_by_reading_it(tmp_path: Path) -> None:
    await stopped(tmp_path)
    path = segments(tmp_path)[0]
    path.chmod(0o600)
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"000002\r\n", b"000009\r\n", 1))
    assert (await answer(tmp_path, "check"))["clean"]
    (problem,) = (await answer(tmp_path, "check", "--deep", code=1))["problems"]
    assert "'INBOX' UID 2: the stored message is damaged" in problem["what"]


async def test_wrong_counts_are_found_and_put_right(tmp_path: Path) -> None:
    await stopped(tmp_path)
    change(tmp_path, "UPDATE collection SET messages = 99, unseen = 1, uidnext = 7 WHERE name = 'INBOX'")
    change(tmp_path, "UPDATE account SET size = 5, modseq = 2")
    found = [problem["what"] for problem in (await answer(tmp_path, "check", code=1))["problems"]]
    assert "mailbox 'INBOX': next UID is 7, not 21, messages is 99, not 20, unseen is 1, not 20" in found[0]
    assert "account: highest modseq is 2, not 20, size is 5, not " in found[1]
    repaired = await answer(tmp_path, "check", "--repair")
    assert [problem["repaired"] for problem in repaired["problems"]] == [True, True]
    assert (await answer(tmp_path, "check"))["problems"] == []
    async with running_hub(tmp_path, tables=TABLES, accounts=()) as hub:
        await hub.send("Subject: 21\r\n\r\nNew.\r\n")
        assert len(await hub.mailbox()) == 21


async def test_a_row_that_is_wrong_about_its_message_is_found(tmp_path: Path) -> None:
    await stopped(tmp_path)
    change(tmp_path, "UPDATE message SET head_size = head_size + 1 WHERE id & 4294967295 = 4")
    (problem,) = (await answer(tmp_path, "check", code=1))["problems"]
    assert "'INBOX' UID 4: the index says " in problem["what"]


# -- compact ---------------------------------------------------------------------------------------


async def test_compact_gives_back_what_is_removed_beside_a_hub_that_serves(hub: RunningHub) -> None:
    await remove(hub, "2:20")
    kept = await hub.mailbox()
    found = await answer(hub.folder, "compact")
    assert found["blobs"] > 10
    assert found["freed"] > 10 * 2_000
    assert await hub.mailbox() == kept
    shown = await run(hub.folder, "compact")
    assert shown.exit_code == 0
    assert "nothing to give back" in shown.stdout


async def test_compact_leaves_a_damaged_message_where_it_is(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES) as hub:
        await fill(hub)
        await remove(hub, "1,3:20")
    path = segments(tmp_path)[0]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"000002\r\n", b"000009\r\n", 1))
    found = await answer(tmp_path, "compact", code=1)
    assert "damaged" in found["damaged"][0]
    assert segments(tmp_path) == [path]


# -- reindex ---------------------------------------------------------------------------------------


@pytest.mark.proves("store: an index is made anew out of the messages alone, and says what it cannot know")
async def test_an_index_is_made_anew_where_messages_were_first_delivered(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES) as hub:
        await fill(hub)
        await hub.send("Subject: both\r\n\r\n" + "large\r\n" * 60_000)
        before = await hub.mailbox()

        def use(client: IMAP4) -> None:
            client.select("INBOX")
            client.uid("STORE", "1:3", "+FLAGS", r"(\Flagged)")
            client.uid("COPY", "4", "Archive")
            client.append(
                "Drafts", r"(\Draft)", '"01-Jan-2026 10:00:00 +0000"', b"Subject: d\r\n\r\nDraft.\r\n"
            )

        await hub.imap(use)
        drafts = await hub.mailbox("Drafts")
    change(tmp_path, "DELETE FROM item WHERE id & 4294967295 = 7")
    shown = await run(tmp_path, "reindex", "--yes")
    assert shown.exit_code == 0, shown.output
    assert "22 messages of 1 accounts are where they were first delivered" in shown.stdout
    assert "Not known, and so lost: flags, moves and copies" in shown.stdout
    assert (await answer(tmp_path, "check", "--deep"))["problems"] == []
    async with running_hub(tmp_path, tables=TABLES, accounts=()) as hub:
        assert await hub.mailbox() == before
        assert await hub.mailbox("Archive") == []
        assert await hub.mailbox("Drafts") == drafts

        def flags(client: IMAP4) -> tuple[Any, Any]:
            client.select("INBOX", readonly=True)
            flagged = client.search(None, "FLAGGED")[1]
            client.select("Drafts", readonly=True)
            return flagged, client.fetch("1", "(FLAGS INTERNALDATE)")[1]

        flagged, draft = await hub.imap(flags)
        assert flagged == [b""]
        assert b"\\Draft" in draft[0]
        assert b'"01-Jan-2026 10:00:00 +0000"' in draft[0]


async def test_a_lost_index_comes_back_and_unknown_accounts_are_named(tmp_path: Path) -> None:
    await stopped(tmp_path)
    for path in (tmp_path / "data/plugins/storage-sql").iterdir():
        path.unlink()
    found = await answer(tmp_path, "reindex")
    assert (found["messages"], found["problems"], found["not_known"][0]) == (20, [], "flags")
    assert list(found["unknown_accounts"].values()) == [20]
    again = await answer(tmp_path, "reindex", "--yes")
    assert again == found


async def test_what_is_damaged_is_named_and_the_rest_is_indexed(tmp_path: Path) -> None:
    await stopped(tmp_path)
    path = segments(tmp_path)[0]
    path.chmod(0o600)
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"000002\r\n", b"000009\r\n", 1))
    found = await answer(tmp_path, "reindex", "--yes", code=1)
    assert found["messages"] == 19
    (problem,) = found["problems"]
    assert path.name in problem


async def test_an_index_is_not_made_anew_under_a_hub_that_serves(hub: RunningHub) -> None:
    result = await run(hub.folder, "reindex", "--yes")
    assert result.exit_code == 1
    assert "stop it before" in result.stderr
    assert len(await hub.mailbox()) == 20
