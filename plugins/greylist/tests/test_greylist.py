"""The plugin in a hub whose clock the test turns."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub

HELLO = "EHLO client.example.test"
DAY = 86400


def hub_with(folder: Path, clock: ManualClock, **settings: object) -> AbstractAsyncContextManager[RunningHub]:
    table = {"exempt": [], **settings}
    known = (folder / "data").exists()
    accounts = () if known else ("alice@example.test", "bob@example.test")
    return running_hub(
        folder, plugins=["greylist"], tables={"plugins": {"greylist": table}}, accounts=accounts, clock=clock
    )


async def asked(
    hub: RunningHub,
    sender: str = "bob@far.example",
    to: str = "alice@example.test",
    source: str = "127.0.9.1",
) -> str:
    replies = await dialogue(hub.port(), [HELLO, f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"], source=source)
    return replies[-1]


def is_put_off(reply: str) -> bool:
    assert reply.startswith(("250", "450 4.7.1 greylisted, please try again in ")), reply
    return reply.startswith("450")


@pytest.mark.proves(
    "checks: greylisting puts off unknown senders until they come back, on all workers and over restarts"
)
async def test_a_sender_is_put_off_until_it_comes_back_after_the_delay(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with hub_with(tmp_path, manual_clock) as hub:
        assert await asked(hub) == "450 4.7.1 greylisted, please try again in 300 seconds"
        await manual_clock.turn(100)
        assert await asked(hub) == "450 4.7.1 greylisted, please try again in 200 seconds"
        assert is_put_off(await asked(hub, to="bob@example.test"))
        assert is_put_off(await asked(hub, sender="bob@other.example"))
    async with hub_with(tmp_path, manual_clock) as hub:
        await manual_clock.turn(200)
        assert not is_put_off(await asked(hub))
        assert not is_put_off(await asked(hub, sender="list-4711@far.example", source="127.0.9.77"))
        assert is_put_off(await asked(hub, source="127.0.8.1"))


async def test_who_comes_back_too_late_is_new_and_who_passed_is_known_for_long(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    async with hub_with(tmp_path, manual_clock, retry_within="1h", keep="2d") as hub:
        assert is_put_off(await asked(hub))
        await manual_clock.turn(3700)
        assert is_put_off(await asked(hub))
        await manual_clock.turn(301)
        assert not is_put_off(await asked(hub))
        for _ in range(3):  # each mail makes it known for two days more
            await manual_clock.turn(1.5 * DAY)
            assert not is_put_off(await asked(hub))
        await manual_clock.turn(2.1 * DAY)
        assert is_put_off(await asked(hub))


async def test_a_network_is_let_in_after_some_passes(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with hub_with(tmp_path, manual_clock, auto_allow=2) as hub:
        for sender in ("a@one.example", "a@two.example"):
            assert is_put_off(await asked(hub, sender))
        await manual_clock.turn(301)
        assert not is_put_off(await asked(hub, "a@one.example"))
        assert is_put_off(await asked(hub, "a@three.example"))
        assert not is_put_off(await asked(hub, "a@two.example"))
        assert not is_put_off(await asked(hub, "a@four.example", source="127.0.9.200"))
        assert is_put_off(await asked(hub, "a@four.example", source="127.0.8.1"))


async def test_loopback_and_named_recipients_are_spared(tmp_path: Path, manual_clock: ManualClock) -> None:
    async with hub_with(tmp_path, manual_clock, exempt_recipients=["Alice@example.test"]) as hub:
        assert not is_put_off(await asked(hub))
        assert is_put_off(await asked(hub, to="bob@example.test"))
    async with hub_with(tmp_path / "2", manual_clock, exempt=["127.0.9.0/24"]) as hub:
        assert not is_put_off(await asked(hub))


async def test_an_ipv6_client_is_its_network(tmp_path: Path, manual_clock: ManualClock) -> None:
    listener = {"smtp": {"protocol": "smtp", "bind": ["[::1]:0"], "proxy_protocol": ["::1"]}}
    tables = {"plugins": {"greylist": {"exempt": []}}, "listeners": listener}
    async with running_hub(tmp_path, plugins=["greylist"], tables=tables, clock=manual_clock) as hub:

        async def ask(client: str) -> str:
            reader, writer = await asyncio.open_connection("::1", hub.port())
            header = f"PROXY TCP6 {client} 2001:db8:f::1 4711 25\r\n"
            writer.write(
                header.encode()
                + b"HELO c\r\nMAIL FROM:<b@far.example>\r\nRCPT TO:<alice@example.test>\r\nQUIT\r\n"
            )
            *_, reply, _ = (await reader.read()).decode().splitlines()
            writer.close()
            return reply

        assert is_put_off(await ask("2001:db8::1"))
        await manual_clock.turn(301)
        assert not is_put_off(await ask("2001:db8::ffff"))
        assert is_put_off(await ask("2001:db8:0:1::1"))
