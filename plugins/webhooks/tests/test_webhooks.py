"""The plugin in a hub, telling a web server on loopback."""

import asyncio
import base64
import json
import smtplib
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from imaplib import IMAP4
from pathlib import Path

import pytest
from aiohttp import web
from hub_plugin_webhooks.cli import webhooks
from hub_plugin_webhooks.outbox import METADATA, tallies

from hub import Fate, QueueOutcome
from hub.testing.clock import ManualClock
from hub.testing.commands import run_command
from hub.testing.running import PASSWORD, RunningHub, running_hub

from .conftest import HUB, SECRET, Received, Receiver, verify

LETTER = "Subject: Lunch\r\nMessage-ID: <1@client.example>\r\n\r\nAt noon?\r\n"


def hub_with(
    folder: Path,
    endpoints: Mapping[str, Mapping[str, object]],
    clock: ManualClock | None = None,
    accounts: Sequence[str] = ("alice@example.test", "bob@example.test"),
    **settings: object,
) -> AbstractAsyncContextManager[RunningHub]:
    tables = {"plugins": {"webhooks": {"endpoints": endpoints, **settings}}}
    return running_hub(folder, plugins=["webhooks"], tables=tables, clock=clock, accounts=accounts)


def told(receiver: Receiver, **more: object) -> dict[str, object]:
    return {"url": receiver.url, "secret": SECRET, **more}


async def turn(clock: ManualClock, receiver: Receiver, count: int) -> list[Received]:
    """Let time pass, second by second, until there were so many attempts."""
    async with asyncio.timeout(30):
        while len(receiver.attempts) < count:
            await clock.turn(1)
            await asyncio.sleep(0.005)
    return list(receiver.attempts)


async def command(hub: RunningHub, *words: str, code: int = 0) -> str:
    """What `hub webhooks …` says, without lines that the hub logs meanwhile; code: how it ends."""
    said = await run_command(hub, webhooks, *words)
    assert said.exit_code == code, said.output
    return "".join(line for line in said.output.splitlines(keepends=True) if "plugin=webhooks" not in line)


async def kept(hub: RunningHub, *, waiting: int = 0, dead: int = 0, endpoint: str = "crm") -> None:
    """Until so many events are kept for the endpoint."""
    plugin = hub.hub.loader.generations.current.plugins["webhooks"]
    tables = await plugin.tables(METADATA)
    async with asyncio.timeout(20):
        while True:
            tally = (await tables.read(tallies)).get(endpoint)
            if (tally.waiting, tally.dead) == (waiting, dead) if tally else waiting == dead == 0:
                return
            await asyncio.sleep(0.01)


@pytest.mark.proves("observing: webhooks tell a web server of every mail, signed, in order, at least once")
async def test_a_delivered_message_is_told_of_with_a_signature(tmp_path: Path, receiver: Receiver) -> None:
    async with hub_with(tmp_path, {"crm": told(receiver, headers=True)}) as hub:
        _, said = await hub.send(LETTER)
        (event,) = await receiver.some(1)
        (stored,) = await hub.mailbox()
    message = event.data["message"]
    assert event.type == "delivered"
    assert event.headers["content-type"] == "application/json"
    assert event.data["account"]["address"] == "alice@example.test"
    assert (event.data["mailbox"]["name"], event.data["uids"]) == ("INBOX", [1, 1])
    assert message["id"] == said.rpartition(" ")[2]
    assert (message["sender"], message["recipients"]) == ("bob@example.test", ["alice@example.test"])
    assert (message["subject"], message["message_id"]) == ("Lunch", "<1@client.example>")
    assert message["size"] == len(stored)
    assert ["Subject", "Lunch"] in event.data["headers"]
    assert event.data["headers"][0][0] == "Return-Path"


async def test_a_request_is_in_the_trace_of_its_message(tmp_path: Path, receiver: Receiver) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with hub_with(tmp_path, {"crm": told(receiver)}) as hub:
        await hub.send(f"traceparent: {parent}\r\n{LETTER}")  # loopback may say in which trace it is
        (event,) = await receiver.some(1)
        await hub.send(LETTER)
        own = (await receiver.some(2))[-1]
    version, trace, span, flags = event.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", parent.split("-")[1], "01")
    assert span != parent.split("-")[2]
    assert own.headers["traceparent"].split("-")[1] != trace


