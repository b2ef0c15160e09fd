"""A whole hub whose people are in a real slapd, and what becomes of them when it dies."""

from __future__ import annotations

import imaplib
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.testing.running import PASSWORD, RunningHub, running_hub

from .conftest import Slapd

ERIN = "erin@example.test"
LETTER = "From: <erin@example.test>\r\nSubject: Hello\r\n\r\nIt works.\r\n"


@pytest.fixture
async def hub(tmp_path: Path, slapd: Slapd) -> AsyncIterator[RunningHub]:
    """Nobody has an account that was made in it."""
    tables = {
        "plugins": {"auth-ldap": slapd.settings(cache=0)},
        "services": {"directory": "auth-ldap"},
    }
    async with running_hub(tmp_path, tables=tables, accounts=()) as hub:
        yield hub


async def submits(hub: RunningHub, sender: str = ERIN) -> tuple[int, bytes]:
    """Log in as erin and send; the code and text of the first refusal, or of the end."""

    def work(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo("client.example.test")
        try:
            client.login(ERIN, PASSWORD)
        except smtplib.SMTPAuthenticationError as error:
            text = error.smtp_error
            return error.smtp_code, text if isinstance(text, bytes) else text.encode()
        for code, reply in (client.mail(sender), client.rcpt("alice@example.test")):
            if code >= 400:
                return code, reply
        return client.data(LETTER.encode())

    return await hub.smtp(work, "submission")


async def trouble(hub: RunningHub) -> object:
    """What `hub status` says is wrong with the server."""
    (needed,) = [each for each in hub.hub.loader.dependencies() if each["plugin"] == "auth-ldap"]
    return needed["trouble"]


@pytest.mark.proves(
    "accounts: people of an LDAP directory have mailboxes, log in and send, without accounts made here"
)
async def test_people_in_ldap_have_mail_without_accounts_in_the_hub(hub: RunningHub) -> None:
    assert (await hub.send(to=ERIN))[0] == 250
    assert (await hub.send(to="Erin+news@EXAMPLE.test"))[0] == 250
    assert len(await hub.mailbox(user=ERIN)) == 2
    assert (await submits(hub))[0] == 250
    assert (await submits(hub, "alice@example.test"))[0] == 553
    assert (await hub.send(to="mallory@example.test"))[0] == 550
    assert (await hub.send(to="dora@example.test"))[0] == 550
    assert (await hub.send(to="friend@elsewhere.test"))[0] == 550


async def test_without_ldap_everything_is_put_off_and_with_it_goes_on(hub: RunningHub, slapd: Slapd) -> None:
    assert (await hub.send(to=ERIN))[0] == 250
    assert await trouble(hub) is None
    slapd.stop()
    code, text = await hub.send(to=ERIN)
    assert (code, text[:5]) == (451, "4.4.3")
    code, said = await submits(hub)
    assert (code, said[:5]) == (454, b"4.7.0")
    with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        await hub.mailbox(user=ERIN)
    assert await trouble(hub)
    slapd.start()
    assert (await hub.send(to=ERIN))[0] == 250
    assert (await submits(hub))[0] == 250
    assert len(await hub.mailbox(user=ERIN)) == 2
    assert await trouble(hub) is None
