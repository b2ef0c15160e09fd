"""What the records of real sessions become as spans, seen by a plugin that takes them."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from imaplib import IMAP4
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from hub import Address, Headers, Span, traceparent_of
from hub.loading.scope import Scope
from hub.mail.traceparent import own_context, parse_traceparent
from hub.services.directory import Alias, DirectoryAdmin
from hub.testing.dialogue import dialogue
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub, running_hub

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HELLO = "EHLO client.example.test"
MAIL, RCPT = "MAIL FROM:<bob@example.test>", "RCPT TO:<alice@example.test>"
MESSAGE = "Subject: one\r\nMessage-ID: <1@example.test>\r\n\r\nHello\r\n."
NOTHING: dict[str, object] = {"ratio": 0.0, "errors": False}


class Traced:
    """A hub and the spans that it makes."""

    def __init__(self, hub: RunningHub, recorder: Recorder) -> None:
        self.hub = hub
        self._recorder = recorder

    async def spans(self) -> list[Span]:
        """All spans so far, once every client has left."""
        while self.hub.hub.kernel.sessions:
            await asyncio.sleep(0.005)
        scope = cast(Scope, self.hub.hub.kernel.generations.current.plugins["recorder"])
        await scope.notifier.drain(5)
        calls = self._recorder.calls(self.hub.hub.kernel.generations)
        found: list[Span] = []
        for call in calls:
            if call.hook == "session_traced":
                found += cast("Sequence[Span]", call.arguments["spans"])
        return found


@asynccontextmanager
async def traced(
    folder: Path,
    sampling: Mapping[str, object] | None = None,
    log: str = "full",
    relay: Mapping[str, object] | None = None,
) -> AsyncIterator[Traced]:
    recorder = Recorder(folder / "plugins.d")
    (folder / "plugins.d" / "broken.py").write_text(
        "from hub import hookimpl\n@hookimpl\nasync def smtp_rcpt(recipient):\n"
        "    if recipient.local == 'broken':\n        raise ValueError(str(recipient))\n"
    )
    tables = {
        "trace": {"sampling": sampling or {}},
        "log": {"addresses": log},
        **({"relay": relay} if relay else {}),
    }
    async with running_hub(folder, tables=tables) as hub:
        yield Traced(hub, recorder)


def named(spans: Sequence[Span], name: str) -> Span:
    [found] = [each for each in spans if each.name == name]
    return found


def children(spans: Sequence[Span], parent: Span) -> list[str]:
    return [each.name for each in spans if each.parent_id == parent.span_id]


async def test_a_message_is_a_trace_with_its_commands_steps_commit_and_delivery(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:
        replies = await dialogue(hub.hub.port(), [HELLO, MAIL, RCPT, "DATA", MESSAGE, "QUIT"])
        spans = await hub.spans()
    message_id = replies[-2].split()[-1]
    message = named(spans, "message")
    context = own_context(message_id)
    assert (message.trace_id, message.span_id, message.parent_id) == (context.trace_id, context.span_id, None)
    assert children(spans, message) == ["MAIL", "RCPT", "DATA", "DATA"]
    mail, rcpt, _, data = [each for each in spans if each.parent_id == message.span_id]
    assert children(spans, rcpt) == ["smtp_rcpt recorder", "smtp_rcpt broken"]
    assert {"check_message recorder", "commit", "delivery"} == set(children(spans, data))
    assert {**message.attributes, "client.port": 0} == {
        "network.protocol.name": "smtp",
        "hub.listener": "smtp",
        "hub.session.id": message.attributes["hub.session.id"],
        "client.address": "127.0.0.1",
        "client.port": 0,
        "hub.message.id": message_id,
        "hub.message.header_id": "<1@example.test>",
        "hub.sender": "bob@example.test",
        "hub.recipients": ("alice@example.test",),
        "hub.recipients.count": 1,
        "hub.outcome": "accepted",
        "hub.size": message.attributes["hub.size"],
    }
    assert message.failed is None
    assert message.start <= mail.start <= mail.end <= rcpt.end <= data.end <= message.end
    commit = named(spans, "commit")
    assert data.start <= commit.start < commit.end <= data.end


async def test_a_session_and_its_messages_are_linked(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:
        transaction = [MAIL, RCPT, "DATA", MESSAGE]
        await dialogue(hub.hub.port(), [HELLO, *transaction, *transaction, "QUIT"])
        spans = await hub.spans()
    session = named(spans, "smtp session")
    messages = [each for each in spans if each.name == "message"]
    assert session.links == tuple((each.trace_id, each.span_id) for each in messages)
    assert {each.links for each in messages} == {((session.trace_id, session.span_id),)}
    assert children(spans, session) == ["connect", "EHLO", "QUIT"]
    assert len({each.trace_id for each in (session, *messages)}) == 3
    assert len({each.span_id for each in spans}) == len(spans)


async def test_imap_commands_are_spans_of_their_session(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:

        def read(client: IMAP4) -> None:
            client.select("INBOX")
            client.select("Nowhere")
            client.logout()

        await hub.hub.imap(read)
        spans = await hub.spans()
    session = named(spans, "imap session")
    assert children(spans, session) == ["CAPABILITY", "LOGIN", "SELECT", "SELECT", "LOGOUT"]
    login, _, failed = [each for each in spans if each.parent_id == session.span_id][1:4]
    assert [event.name for event in login.events] == ["login"]
    assert failed.failed == "NO"
    assert failed.attributes["error.type"] == "NO"
    assert session.end > session.start


@pytest.mark.parametrize(
    ("policy", "bob", "peer"),
    [
        ("full", "bob@example.test", "127.0.0.1"),
        ("domain", "…@example.test", "127.0.0.0/24"),
        ("hash", "#", "#"),
    ],
)
async def test_addresses_are_redacted_as_in_the_log(tmp_path: Path, policy: str, bob: str, peer: str) -> None:
    quoted = 'RCPT TO:<"alice smith"@example.test>'
    async with traced(tmp_path, log=policy) as hub:
        talk = [HELLO, "VRFY bob@example.test", MAIL, quoted, "RCPT TO:<broken@example.test>", RCPT]
        await dialogue(hub.hub.port(), [*talk, "DATA", MESSAGE, "QUIT"])
        await hub.hub.imap(lambda client: None)
        spans = await hub.spans()
    message = named(spans, "message")
    assert str(message.attributes["hub.sender"]).startswith(bob)
    assert str(message.attributes["client.address"]).startswith(peer)
    said = repr(spans)
    for text in ("bob@example.test", "alice@example.test", "alice smith", "broken@example.test", "127.0.0.1"):
        assert (text in said) is (policy == "full")


async def test_what_fails_has_a_status(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:
        assert (await hub.hub.send(to="broken@example.test"))[0] == 451
        spans = await hub.spans()
    rcpt, step, message = named(spans, "RCPT"), named(spans, "smtp_rcpt broken"), named(spans, "message")
    assert rcpt.failed == "451 4.3.0"
    assert rcpt.attributes["error.type"] == "451"
    assert "ValueError" in str(step.failed)
    assert message.failed is not None
    assert message.attributes["hub.outcome"] == "refused"


async def test_a_made_up_command_makes_no_name(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:
        await dialogue(hub.hub.port(), [HELLO, "XYZZY 1", "QUIT"])
        spans = await hub.spans()
    assert named(spans, "bad command").attributes["hub.command"] == "XYZZY"


async def test_nothing_is_made_where_nothing_is_chosen(tmp_path: Path) -> None:
    async with traced(tmp_path, NOTHING) as hub:
        await hub.hub.send()
        await hub.hub.send(to="broken@example.test")
        assert await hub.spans() == []
        [stored] = await hub.hub.mailbox()
    assert b"X-Hub-Trace" not in stored


@pytest.mark.proves(
    "observing: export a share of all traces, and always those with errors and of chosen senders"
)
async def test_errors_are_always_chosen(tmp_path: Path) -> None:
    async with traced(tmp_path, {"ratio": 0.0}) as hub:
        await hub.hub.send()
        assert await hub.spans() == []
        await hub.hub.send(to="nobody@example.test")
        spans = await hub.spans()
    assert named(spans, "RCPT").failed == "550 5.1.1"
    assert named(spans, "smtp session").links == (
        (named(spans, "message").trace_id, named(spans, "message").span_id),
    )


@pytest.mark.parametrize("chosen", ["Bob@example.test", "EXAMPLE.test"])
async def test_chosen_senders_are_always_chosen(tmp_path: Path, chosen: str) -> None:
    async with traced(tmp_path, NOTHING | {"senders": [chosen]}) as hub:
        await hub.hub.send(sender="carol@elsewhere.test")
        await hub.hub.send()
        spans = await hub.spans()
        stored = await hub.hub.mailbox()
    message = named(spans, "message")
    assert message.attributes["hub.sender"] == "bob@example.test"
    assert [b"X-Hub-Trace" in each for each in stored] == [False, True]


async def test_a_listener_has_a_share_of_its_own(tmp_path: Path) -> None:
    async with traced(tmp_path, NOTHING | {"listeners": {"imap": 1.0}}) as hub:
        await hub.hub.send()
        await hub.hub.imap(lambda client: None)
        spans = await hub.spans()
    assert {each.name for each in spans if each.parent_id is None} == {"imap session"}


async def test_a_share_is_about_that_share_and_the_same_for_the_same_trace(tmp_path: Path) -> None:
    async with traced(tmp_path, {"ratio": 0.3}) as hub:
        talk = [MAIL, "RCPT TO:<alice@example.test>", "RSET"] * 60
        await dialogue(hub.hub.port(), [HELLO, *talk, "QUIT"])
        spans = await hub.spans()
    chosen = [each for each in spans if each.name == "message"]
    assert all(each.trace_id & (2**64 - 1) < 0.3 * 2**64 for each in chosen)
    assert 4 <= len(chosen) <= 36  # of 60: five standard deviations


def with_parent(flags: str) -> str:
    return f"traceparent: 00-{TRACE}-{SPAN}-{flags}\r\nSubject: one\r\n\r\nHello\r\n"


@pytest.mark.proves(
    "observing: go on in the trace that a trusted client names (W3C), and keep it with the message"
)
async def test_a_trusted_client_names_the_trace_and_its_decision_holds(tmp_path: Path) -> None:
    async with traced(tmp_path, NOTHING) as hub:
        await hub.hub.send(with_parent("00"))
        assert await hub.spans() == []
        _, reply = await hub.hub.send(with_parent("01"))
        spans = await hub.spans()
        stored = [Headers(each) for each in await hub.hub.mailbox()]
    message, own = named(spans, "message"), own_context(reply.split()[-1])
    assert (message.trace_id, message.parent_id) == (int(TRACE, 16), int(SPAN, 16))
    assert message.remote
    kept = f"00-{TRACE}-{own.span_id:016x}-01"
    assert traceparent_of(reply.split()[-1], stored[1]) == kept
    assert stored[1].get("X-Hub-Trace") == kept
    assert (stored[0].get("X-Hub-Trace") or "").endswith("-00")


@pytest.mark.proves("observing: a mail that goes through several hubs is one trace")
async def test_a_mail_through_three_hubs_is_one_trace(tmp_path: Path) -> None:
    way = ["away@example.test", "one@two.example", "one@three.example", "alice@example.test"]
    async with AsyncExitStack() as stack:
        port, hubs = 0, list[Traced]()
        for taken, leads in reversed(list(pairwise(way))):
            relay = {"routes": {"*": f"127.0.0.1:{port}"}, "idle": 0} if port else {"enabled": False}
            hub = await stack.enter_async_context(traced(tmp_path / str(len(hubs)), relay=relay))
            directory = cast(DirectoryAdmin, hub.hub.hub.kernel.services.directory)
            address = Address.parse(taken)
            if not await directory.is_local(address.domain):
                await directory.add_domain(address.domain)
            await directory.add_alias(Alias(address, (Address.parse(leads),)))
            port = hub.hub.port()
            hubs.insert(0, hub)
        await hubs[0].hub.send(to=way[0])
        async with asyncio.timeout(60):
            while not (await hubs[2].hub.mailbox() and await _relays(hubs[0]) and await _relays(hubs[1])):
                await asyncio.sleep(0.02)
        first, middle, last = [named(await hub.spans(), "message") for hub in hubs]
        tries = [*await _relays(hubs[0]), *await _relays(hubs[1])]
    assert {each.trace_id for each in (first, middle, last, *tries)} == {first.trace_id}
    assert (first.parent_id, middle.parent_id, last.parent_id) == (None, first.span_id, middle.span_id)
    assert [each.parent_id for each in tries] == [first.span_id, middle.span_id]


async def _relays(hub: Traced) -> list[Span]:
    return [each for each in await hub.spans() if each.name == "relay"]


async def test_a_stranger_names_no_trace(tmp_path: Path) -> None:
    forged = f"X-Hub-Trace: 00-{TRACE}-{SPAN}-01\r\n{with_parent('01')}"
    recorder = Recorder(tmp_path / "plugins.d")
    async with running_hub(tmp_path, tables={"trace": {"trusted": ["192.0.2.0/24"]}}) as hub:
        _, reply = await hub.send(forged)
        spans = await Traced(hub, recorder).spans()
        [stored] = await hub.mailbox()
    message_id = reply.split()[-1]
    assert named(spans, "message").trace_id == own_context(message_id).trace_id
    assert Headers(stored).get_all("X-Hub-Trace") == [str(own_context(message_id, sampled=True))]


async def test_who_logs_in_is_trusted_too(tmp_path: Path) -> None:
    def submit(client: smtplib.SMTP) -> None:
        client.ehlo("client.example.test")
        client.login("bob@example.test", "demo")
        client.sendmail(
            "bob@example.test", "alice@example.test", "From: bob@example.test\r\n" + with_parent("01")
        )

    async with running_hub(tmp_path, tables={"trace": {"trusted": []}}) as hub:
        await hub.smtp(submit, "submission")
        [stored] = await hub.mailbox()
    found = parse_traceparent(Headers(stored).raw("X-Hub-Trace"))
    assert found is not None
    assert found.trace_id == int(TRACE, 16)
    assert found.sampled, "nobody exports here, and the decision of who began stays what it was"


async def test_a_message_comes_whole_though_its_session_is_looked_at_meanwhile(tmp_path: Path) -> None:
    async with traced(tmp_path) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.hub.port())

        async def say(*lines: str) -> None:
            for line in lines:
                writer.write(line.encode() + b"\r\n")
                while (await reader.readline())[3:4] == b"-":
                    pass
            for trace in hub.hub.hub.kernel.sessions.values():
                hub.hub.hub.kernel.write_trace(trace)  # as `hub trace` has it done

        await reader.readline()
        for _ in range(2):
            await say(HELLO, MAIL)
            await say(RCPT)
            await say("DATA")
            await say(MESSAGE)
        await say("QUIT")
        writer.close()
        await writer.wait_closed()
        spans = await hub.spans()
    for message in [each for each in spans if each.name == "message"]:
        assert children(spans, message) == ["MAIL", "RCPT", "DATA", "DATA"]
        assert message.attributes["hub.outcome"] == "accepted"
    assert len([each for each in spans if each.name == "message"]) == 2
    assert children(spans, named(spans, "smtp session")) == ["connect", "EHLO", "EHLO", "QUIT"]


async def test_without_the_ring_spans_are_made_all_the_same(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "plugins.d")
    async with running_hub(tmp_path, tables={"trace": {"enabled": False}}) as hub:
        await hub.send()
        assert named(await Traced(hub, recorder).spans(), "message").failed is None


async def test_the_choice_follows_the_configuration_while_the_hub_runs(tmp_path: Path) -> None:
    async with traced(tmp_path, NOTHING) as hub:
        await hub.hub.send()
        file = hub.hub.folder / "hub.toml"
        file.write_text(file.read_text().replace("ratio = 0.0", "ratio = 1.0"))
        await hub.hub.hub.reload()  # unless the watcher was faster
        _, reply = await hub.hub.send()
        spans = await hub.spans()
    assert named(spans, "message").attributes["hub.message.id"] == reply.split()[-1]
