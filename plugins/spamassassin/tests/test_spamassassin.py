"""The plugin in a hub, asked over SMTP, with a real spamd behind it."""

import asyncio
import re
import smtplib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import PASSWORD, RunningHub, running_hub

from .conftest import GTUBE, Spamd

LETTER = (
    "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\nSubject: Lunch on Friday\r\n"
    f"Date: {formatdate()}\r\nMessage-ID: <20261123.4711@mail.example.test>\r\n\r\n"
)
HAM = f"{LETTER}Shall we meet at noon, in the usual place?\r\n"
SPAM = f"{LETTER}{GTUBE}\r\n"


def hub_with(
    folder: Path, spamd: Spamd, clock: ManualClock | None = None, **settings: object
) -> AbstractAsyncContextManager[RunningHub]:
    table = {"host": "127.0.0.1", "port": spamd.port, **settings}
    return running_hub(
        folder, plugins=["spamassassin"], tables={"plugins": {"spamassassin": table}}, clock=clock
    )


def trouble(hub: RunningHub) -> object:
    """What `hub status` says is wrong with spamd."""
    (needed,) = [each for each in hub.hub.loader.dependencies() if each["plugin"] == "spamassassin"]
    assert needed["name"] == "spamd"
    return needed["trouble"]


@pytest.mark.proves(
    "checks: SpamAssassin scores mail while its sender waits; without spamd nothing passes unseen"
)
async def test_spam_is_refused_and_ham_is_delivered_with_its_score(tmp_path: Path, spamd: Spamd) -> None:
    async with hub_with(tmp_path, spamd) as hub:
        assert (await hub.send(SPAM))[0] == 554
        assert (await hub.send(HAM))[0] == 250
        assert await hub.mailbox("Junk") == []
        (kept,) = await hub.mailbox()
        assert b"\r\nX-Spam-Status: No, score=" in kept
        assert b"; spamassassin: " in kept  # the rules, in X-Hub-Checks
        assert trouble(hub) is None


async def test_a_score_between_the_limits_is_junk_over_a_unix_socket(tmp_path: Path, spamd: Spamd) -> None:
    settings = {"plugins": {"spamassassin": {"socket": str(spamd.socket)}}, "checks": {"reject_score": 2000}}
    async with running_hub(tmp_path, plugins=["spamassassin"], tables=settings) as hub:
        assert (await hub.send(SPAM))[0] == 250
        (kept,) = await hub.mailbox("Junk")
        assert b"\r\nX-Spam-Status: Yes, score=" in kept
        assert b"GTUBE" in kept.partition(b"\r\n\r\n")[0]


async def test_a_message_past_max_size_is_not_shown(tmp_path: Path, spamd: Spamd) -> None:
    async with hub_with(tmp_path, spamd, max_size=50) as hub:
        assert (await hub.send(SPAM))[0] == 250
        (kept,) = await hub.mailbox()
        assert b"X-Spam-Status" not in kept


async def test_mail_of_users_is_judged_only_if_the_operator_says_so(tmp_path: Path, spamd: Spamd) -> None:
    def submit(client: smtplib.SMTP) -> int:
        client.login("bob@example.test", PASSWORD)
        try:
            client.sendmail("bob@example.test", ["alice@example.test"], SPAM.encode())
        except smtplib.SMTPDataError as error:
            return error.smtp_code
        return 250

    for authenticated, code in ((False, 250), (True, 554)):
        folder = tmp_path / str(code)
        folder.mkdir()
        async with hub_with(folder, spamd, authenticated=authenticated) as hub:
            assert await hub.smtp(submit, "submission") == code


async def test_without_spamd_the_mail_stays_with_its_sender(tmp_path: Path, spamd: Spamd) -> None:
    spamd.stop()
    async with hub_with(tmp_path, spamd) as hub:
        code, text = await hub.send(HAM)
        assert code == 451
        assert "spamd" not in text  # what failed is for the log
        assert await hub.mailbox() == []
        assert f"spamd at 127.0.0.1:{spamd.port} does not answer" in str(trouble(hub))


async def test_a_spamd_that_hangs_is_given_up_in_time(tmp_path: Path, spamd: Spamd) -> None:
    asked, done = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        asked.set()
        await done.wait()
        writer.close()

    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, hub_with(tmp_path, spamd, port=port, timeout=1) as hub:
        assert (await hub.send(HAM))[0] == 451
        assert asked.is_set()
        assert trouble(hub) == f"spamd at 127.0.0.1:{port} has not answered within 1 s"
        done.set()


async def test_the_operator_may_prefer_unjudged_mail(tmp_path: Path, spamd: Spamd) -> None:
    spamd.stop()
    async with hub_with(tmp_path, spamd, hub={"on_failure": "skip"}) as hub:
        assert (await hub.send(HAM))[0] == 250


