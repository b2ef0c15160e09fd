"""What bounces again and again is not sent any more, for a while."""

from __future__ import annotations

import asyncio
import json
import smtplib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub import Address, Reject
from hub.testing.clock import ManualClock
from hub.testing.running import PASSWORD, RunningHub, running_hub

ANN = Address("ann", "elsewhere.example")
SOON = {"suppress_for": 600, "within": 300}
"""Seconds in place of days, for time is turned by every timer that is in it."""


async def bounced(hub: RunningHub, message: str, recipient: Address = ANN, **changed: Any) -> None:
    """Tell of a bounce as the relay does."""
    said: dict[str, object] = {
        "message_id": message,
        "sender": None,
        "reverse_path": Address("alice", "example.test"),
        "recipient": recipient,
        "host": "mx.elsewhere.example",
        "code": 550,
        "enhanced": "5.1.1",
        "text": "no such user",
        "bounce": "unknown-user",
        "attempts": 1,
        "seconds": 1.0,
        **changed,
    }
    await hub.plugin("suppression-list").call("message_bounced", **said)
    await hub.told()


async def route(hub: RunningHub, recipient: Address = ANN, **changed: object) -> object:
    said: dict[str, object] = {
        "message_id": "m",
        "sender": None,
        "reverse_path": Address("alice", "example.test"),
        "recipient": recipient,
        **changed,
    }
    return await hub.plugin("suppression-list").call("resolve_route", **said)


async def command(hub: RunningHub, *arguments: str) -> Result:
    (script,) = entry_points(group="console_scripts", name="hub")
    words = ["--config", str(hub.folder / "hub.toml"), "suppression", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, script.load(), words)


@pytest.mark.proves(
    "sending: addresses that bounce again and again get no mail for a while (suppression-list)"
)
@pytest.mark.hub(settings=SOON)
async def test_the_third_bounce_is_enough_and_only_for_a_while(
    hub: RunningHub, manual_clock: ManualClock
) -> None:
    for message in ("m1", "m2", "m2"):
        await bounced(hub, message)
        assert await route(hub) is None
    await bounced(hub, "m3")
    refused = await route(hub, Address("ANN", "Elsewhere.Example"))
    assert isinstance(refused, Reject)
    assert (refused.code, "mx.elsewhere.example said no such user" in refused.text) == ("5.1.1", True)
    assert await route(hub, Address("ben", "elsewhere.example")) is None
    await manual_clock.turn(600)
    assert await route(hub) is None


async def test_a_server_that_knows_nobody_of_that_name_is_not_asked_a_third_time(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "elsewhere", accounts=["ben@elsewhere.example"]) as elsewhere:
        tables: dict[str, object] = {
            "relay": {"routes": {"*": f"127.0.0.1:{elsewhere.port()}"}},
            "plugins": {"suppression-list": {"bounces": 2}},
        }
        async with running_hub(tmp_path / "own", plugins=["suppression-list"], tables=tables) as own:
            reports = [await report_on_mail(own, number) for number in (1, 2, 3)]
    assert ["Nobody has this address here" in report for report in reports] == [True, True, True]
    assert ["said: 550" in report for report in reports] == [True, True, False]
    assert "has refused mail again and again" in reports[2]


async def report_on_mail(own: RunningHub, number: int) -> str:
    """Send mail to Ann, and wait for what comes back."""

    def submit(client: smtplib.SMTP) -> None:
        client.login("alice@example.test", PASSWORD)
        client.sendmail("alice@example.test", str(ANN), f"Subject: {number}\r\n\r\nwords\r\n")

    await own.smtp(submit, "submission")
    async with asyncio.timeout(20):
        while len(found := await own.mailbox()) < number:
            await asyncio.sleep(0.02)
    await own.told()
    return found[-1].decode()


@pytest.mark.hub(settings=SOON)
async def test_who_comes_back_to_the_list_stays_longer(hub: RunningHub, manual_clock: ManualClock) -> None:
    for message in ("m1", "m2", "m3"):
        await bounced(hub, message)
    await manual_clock.turn(600)
    for message in ("m4", "m5", "m6"):
        await bounced(hub, message)
    await manual_clock.turn(1199)
    assert await route(hub) is not None
    await manual_clock.turn(1)
    assert await route(hub) is None


@pytest.mark.parametrize(
    "changed", [{"code": 450, "enhanced": "4.1.1"}, {"bounce": "spam"}, {"bounce": "quota"}]
)
async def test_what_says_nothing_about_the_address_does_not_count(
    hub: RunningHub, changed: dict[str, Any]
) -> None:
    for message in ("m1", "m2", "m3", "m4"):
        await bounced(hub, message, **changed)
    assert await route(hub) is None


async def test_mail_that_arrives_puts_everything_right(hub: RunningHub) -> None:
    await bounced(hub, "m1")
    await bounced(hub, "m2")
    sent = {"host": "mx", "code": 250, "enhanced": "2.0.0", "text": "ok", "attempts": 1, "seconds": 1.0}
    await hub.plugin("suppression-list").call(
        "message_sent", message_id="m", sender=None, reverse_path=None, recipient=ANN, **sent
    )
    await hub.told()
    await bounced(hub, "m3")
    assert await route(hub) is None


@pytest.mark.hub(settings=SOON)
async def test_what_is_long_ago_does_not_count(hub: RunningHub, manual_clock: ManualClock) -> None:
    for message in ("m1", "m2", "m3"):
        await bounced(hub, message)
        await manual_clock.turn(160)
    assert await route(hub) is None


@pytest.mark.hub(settings={"bounces": 1, "exempt": ["@partner.example", "ben@elsewhere.example"]})
async def test_reports_postmasters_and_those_who_are_exempt_are_spared(hub: RunningHub) -> None:
    spared = ("postmaster@elsewhere.example", "any@partner.example", "ben@elsewhere.example")
    for number, each in enumerate(spared):
        await bounced(hub, f"m{number}", Address.parse(each))
        assert await route(hub, Address.parse(each)) is None
    await bounced(hub, "m")
    assert await route(hub) is not None
    assert await route(hub, reverse_path=None) is None


async def test_the_operator_adds_lists_and_removes(hub: RunningHub) -> None:
    assert "all addresses" in (await command(hub, "list")).output
    added = await command(hub, "add", "Ann@elsewhere.example", "--reason", "she asked for it")
    assert added.output == "No mail is sent to Ann@elsewhere.example until it is removed.\n"
    refused = await route(hub)
    assert isinstance(refused, Reject)
    assert refused.text == "no mail is sent to this address: she asked for it"
    assert "she asked for it" in (await command(hub, "list")).output
    (entry,) = json.loads((await command(hub, "list", "--json")).output)
    assert (entry["address"], entry["until"], entry["by_hand"]) == ("Ann@elsewhere.example", None, True)
    assert (await command(hub, "remove", "ann@elsewhere.example")).exit_code == 0
    assert await route(hub) is None
    again = await command(hub, "remove", "ann@elsewhere.example")
    assert (again.exit_code, "is not suppressed" in again.output) == (1, True)
    for wrong in (("add", "postmaster@a.example"), ("add", "x"), ("add", "a@b.example", "--for", "0")):
        assert (await command(hub, *wrong)).exit_code == 1


def test_the_readme_names_all_settings() -> None:
    from hub_plugin_suppression_list import Settings

    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in Settings.model_fields)
