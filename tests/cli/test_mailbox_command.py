"""`hub mailbox` beside a hub that runs, and without one."""

from __future__ import annotations

import asyncio
import json
from imaplib import IMAP4
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.testing.running import RunningHub, running_hub

ALICE = "alice@example.test"


async def undelete(folder: Path, *words: str) -> Result:
    """In a thread: the verb has an event loop of its own."""
    arguments = ["-c", str(folder / "hub.toml"), "mailbox", "undelete", *words]
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def answer(folder: Path, *words: str) -> dict[str, Any]:
    result = await undelete(folder, *words, "--json")
    assert result.exit_code == 0, result.output
    return cast("dict[str, Any]", json.loads(result.stdout))


async def with_removed(hub: RunningHub) -> None:
    """Three messages, of which two were expunged, and another that went with its mailbox."""
    for subject in ("one", "two", "=?utf-8?q?dr=C3=A9i?="):
        assert (await hub.send(f"From: bob@elsewhere.test\r\nSubject: {subject}\r\n\r\nText.\r\n"))[0] == 250

    def work(client: IMAP4) -> None:
        client.create("Plans")
        client.select("INBOX")
        client.uid("COPY", "1", "Plans")
        client.uid("STORE", "2:3", "+FLAGS.SILENT", r"(\Deleted \Seen)")
        client.expunge()
        client.delete("Plans")

    await hub.imap(work)


@pytest.mark.proves("store: what a client expunged can be restored, as can a deleted mailbox")
async def test_what_was_removed_is_listed_and_comes_back_beside_a_hub_that_runs(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await with_removed(hub)
        listed = await answer(tmp_path, ALICE)
        assert [(each["mailbox"], each["subject"]) for each in listed["messages"]] == [
            ("INBOX", "two"),
            ("INBOX", "dréi"),
            ("Plans", "one"),
        ]
        assert {each["from"] for each in listed["messages"]} == {"bob@elsewhere.test"}
        assert listed["restored"] == []
        assert len(await hub.mailbox()) == 1
        shown = await undelete(tmp_path, ALICE)
        assert "dréi" in shown.stdout
        assert "3 can be brought back" in shown.stdout
        done = await answer(tmp_path, ALICE, "--mailbox", "INBOX", "--all")
        assert done["restored"] == [{"mailbox": "INBOX", "uid": 4}, {"mailbox": "INBOX", "uid": 5}]
        found = await hub.mailbox()
        assert len(found) == 3
        assert b"two" in found[1]

        def flags(client: IMAP4) -> bytes:
            client.select("INBOX", readonly=True)
            return cast(bytes, client.uid("FETCH", "4", "(FLAGS)")[1][0])

        assert rb"FLAGS (\Seen)" in await hub.imap(flags)
        back = await undelete(tmp_path, ALICE, "--all")
        assert "1 are back, in Plans." in back.stdout
        assert "nothing that could be brought back" in (await undelete(tmp_path, ALICE)).stdout
        config = ["-c", str(tmp_path / "hub.toml"), "store", "check", "--deep"]
        assert (await asyncio.to_thread(CliRunner().invoke, main, config)).exit_code == 0


async def test_one_is_chosen_by_its_number_or_its_time_without_a_hub(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await with_removed(hub)
    listed = await answer(tmp_path, ALICE, "--since", "1h")
    assert len(listed["messages"]) == 3
    assert (await answer(tmp_path, ALICE, "--since", "0s"))["messages"] == []
    wanted = str(listed["messages"][1]["id"])
    would = await answer(tmp_path, ALICE, "--id", wanted, "--dry-run")
    assert ([each["subject"] for each in would["messages"]], would["restored"]) == (["dréi"], [])
    done = await answer(tmp_path, ALICE, "--id", wanted, "--into", "Found/Again")
    assert done["restored"] == [{"mailbox": "Found/Again", "uid": 1}]
    assert len((await answer(tmp_path, ALICE))["messages"]) == 2


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    async with running_hub(tmp_path):
        pass
    for words, said in (
        (("nobody@example.test",), "there is no account nobody@example.test"),
        ((ALICE, "--id", "7"), "nothing that was removed has the number 7"),
        ((ALICE, "--id", "7", "--all"), "choose one of --id and --all"),
        ((ALICE, "--since", "yesterday"), "should be a duration"),
    ):
        result = await undelete(tmp_path, *words)
        assert result.exit_code != 0
        assert said in result.output


async def test_a_mailbox_is_shared_with_others(tmp_path: Path) -> None:
    async def said(*words: str) -> Result:
        arguments = ["-c", str(tmp_path / "hub.toml"), "mailbox", *words]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    async with running_hub(tmp_path) as hub:
        await hub.send("Subject: one\r\n\r\nText.\r\n")
        done = await said("share", ALICE, "INBOX", "BOB@example.test", "lrd")
        assert done.output == f"bob@example.test has lrte in INBOX of {ALICE}.\n"
        await said("share", ALICE, "INBOX", "bob@example.test", "-t")
        await said("share", ALICE, "Sent", "anyone", "+l")
        listed = json.loads((await said("shares", ALICE, "--json")).stdout)
        assert listed == [
            {"mailbox": "INBOX", "who": "bob@example.test", "rights": "lre"},
            {"mailbox": "Sent", "who": "anyone", "rights": "l"},
        ]
        await said("share", ALICE, "Sent", "anyone", "none")
        assert "anyone" not in (await said("shares", ALICE)).output
        for words, part in (
            (
                ("share", ALICE, "INBOX", "nobody@example.test", "lr"),
                "there is no account nobody@example.test",
            ),
            (("share", ALICE, "INBOX", ALICE, "lr"), "but its owner"),
            (("share", ALICE, "Nothing", "anyone", "lr"), "has no mailbox Nothing"),
            (("share", ALICE, "INBOX", "anyone", "z"), "There is no right 'z'"),
            (("shares", "nobody@example.test"), "there is no account nobody@example.test"),
        ):
            refused = await said(*words)
            assert refused.exit_code != 0
            assert part in refused.output
