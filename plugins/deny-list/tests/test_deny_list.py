"""The plugin in a hub, asked over SMTP."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub

HELLO = "EHLO client.example.test"
MAIL = "MAIL FROM:<bob@example.test>"


def hub_with(folder: Path, **settings: object) -> AbstractAsyncContextManager[RunningHub]:
    return running_hub(folder, plugins=["deny-list"], tables={"plugins": {"deny-list": settings}})


async def test_a_listed_network_is_refused_before_the_greeting(tmp_path: Path) -> None:
    async with hub_with(tmp_path, networks=["127.0.9.0/24"]) as hub:
        assert await dialogue(hub.port(), [HELLO], source="127.0.9.3") == [
            "554 5.7.1 no mail is taken from 127.0.9.3"
        ]
        assert len(await dialogue(hub.port(), [HELLO], source="127.0.8.3")) == 2


async def test_a_listed_name_is_refused_in_helo_and_ehlo(tmp_path: Path) -> None:
    async with hub_with(tmp_path, helo=["*.dynamic.example"]) as hub:
        commands = ["HELO a.Dynamic.example", "EHLO a.dynamic.example", "EHLO mail.example"]
        _, helo, ehlo, other = await dialogue(hub.port(), commands)
        assert helo == ehlo == "550 5.7.1 no mail is taken from a host of that name"
        assert other.startswith("250")


async def test_a_listed_sender_is_refused_and_a_bounce_is_not(tmp_path: Path) -> None:
    async with hub_with(tmp_path, senders=["@spam.example", "eve@example.org"]) as hub:
        refused = ["MAIL FROM:<any@Spam.example>", "MAIL FROM:<EVE@example.org>"]
        replies = await dialogue(hub.port(), [HELLO, *refused, "MAIL FROM:<>", "RSET", MAIL])
        assert replies[2] == replies[3] == "550 5.7.1 no mail is taken from this sender"
        assert [reply[:3] for reply in replies[4:]] == ["250", "250", "250"]


async def test_a_listed_recipient_is_refused_and_the_others_get_the_message(tmp_path: Path) -> None:
    async with hub_with(tmp_path, recipients=["alice@example.test"]) as hub:
        recipients = ["RCPT TO:<alice@example.test>", "RCPT TO:<bob@example.test>"]
        message = "Subject: to one\r\n\r\nHello\r\n."
        replies = await dialogue(hub.port(), [HELLO, MAIL, *recipients, "DATA", message])
        assert replies[3] == "550 5.7.1 this recipient takes no mail"
        assert replies[-1].startswith("250")
        assert await hub.mailbox(user="alice@example.test") == []
        assert len(await hub.mailbox(user="bob@example.test")) == 1


async def test_without_entries_nothing_is_refused(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        assert (await hub.send())[0] == 250