async def test_a_queued_message_is_told_of_with_all_its_recipients(
    tmp_path: Path, receiver: Receiver
) -> None:
    def submit(client: smtplib.SMTP) -> None:
        client.login("bob@example.test", PASSWORD)
        client.sendmail("bob@example.test", ["one@far.example", "two@far.example"], LETTER)

    wanted = {"accounts": ["@far.example"], "events": ["delivered", "queued", "deferred"]}
    async with hub_with(tmp_path, {"crm": told(receiver, **wanted)}) as hub:
        await hub.send(LETTER)
        await hub.smtp(submit, "submission")
        await receiver.some(1)
        storage, until = hub.hub.kernel.services.storage, time.time() + 60
        claim = await storage.claim(until)  # as who sends it on
        outcomes = [QueueOutcome(row.position, Fate.DEFERRED, "450", until) for row in claim.rows]
        await storage.conclude(claim.lease, outcomes)
        event, *later = await receiver.some(3)
    assert event.type == "queued"
    assert event.data["account"]["address"] == "bob@example.test"
    assert event.data["message"]["sender"] == "bob@example.test"
    assert event.data["message"]["recipients"] == ["one@far.example", "two@far.example"]
    assert (event.data["mailbox"], event.data["uids"]) == (None, None)
    assert "headers" not in event.data
    assert [each.type for each in later] == ["deferred"] * 2
    assert {each.data["message"]["recipients"][0] for each in later} == {"one@far.example", "two@far.example"}


async def test_an_endpoint_is_told_only_of_what_it_asked_for(tmp_path: Path, receiver: Receiver) -> None:
    def use(client: IMAP4) -> None:
        client.create("Work")
        client.append("Work", r"(\Seen)", None, LETTER.encode())
        client.select("Work")
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()

    events = ["created", "appended", "flagged", "expunged"]
    async with hub_with(
        tmp_path, {"bob": told(receiver, events=events, accounts=["bob@example.test"])}
    ) as hub:
        await hub.send(LETTER, to="bob@example.test")
        await hub.imap(use)
        await hub.imap(use, "bob@example.test")
        found = await receiver.until(lambda all_: bool(all_) and all_[-1].type == "expunged")
    mine = [each for each in found if each.data["mailbox"]["name"] == "Work"]
    assert [each.type for each in mine] == ["created", "appended", "flagged", "expunged"]
    assert {each.data["account"]["address"] for each in found} == {"bob@example.test"}
    # Appended, and gone or not by the time it was told of: it has its event.
    assert mine[1].data["uids"] == mine[2].data["uids"] == mine[3].data["uids"] == [1, 1]
    positions = [each.data["position"] for each in found]
    assert positions == sorted(positions)


async def test_what_fails_is_sent_again_with_the_same_id_and_later_ones_of_the_account_wait(
    tmp_path: Path, receiver: Receiver, manual_clock: ManualClock
) -> None:
    receiver.answer = lambda _: web.Response(status=500 if len(receiver.attempts) < 3 else 204)
    async with hub_with(tmp_path, {"crm": told(receiver)}, manual_clock) as hub:
        for number in range(3):
            await hub.send(f"Subject: {number}\r\n\r\n.\r\n")
        attempts = await turn(manual_clock, receiver, 5)
    assert [each.subject for each in attempts] == ["0", "0", "0", "1", "2"]
    assert len({each.id for each in attempts}) == 3
    assert len({each.body for each in attempts}) == 3


async def test_an_event_that_is_never_taken_is_overtaken_then_given_up_and_replayed(
    tmp_path: Path, receiver: Receiver, manual_clock: ManualClock
) -> None:
    bad = True
    receiver.answer = lambda each: web.Response(
        status=422 if bad and each.subject == "poison" else 200, text="no such\r\ncustomer"
    )
    async with hub_with(tmp_path, {"crm": told(receiver, tries=4)}, manual_clock, hold="20s") as hub:
        for subject in ("poison", "cure"):
            await hub.send(f"Subject: {subject}\r\n\r\n.\r\n")
        attempts = await turn(manual_clock, receiver, 5)
        subjects = [each.subject for each in attempts]
        assert subjects.count("poison") == 4
        assert subjects.index("cure") in (2, 3)  # after 20 s, and the tries are after 5, 10 and 20 more
        await kept(hub, dead=1)
        assert attempts[0].id in await command(hub, "list", "crm")
        shown = json.loads(await command(hub, "show", attempts[0].id))
        assert shown[0]["answer"].startswith("422 Unprocessable Entity no such")
        assert shown[0]["body"]["data"]["message"]["subject"] == "poison"
        bad = False
        assert await command(hub, "replay", attempts[0].id) == "1 events are sent again\n"
        again = (await turn(manual_clock, receiver, 6))[-1]
        assert (again.id, again.body) == (attempts[0].id, attempts[0].body)


