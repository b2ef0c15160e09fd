"""Checks speak of the message, the decision is each recipient's: in one reply in SMTP, in several in LMTP."""

from __future__ import annotations

import asyncio
import json
import re
import smtplib
import sys
from pathlib import Path

import pytest

from hub.testing.running import RunningHub, running_hub

SCORER = '''"""The score that the subject names."""
from hub import Finding, hookimpl

@hookimpl(score=(0, 20))
async def check_message(message):
    score = float(message.headers.get("Subject"))
    return Finding(score=score, reasons=("as the subject says",))
'''
REJECTER = '''"""Refuse at once."""
from hub import Finding, Reject, hookimpl

@hookimpl
async def check_message():
    return Finding(action=Reject("5.7.1", "not this one"))
'''
SLOW = '''"""Never done."""
import asyncio
from hub import hookimpl

@hookimpl
async def check_message():
    await asyncio.Event().wait()
'''
ALICE, BOB, CAROL = "alice@example.test", "bob@example.test", "carol@strict.test"
TABLES: dict[str, object] = {
    "checks": {
        "accounts": {"Bob@Example.Test": {"junk_score": 10}},
        "domains": {"strict.test": {"reject_score": 6}},
    },
    "listeners": {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "lmtp", "imap")},
}
FOLDERS = {ALICE: "Junk", BOB: "INBOX", CAROL: "Junk"}


def mail(score: float) -> bytes:
    return f"Subject: {score}\r\nX-Hub-Checks: forged\r\n folded\r\n\r\nhello\r\n".encode()


async def send(hub: RunningHub, score: float, *recipients: str) -> tuple[int, bytes]:
    def work(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        client.mail("s@client.example.test")
        for each in recipients:
            assert client.rcpt(each)[0] == 250
        return client.data(mail(score))

    return await hub.smtp(work)


async def test_each_recipient_of_one_message_has_its_own_limits(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES, accounts=(ALICE, BOB, CAROL)) as hub:
        (hub.plugins_dir / "scorer.py").write_text(SCORER)
        assert (await hub.hub.loader.reload()).ok
        assert (await send(hub, 7, CAROL))[0] == 554
        assert (await send(hub, 7, ALICE, BOB, CAROL))[0] == 250
        for account, folder in FOLDERS.items():
            assert len(await hub.mailbox(folder, account)) == 1, account
        (kept,) = await hub.mailbox("Junk", ALICE)
        assert b"X-Hub-Checks: score +7; scorer: as the subject says\r\n" in kept
        assert b"forged" not in kept


async def test_lmtp_refuses_the_message_for_whom_it_scores_too_high(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES, accounts=(ALICE, BOB, CAROL)) as hub:
        (hub.plugins_dir / "scorer.py").write_text(SCORER)
        assert (await hub.hub.loader.reload()).ok

        def work(client: smtplib.SMTP) -> list[int]:
            client.docmd("LHLO client")
            client.mail("s@client.example.test")
            for each in (ALICE, CAROL, BOB):
                client.rcpt(each)
            client.putcmd("DATA")
            codes = [client.getreply()[0]]
            client.send(mail(7) + b".\r\n")
            return codes + [client.getreply()[0] for _ in range(3)]

        assert await hub.smtp(work, "lmtp") == [354, 250, 554, 250]
        assert len(await hub.mailbox("Junk", ALICE)) == 1
        assert not await hub.mailbox("Junk", CAROL)


@pytest.mark.proves("checks: run side by side, and none is waited for that can no longer change the outcome")
async def test_a_check_is_not_waited_for_once_the_outcome_is_settled_and_hub_trace_says_so(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path) as hub:
        (hub.plugins_dir / "slow.py").write_text(SLOW)
        (hub.plugins_dir / "rejecter.py").write_text(REJECTER)
        assert (await hub.hub.loader.reload()).ok
        code, _ = await hub.send("Message-ID: <settled@client.example.test>\r\n\r\nhello\r\n")
        assert code == 554
        said = await trace(hub, "<settled@client.example.test>", "--json")
        (life,) = json.loads(said)
        checks = {each["plugin"]: each["outcome"] for each in life["records"] if each["kind"] == "hook"}
        assert (checks["rejecter"], checks["slow"]) == ("reject +0", "cancelled")
        tree = await trace(hub, "<settled@client.example.test>")
        assert re.search(r"check_message slow +cancelled", tree)


async def trace(hub: RunningHub, *words: str) -> str:
    """What `hub trace` says."""
    program, config = Path(sys.executable).with_name("hub"), hub.folder / "hub.toml"
    process = await asyncio.create_subprocess_exec(
        program, "-c", config, "trace", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()
