"""The plugin in a hub, asked over SMTP, with a real clamd behind it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.load import mail_load
from hub.testing.running import RunningHub, running_hub

from .conftest import EICAR, STREAM_MAX, Clamd

CLEAN = "Subject: clean\r\n\r\nnothing to see\r\n"
INFECTED = f"Subject: infected\r\n\r\n{EICAR.decode()}\r\n"


def hub_with(
    folder: Path, clamd: Clamd, clock: ManualClock | None = None, **settings: object
) -> AbstractAsyncContextManager[RunningHub]:
    table = {"servers": [str(clamd.socket)], **settings}
    return running_hub(folder, plugins=["clamav"], tables={"plugins": {"clamav": table}}, clock=clock)


async def trouble(hub: RunningHub) -> object:
    """What `hub status` says is wrong with clamd."""
    (needed,) = [each for each in hub.hub.loader.dependencies() if each["plugin"] == "clamav"]
    assert needed["name"] == "clamd"
    return needed["trouble"]


async def test_an_infected_message_is_refused_at_data_with_the_signatures_name(
    tmp_path: Path, clamd: Clamd
) -> None:
    async with hub_with(tmp_path, clamd) as hub:
        code, text = await hub.send(INFECTED)
        assert code == 554
        assert text == "5.7.1 the message carries a virus: Eicar-Test-Signature.UNOFFICIAL"
        assert await hub.mailbox() == []


async def test_a_clean_message_says_so_in_its_header(tmp_path: Path, clamd: Clamd) -> None:
    async with hub_with(tmp_path, clamd) as hub:
        assert (await hub.send(CLEAN))[0] == 250
        [message] = await hub.mailbox()
        assert b"\r\nX-Virus-Scanned: ClamAV\r\n" in message.partition(b"\r\n\r\n")[0]


@pytest.mark.proves("checks: what an IMAP client uploads is scanned for viruses as mail is")
async def test_what_a_client_uploads_is_scanned(tmp_path: Path, clamd: Clamd) -> None:
    def upload(message: str) -> Callable[[IMAP4], tuple[str, bytes]]:
        def work(client: IMAP4) -> tuple[str, bytes]:
            kind, (text,) = client.append("INBOX", "", "", message.encode())
            return kind, text

        return work

    async with hub_with(tmp_path, clamd) as hub:
        kind, text = await hub.imap(upload(INFECTED))
        assert (kind, text) == ("NO", b"the message carries a virus: Eicar-Test-Signature.UNOFFICIAL")
        large = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * (STREAM_MAX // 2 // 72)
        assert (await hub.imap(upload(f"{large}{EICAR.decode()}\r\n")))[0] == "NO"
        for message in (CLEAN, large):
            assert (await hub.imap(upload(message)))[0] == "OK"
        assert await hub.mailbox() == [CLEAN.encode(), large.encode()]


async def test_a_client_keeps_its_drafts_while_clamd_cannot_be_asked(tmp_path: Path, clamd: Clamd) -> None:
    """Unlike mail, which its sender keeps and tries again, an upload may exist nowhere else."""
    async with hub_with(tmp_path, clamd, servers=[str(tmp_path / "nobody.sock")]) as hub:
        kind, _ = await hub.imap(lambda client: client.append("INBOX", "", "", CLEAN.encode()))
        assert kind == "OK"
        assert await hub.mailbox() == [CLEAN.encode()]
        assert await trouble(hub) is not None


async def test_a_large_body_is_scanned_to_its_end(tmp_path: Path, clamd: Clamd) -> None:
    padding = ("x" * 70 + "\r\n") * (STREAM_MAX // 2 // 72)
    async with hub_with(tmp_path, clamd) as hub:
        assert (await hub.send("Subject: large\r\n\r\n" + padding))[0] == 250
        code, _ = await hub.send(f"Subject: large\r\n\r\n{padding}{EICAR.decode()}\r\n")
        assert code == 554


async def test_a_message_past_max_size_is_not_scanned(tmp_path: Path, clamd: Clamd) -> None:
    async with hub_with(tmp_path, clamd, max_size=50) as hub:
        assert (await hub.send(INFECTED))[0] == 250
        [message] = await hub.mailbox()
        assert b"X-Virus-Scanned" not in message


async def test_a_message_past_max_size_is_refused_if_the_operator_says_so(
    tmp_path: Path, clamd: Clamd
) -> None:
    async with hub_with(tmp_path, clamd, max_size=50, too_large="reject") as hub:
        assert await hub.send(CLEAN * 2) == (554, "5.3.4 the message is too large to be scanned for viruses")


async def test_a_message_past_the_limit_of_clamd_counts_as_too_large(tmp_path: Path, clamd: Clamd) -> None:
    padding = ("x" * 70 + "\r\n") * (3 * STREAM_MAX // 72)
    async with hub_with(tmp_path, clamd, max_size="25MB", too_large="reject") as hub:
        code, text = await hub.send("Subject: large\r\n\r\n" + padding)
        assert (code, text[:5]) == (554, "5.3.4")


async def test_without_clamd_the_mail_stays_with_its_sender(tmp_path: Path, clamd: Clamd) -> None:
    clamd.stop()
    async with hub_with(tmp_path, clamd) as hub:
        code, text = await hub.send(CLEAN)
        assert code == 451
        assert "clamd" not in text  # what failed is for the log
        assert await hub.mailbox() == []
        assert await trouble(hub) is not None


async def test_status_says_that_clamd_answers(tmp_path: Path, clamd: Clamd) -> None:
    async with hub_with(tmp_path, clamd) as hub:
        assert (await hub.send(CLEAN))[0] == 250
        assert await trouble(hub) is None


async def test_the_operator_may_prefer_unscanned_mail(tmp_path: Path, clamd: Clamd) -> None:
    clamd.stop()
    async with hub_with(tmp_path, clamd, hub={"on_failure": "skip"}) as hub:
        assert (await hub.send(CLEAN))[0] == 250


async def test_the_breaker_opens_when_clamd_dies_and_closes_when_it_is_back(
    tmp_path: Path, clamd: Clamd
) -> None:
    clock = ManualClock()
    async with hub_with(tmp_path, clamd, clock) as hub:
        assert (await hub.send(CLEAN))[0] == 250
        breaker = hub.hub.loader.generations.current.plans["check_message"].steps[0].breaker
        clamd.stop()
        for number in range(5):
            assert not breaker.open
            assert (await hub.send(f"Message-ID: <{number}@example.test>\r\n{CLEAN}"))[0] == 451
        assert breaker.open
        clamd.start()
        assert (await hub.send(CLEAN))[0] == 451  # open: clamd is not asked
        await clock.turn(10)
        assert (await hub.send(CLEAN))[0] == 250  # the probe
        assert not breaker.open


async def test_more_messages_at_once_than_scans_at_once_wait_their_turn(tmp_path: Path, clamd: Clamd) -> None:
    async with hub_with(tmp_path, clamd) as hub:
        envelope = "MAIL FROM:<bob@example.test>", "RCPT TO:<alice@example.test>"
        commands = ["EHLO client.example.test", *envelope, "DATA", f"{CLEAN}."]
        sessions = await asyncio.gather(*(dialogue(hub.port(), commands) for _ in range(40)))
        assert [replies[-1][:3] for replies in sessions] == ["250"] * len(sessions)


HEADER = b"X-Virus-Scanned: ClamAV"


@pytest.mark.proves(
    "checks: a virus scanner that is killed and started again under load lets no mail through"
)
async def test_a_restart_under_load_loses_no_scan(
    tmp_path: Path, clamd: Clamd, manual_clock: ManualClock
) -> None:
    async with hub_with(tmp_path, clamd, manual_clock) as hub:
        async with mail_load(hub.port(), sessions=4, size=300) as load:
            await load.until_accepted(20)
            await asyncio.to_thread(clamd.stop)
            refused = len(load.refused)
            async with asyncio.timeout(20):
                while len(load.refused) < refused + 20:
                    await asyncio.sleep(0.01)
            assert (await hub.send(INFECTED))[0] == 451
            await asyncio.to_thread(clamd.start)
            await manual_clock.turn(300)  # the breaker's longest pause: it tries again
            await load.until_accepted(20)
            assert (await hub.send(INFECTED))[0] == 554
        assert {reply[:9] for reply in load.refused.values()} == {"451 4.7.1"}
        mails = await hub.mailbox()
        assert len(mails) == len(load.accepted)
        assert all(HEADER in mail.partition(b"\r\n\r\n")[0] for mail in mails)


async def test_of_two_daemons_one_does_when_the_other_dies_under_load(
    tmp_path: Path, clamd: Clamd, second_clamd: Clamd
) -> None:
    servers = [f"127.0.0.1:{clamd.port}", str(second_clamd.socket)]
    async with hub_with(tmp_path, clamd, servers=servers, cache=0) as hub:
        async with mail_load(hub.port(), sessions=4, size=300) as load:
            await load.until_accepted(20)
            assert min(clamd.scans(), second_clamd.scans()) > 3  # both had their share
            await asyncio.to_thread(clamd.stop)
            await load.until_accepted(20)
            needed = {each["name"]: each["trouble"] for each in hub.hub.loader.dependencies()}
            assert str(needed[f"clamd {servers[0]}"]).startswith("ConnectionError: ")
            assert needed[f"clamd {servers[1]}"] is None
            assert (await hub.send(INFECTED))[0] == 554
        assert not load.refused
        assert all(HEADER in mail.partition(b"\r\n\r\n")[0] for mail in await hub.mailbox())


async def test_the_same_message_is_scanned_once(tmp_path: Path, clamd: Clamd) -> None:
    async with hub_with(tmp_path, clamd) as hub:
        before = clamd.scans()
        for _ in range(3):
            assert (await hub.send(CLEAN + "once\r\n"))[0] == 250
            assert (await hub.send(INFECTED + "once\r\n"))[0] == 554
        assert clamd.scans() - before == 2
