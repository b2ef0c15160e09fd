"""Reports between two hubs with Postfix in between: who knows last what the sender wants answers, once."""

from __future__ import annotations

import smtplib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub.testing.running import PASSWORD, RunningHub, running_hub
from tests.peers.postfix import needs_postfix, relaying
from tests.relay.hubs import empty, until
from tests.relay.test_sending import lead_to, reports, status

pytestmark = needs_postfix

HERE, THERE = "alice@here.example", "ann@example.test"
LISTENERS = {
    name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "submission", "imap", "lmtp")
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that Postfix can reach, whatever its user."""
    with TemporaryDirectory(prefix="hub-postfix-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@asynccontextmanager
async def hub_in(folder: Path, account: str, hostname: str) -> AsyncIterator[RunningHub]:
    tables = {
        "listeners": LISTENERS,
        "relay": {"routes": {"*": "127.0.0.1:9"}},
        "hub": {"hostname": hostname},
    }
    async with running_hub(folder, tables=tables, accounts=[account]) as running:
        yield running


async def submit(running: RunningHub, to: str, notify: str) -> None:
    def work(client: smtplib.SMTP) -> None:
        client.ehlo("client.example.test")
        client.login(HERE, PASSWORD)
        assert client.mail(HERE, ["RET=HDRS", "ENVID=an+2Bid"])[0] == 250
        assert client.rcpt(to, [f"NOTIFY={notify}", "ORCPT=rfc822;first+2Btag@example.test"])[0] == 250
        assert client.data(b"Subject: Out\r\n\r\nwords\r\n")[0] == 250

    await running.smtp(work, "submission")


@pytest.mark.proves(
    "sending: reports go right between the hub and Postfix: each is told once, by who knows it last"
)
async def test_a_delivery_behind_postfix_is_told_by_who_delivers_and_a_failure_by_postfix(
    tmp_path: Path, folder: Path
) -> None:
    async with (
        hub_in(tmp_path / "here", HERE, "mail.here.example") as here,
        hub_in(tmp_path / "there", THERE, "mail.example.test") as there,
    ):
        back = f"default_transport = lmtp:inet:127.0.0.1:{here.port('lmtp')}"
        onward = f"lmtp:inet:127.0.0.1:{there.port('lmtp')}"
        with relaying(folder / "postfix", onward, back) as postfix:
            lead_to(here, postfix)
            lead_to(there, here.port("smtp"))
            await submit(here, THERE, "SUCCESS,FAILURE")
            (delivered,) = await reports_of(here, 1)
            await submit(here, "nobody@example.test", "FAILURE")
            failed = (await reports_of(here, 2))[1]
            await until(lambda: empty(here))
            assert await there.mailbox(user=THERE)
    for report, action, by in (
        (delivered, "delivered", "mail.example.test"),
        (failed, "failed", "relay.example.test"),
    ):
        about, each = status(report)
        assert about["Original-Envelope-Id"] == "an+id"
        assert about["Reporting-MTA"] == f"dns; {by}"
        assert each["Action"] == action
        assert each["Original-Recipient"].replace(" ", "") == "rfc822;first+tag@example.test"


async def reports_of(running: RunningHub, count: int) -> list[EmailMessage]:
    return await reports(running, count, user=HERE)
