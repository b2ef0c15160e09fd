"""The plugin in a hub: what is too much, what becomes of it, and who hears of it."""

from __future__ import annotations

import json
import smtplib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import Result
from hub_plugin_outbound_guard.cli import outbound

from hub import Address
from hub.testing.clock import ManualClock
from hub.testing.commands import run_command
from hub.testing.observed import Observed
from hub.testing.running import PASSWORD, RunningHub, running_hub

ALICE = "alice@example.test"


@asynccontextmanager
async def guarded(
    folder: Path, clock: ManualClock | None = None, **settings: object
) -> AsyncIterator[RunningHub]:
    listeners: Mapping[str, object] = {
        "submission": {"protocol": "submission", "bind": ["127.0.0.1:0"], "xclient": ["127.0.0.1"]},
        "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
    }
    tables = {"plugins": {"outbound-guard": settings}, "listeners": listeners}
    async with running_hub(
        folder, plugins=["outbound-guard", "alerts"], tables=tables, clock=clock, observed=Observed()
    ) as hub:
        yield hub


async def rcpt(hub: RunningHub, *to: str, user: str = ALICE, client: str = "") -> list[int]:
    """The answers to recipients in one session. client: the address that it comes from."""

    def work(smtp: smtplib.SMTP) -> list[int]:
        smtp.ehlo("client.example.test")
        if client:
            assert smtp.docmd(f"XCLIENT ADDR={client} LOGIN={user}")[0] == 220
            smtp.ehlo("client.example.test")
        else:
            smtp.login(user, PASSWORD)
        assert smtp.mail(user)[0] == 250
        return [smtp.rcpt(each)[0] for each in to]

    return await hub.smtp(work, "submission")


async def command(hub: RunningHub, *words: str) -> Result:
    """`hub outbound …` beside the running hub."""
    return await run_command(hub, outbound, *words)


def strangers(count: int, begin: int = 0) -> list[str]:
    return [f"user{number}@elsewhere.example" for number in range(begin, begin + count)]


@pytest.mark.proves(
    "mail: an account that behaves as if its password was stolen is held, and the operator is told"
)
async def test_who_writes_to_too_many_strangers_is_held_and_told_of_once(tmp_path: Path) -> None:
    async with guarded(tmp_path, strangers=3) as hub:
        assert await rcpt(hub, *strangers(3)) == [250] * 3
        assert await rcpt(hub, *strangers(3), "bob@example.test") == [250] * 4  # known by now
        assert await rcpt(hub, *strangers(2, 3), "bob@example.test") == [450, 450, 250]
        assert await rcpt(hub, *strangers(1), user="bob@example.test") == [250]
        await hub.told()
        (alarmed,) = await hub.until_called("account_alarmed")
        assert alarmed.arguments["name"] == ALICE
        (held,) = json.loads((await command(hub, "list", "--json")).output)
    assert (held["name"], held["what"]) == (ALICE, "strangers")
    assert held["text"] == "it has written to 4 addresses for the first time within 1 h"


async def test_who_is_released_is_counted_anew(tmp_path: Path) -> None:
    async with guarded(tmp_path, strangers=2) as hub:
        assert await rcpt(hub, *strangers(3)) == [250, 250, 450]
        assert "it has written to 3 addresses" in (await command(hub, "list")).output
        assert (await command(hub, "release", "nobody@example.test")).exit_code == 1
        assert (await command(hub, "release", ALICE)).output == f"{ALICE} may send again.\n"
        assert (await command(hub, "list")).output == "No account is held.\n"
        assert await rcpt(hub, *strangers(3, 10)) == [250, 250, 450]


async def test_it_ends_by_itself_and_begins_anew(tmp_path: Path) -> None:
    clock = ManualClock()
    async with guarded(tmp_path, clock, strangers=2, hold="2h") as hub:
        assert await rcpt(hub, *strangers(3)) == [250, 250, 450]
        await clock.turn(7201)
        assert await rcpt(hub, *strangers(3, 10)) == [250, 250, 450]


async def test_many_domains_and_many_networks_are_too_much_too(tmp_path: Path) -> None:
    async with guarded(tmp_path, domains=2, networks=2, strangers=0) as hub:
        assert await rcpt(hub, "a@one.example", "b@one.example", "a@two.example", "a@three.example") == [
            250, 250, 250, 450,
        ]  # fmt: skip
        bob = "bob@example.test"
        for address in ("192.0.2.1", "192.0.3.9", "198.51.100.1"):  # the first two are of one network
            assert await rcpt(hub, "x@one.example", user=bob, client=address) == [250]
        assert await rcpt(hub, "x@one.example", user=bob, client="IPV6:2001:db8::1") == [450]
        assert {each["what"] for each in json.loads((await command(hub, "list", "--json")).output)} == {
            "domains",
            "networks",
        }


async def test_an_account_whose_mail_nobody_takes_is_held(tmp_path: Path) -> None:
    async with guarded(tmp_path, bounces=2, exempt=["bob@example.test"]) as hub:
        plugin = hub.plugin("outbound-guard")
        for user in (ALICE, "bob@example.test"):
            found = await plugin.directory.account(user)
            assert found is not None
            for number in range(3):
                gone = Address(f"gone{number}", "elsewhere.example")
                await plugin.call(
                    "message_bounced", message_id=f"m{number}", sender=found.ref, reverse_path=found.address,
                    recipient=gone, host="mx", code=550, enhanced="5.1.1", text="nobody", attempts=1,
                    bounce="unknown-user", seconds=1.0,
                )  # fmt: skip
        await hub.told()
        (held,) = json.loads((await command(hub, "list", "--json")).output)
        assert (held["name"], held["what"]) == (ALICE, "bounces")
        assert await rcpt(hub, "ann@elsewhere.example") == [450]
        assert await rcpt(hub, "ann@elsewhere.example", user="bob@example.test") == [250]


@pytest.mark.parametrize("settings", [{"action": "tell"}, {"exempt": [ALICE]}, {"strangers": 0}])
async def test_who_is_not_to_be_held_is_not(tmp_path: Path, settings: Mapping[str, object]) -> None:
    async with guarded(tmp_path, None, **{"strangers": 2, **settings}) as hub:
        assert await rcpt(hub, *strangers(5)) == [250] * 5
        told = json.loads((await command(hub, "list", "--json")).output)
    assert len(told) == (settings == {"action": "tell"})


async def test_mail_for_people_here_and_from_elsewhere_is_not_counted(tmp_path: Path) -> None:
    async with guarded(tmp_path, strangers=1) as hub:
        assert await rcpt(hub, "bob@example.test", ALICE, "postmaster") == [250] * 3
        for number in range(3):
            assert (await hub.send(sender=f"user{number}@elsewhere.example"))[0] == 250
        assert (await command(hub, "list")).output == "No account is held.\n"
