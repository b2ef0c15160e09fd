"""The plugin in a hub whose clock the test turns, asked over SMTP and IMAP."""

import base64
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub

HELLO = "EHLO client.example.test"
MAIL = "MAIL FROM:<alice@example.test>"
MESSAGE = ["RCPT TO:<bob@example.test>", "DATA", "Subject: one\r\n\r\nHello\r\n."]


def hub_with(
    folder: Path, clock: ManualClock, settings: Mapping[str, object]
) -> AbstractAsyncContextManager[RunningHub]:
    table = {"exempt": [], **settings}
    return running_hub(folder, plugins=["rate-limit"], tables={"plugins": {"rate-limit": table}}, clock=clock)


def login(user: str, password: str = "demo") -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


ALICE = login("alice@example.test")


@pytest.fixture
def clock() -> ManualClock:
    """At the beginning of a day, when every window begins too."""
    return ManualClock(20_000 * 86400.0)


async def test_connections_of_one_address_are_limited_until_the_window_ends(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with hub_with(tmp_path, clock, {"address": {"connections": "2/h"}}) as hub:
        for expected in ("220", "220", "421"):
            assert (await dialogue(hub.port(), source="127.0.0.7"))[0].startswith(expected)
        [reply] = await dialogue(hub.port(), [HELLO], source="127.0.0.7")
        assert reply == "421 4.7.0 too many connections from your address, try again later"
        assert (await dialogue(hub.port(), source="127.0.0.8"))[0].startswith("220")
        await clock.turn(3600)
        assert (await dialogue(hub.port(), source="127.0.0.7"))[0].startswith("220")


async def test_connections_of_one_network_are_limited_whatever_the_address(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with hub_with(tmp_path, clock, {"network": {"connections": "3/h"}}) as hub:
        for host in range(1, 4):
            assert (await dialogue(hub.port(), source=f"127.0.7.{host}"))[0].startswith("220")
        [reply] = await dialogue(hub.port(), source="127.0.7.4")
        assert reply == "421 4.7.0 too many connections from your network, try again later"
        assert (await dialogue(hub.port(), source="127.0.8.1"))[0].startswith("220")


async def test_loopback_is_exempt_unless_the_operator_says_otherwise(
    tmp_path: Path, clock: ManualClock
) -> None:
    tables = {"plugins": {"rate-limit": {"address": {"connections": "1/d", "messages": "1/d"}}}}
    async with running_hub(tmp_path, plugins=["rate-limit"], tables=tables, clock=clock) as hub:
        assert [(await hub.send())[0] for _ in range(4)] == [250] * 4


async def test_messages_of_a_client_without_login_are_limited_by_address(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with hub_with(tmp_path, clock, {"address": {"messages": "2/h"}}) as hub:
        replies = await dialogue(hub.port(), [HELLO, *[MAIL, *MESSAGE] * 2, MAIL])
        assert replies[-1] == "450 4.7.1 too many messages from your address, try again later"
        assert len(await hub.mailbox(user="bob@example.test")) == 2


async def test_messages_of_an_account_are_limited_from_wherever(tmp_path: Path, clock: ManualClock) -> None:
    async with hub_with(
        tmp_path, clock, {"account": {"messages": "2/h"}, "address": {"messages": "0/h"}}
    ) as hub:
        port = hub.port("submission")
        for host in (1, 2):
            replies = await dialogue(port, [HELLO, ALICE, MAIL, *MESSAGE], source=f"127.0.0.{host}")
            assert replies[-1].startswith("250")
        replies = await dialogue(port, [HELLO, ALICE, MAIL], source="127.0.0.3")
        assert replies[-1] == "450 4.7.1 your account has sent too many messages, try again later"
        other = [HELLO, login("bob@example.test"), "MAIL FROM:<bob@example.test>"]
        assert (await dialogue(port, other))[-1].startswith("250")


async def test_recipients_of_an_account_are_limited(tmp_path: Path, clock: ManualClock) -> None:
    async with hub_with(tmp_path, clock, {"account": {"recipients": "2/h"}}) as hub:
        commands = [HELLO, ALICE, MAIL, *["RCPT TO:<bob@example.test>"] * 3, *MESSAGE[1:]]
        replies = await dialogue(hub.port("submission"), commands)
        assert [reply[:3] for reply in replies[4:]] == ["250", "250", "450", "354", "250"]
        assert replies[6] == "450 4.7.1 your account has sent to too many recipients, try again later"


async def test_imap_commands_of_an_account_are_limited(tmp_path: Path, clock: ManualClock) -> None:
    def work(client: IMAP4) -> list[tuple[str, bytes]]:
        replies = [client.select("INBOX"), client.check(), client.check(), client.noop()]
        return [(status, found[0] or b"") for status, found in replies]

    async with hub_with(tmp_path, clock, {"account": {"imap_commands": "2/h"}}) as hub:
        replies = await hub.imap(work)
        assert [status for status, _ in replies] == ["OK", "OK", "NO", "OK"]
        assert replies[2][1] == b"[UNAVAILABLE] too many commands, try again later"
        await clock.turn(3600)
        assert (await hub.imap(work))[0][0] == "OK"


async def test_a_hub_that_starts_again_goes_on_counting(tmp_path: Path, clock: ManualClock) -> None:
    tables = {"plugins": {"rate-limit": {"exempt": [], "address": {"connections": "1/d"}}}}
    for greeting in ("220", "421"):
        async with running_hub(
            tmp_path, plugins=["rate-limit"], tables=tables, accounts=(), clock=clock
        ) as hub:
            assert (await dialogue(hub.port()))[0].startswith(greeting)