async def test_dead_letters_are_dropped_and_a_bounded_queue_makes_some_at_once(
    tmp_path: Path, receiver: Receiver, manual_clock: ManualClock
) -> None:
    receiver.answer = lambda _: web.Response(status=500)
    async with hub_with(tmp_path, {"crm": told(receiver)}, manual_clock, max_events=2) as hub:
        for number in range(6):
            await hub.send(f"Subject: {number}\r\n\r\n.\r\n")
        await kept(hub, waiting=2, dead=2)
        said = json.loads(await command(hub, "list", "crm", "--json"))
        assert [each["dead"] for each in said] == [True, True, False, False]
        await command(hub, "drop", code=2)
        assert await command(hub, "drop", "--endpoint", "crm") == "2 events are forgotten\n"
        assert (await command(hub, "drop", "--endpoint", "crm", "--waiting")).startswith("2 ")
        await command(hub, "show", said[0]["event"], code=1)


async def test_the_command_works_where_no_hub_runs(tmp_path: Path, receiver: Receiver) -> None:
    async with hub_with(tmp_path, {"crm": told(receiver)}):
        pass
    process = await asyncio.create_subprocess_exec(
        HUB, "-c", tmp_path / "hub.toml", "webhooks", "list", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert b"crm" in said
    assert receiver.url.encode() in said


async def test_one_endpoint_that_hangs_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    hung = asyncio.Event()
    connected = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    slow = {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", "secret": SECRET}
    async with server, hub_with(tmp_path, {"slow": slow, "crm": told(receiver)}) as hub:
        for _ in range(3):
            await hub.send(LETTER)
        await connected.wait()
        await receiver.some(3)
        await kept(hub, waiting=3, endpoint="slow")
        hung.set()


async def test_retry_after_is_honoured(tmp_path: Path, receiver: Receiver, manual_clock: ManualClock) -> None:
    times: list[float] = []

    def answer(_: Received) -> web.Response:
        times.append(manual_clock.time())
        return web.Response(status=429 if len(times) == 1 else 200, headers={"Retry-After": "120"})

    receiver.answer = answer
    async with hub_with(tmp_path, {"crm": told(receiver, connections=1)}, manual_clock) as hub:
        await hub.send(LETTER)
        await hub.send(LETTER, to="bob@example.test")  # another account: it waits as well
        await turn(manual_clock, receiver, 3)
    assert times[1] - times[0] >= 120
    assert times[2] - times[0] >= 120


async def test_a_gone_endpoint_is_left_alone_until_it_is_enabled(
    tmp_path: Path, receiver: Receiver, manual_clock: ManualClock
) -> None:
    receiver.answer = lambda _: web.Response(status=410 if len(receiver.attempts) == 1 else 204)
    async with hub_with(tmp_path, {"crm": told(receiver)}, manual_clock) as hub:
        await hub.send(LETTER)
        await turn(manual_clock, receiver, 1)
        await hub.send(LETTER)
        await kept(hub, waiting=2)
        for _ in range(5):
            await manual_clock.turn(5)
        assert len(receiver.attempts) == 1
        (row,) = json.loads(await command(hub, "list", "--json"))
        assert (row["state"], row["waiting"], row["dead"]) == ("gone", 2, 0)
        await command(hub, "enable", "other", code=1)
        assert await command(hub, "enable", "crm") == "crm is sent to again\n"
        await turn(manual_clock, receiver, 3)


async def test_a_redirect_is_not_followed(
    tmp_path: Path, receiver: Receiver, manual_clock: ManualClock
) -> None:
    receiver.answer = lambda _: web.Response(status=307, headers={"Location": f"{receiver.url}?elsewhere"})
    async with hub_with(tmp_path, {"crm": told(receiver, tries=1)}, manual_clock) as hub:
        await hub.send(LETTER)
        await turn(manual_clock, receiver, 1)
        await kept(hub, dead=1)
    assert len(receiver.attempts) == 1


async def test_two_secrets_sign_while_one_replaces_the_other(tmp_path: Path, receiver: Receiver) -> None:
    new = b"another thirty-two octets, newer"
    secrets = {"secret": "whsec_" + base64.b64encode(new).decode(), "old_secret": SECRET}
    async with hub_with(tmp_path, {"crm": told(receiver, **secrets)}) as hub:
        await hub.send(LETTER)
        (event,) = await receiver.some(1)
    verify(event, new)  # the receiver has verified the old one


async def test_what_was_there_before_the_plugin_is_not_told_of(tmp_path: Path, receiver: Receiver) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.send("Subject: before\r\n\r\n.\r\n")
    async with hub_with(tmp_path, {"crm": told(receiver)}, accounts=()) as hub:
        await hub.send("Subject: after\r\n\r\n.\r\n")
        (event,) = await receiver.some(1)
        assert event.subject == "after"