async def test_the_breaker_opens_when_spamd_dies_and_closes_when_it_is_back(
    tmp_path: Path, spamd: Spamd
) -> None:
    clock = ManualClock()
    async with hub_with(tmp_path, spamd, clock) as hub:
        assert (await hub.send(HAM))[0] == 250
        breaker = hub.hub.loader.generations.current.plans["check_message"].steps[0].breaker
        spamd.stop()
        for number in range(5):
            assert not breaker.open
            assert (await hub.send(HAM.replace("4711", str(number))))[0] == 451
        assert breaker.open
        spamd.start()
        assert (await hub.send(HAM))[0] == 451  # open: spamd is not asked
        await clock.turn(10)
        assert (await hub.send(HAM))[0] == 250  # the probe
        assert trouble(hub) is None
        assert not breaker.open


async def test_more_messages_at_once_than_spamd_has_children_wait_their_turn(
    tmp_path: Path, spamd: Spamd
) -> None:
    async with hub_with(tmp_path, spamd, connections=2) as hub:
        envelope = "MAIL FROM:<bob@example.test>", "RCPT TO:<alice@example.test>"
        commands = ["EHLO client.example.test", *envelope, "DATA", f"{HAM}."]
        sessions = await asyncio.gather(*(dialogue(hub.port(), commands) for _ in range(12)))
        assert [replies[-1][:3] for replies in sessions] == ["250"] * len(sessions)


def moved(source: str, target: str) -> Callable[[IMAP4], None]:
    """As a mail program does without MOVE: the first message."""

    def move(client: IMAP4) -> None:
        client.select(source)
        assert client.copy("1", target)[0] == "OK"
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()

    return move


async def learned(spamd: Spamd) -> tuple[int, int]:
    """From how many messages of spam and of ham, by SpamAssassin's own tool."""
    tool = await asyncio.create_subprocess_exec(
        "sa-learn", "--dump", "magic", "--siteconfigpath", spamd.site, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await tool.communicate()
    found = {line.split()[-1]: int(line.split()[2]) for line in said.decode().splitlines()}
    return found.get("nspam", 0), found.get("nham", 0)


async def taught(capsys: pytest.CaptureFixture[str], *lessons: str) -> None:
    """Until the log says that they were learned, one after the other."""
    log = ""
    async with asyncio.timeout(30):
        while re.findall(r"learned .*what=(\w+)", log := log + capsys.readouterr().out) != list(lessons):
            await asyncio.sleep(0.02)


@pytest.mark.proves("checks: SpamAssassin learns from mail that users move to Junk and back")
async def test_spamd_learns_from_what_users_move_to_junk_and_back(
    tmp_path: Path, spamd: Spamd, capsys: pytest.CaptureFixture[str]
) -> None:
    spam, ham = await learned(spamd)
    async with hub_with(tmp_path, spamd, learn=True) as hub:
        assert (await hub.send(f"{HAM}No bargains today.\r\n"))[0] == 250
        await hub.imap(moved("INBOX", "Archive"))  # says nothing
        await hub.imap(moved("Archive", "Junk"))
        await taught(capsys, "spam")
        assert await learned(spamd) == (spam + 1, ham)
        await hub.imap(moved("Junk", "Trash"))  # thrown away, which says nothing
        await hub.imap(moved("Trash", "INBOX"))
        await taught(capsys, "ham")
        assert await learned(spamd) == (spam, ham + 1)


async def test_what_the_filter_put_into_junk_is_learned_from_only_when_a_user_takes_it_out(
    tmp_path: Path, spamd: Spamd, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"host": "127.0.0.1", "port": spamd.port, "learn": True}
    tables = {"plugins": {"spamassassin": table}, "checks": {"junk_score": -100, "reject_score": 2000}}
    async with running_hub(tmp_path, plugins=["spamassassin"], tables=tables) as hub:
        assert (await hub.send(f"{HAM}Bring a friend.\r\n"))[0] == 250
        spamd.stop()  # what is to be learned waits for it
        await hub.imap(moved("Junk", "INBOX"))
        spamd.start()
        await taught(capsys, "ham")


async def test_a_spamd_that_must_not_learn_is_said_once_for_a_message_and_holds_up_no_other(
    tmp_path: Path, spamd: Spamd, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"socket": str(spamd.socket), "learn": True}
    async with running_hub(
        tmp_path, plugins=["spamassassin"], tables={"plugins": {"spamassassin": table}}
    ) as hub:
        for _ in range(2):
            assert (await hub.send(HAM))[0] == 250
            await hub.imap(moved("INBOX", "Junk"))
        log = ""
        async with asyncio.timeout(30):
            while (log := log + capsys.readouterr().out).count("spamd does not learn") < 2:
                await asyncio.sleep(0.02)
        assert "--allow-tell" in log
