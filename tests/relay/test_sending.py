"""Mail for elsewhere goes out: to a real next hop, again if that cannot take it, and back if nobody can."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest

from hub import Span
from hub.testing.clock import ManualClock
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ALICE, ANN, BEN, MAIL, empty, rows, sending, submit, tried, until

pytestmark = needs_sink


async def as_time_goes_by(clock: ManualClock, what: Callable[[], Awaitable[object]]) -> None:
    """Until it is true, twenty seconds of the clock at a time."""

    async def look() -> object:
        await clock.turn(20)
        return await what()

    await until(look)


def lead_to(running: RunningHub, port: int) -> None:
    """Mail for all the world goes to another port from now on."""
    kernel = running.hub.kernel
    relay = kernel.settings.relay.model_copy(update={"routes": {"*": f"127.0.0.1:{port}"}})
    kernel.settings = kernel.settings.model_copy(update={"relay": relay})


async def reports(running: RunningHub, count: int = 1, user: str = ALICE) -> list[EmailMessage]:
    """What lies in Alice's INBOX once there is that much."""

    async def there() -> bool:
        return len(await running.mailbox(user=user)) >= count

    await until(there)
    raw = await running.mailbox(user=user)
    return [email.message_from_bytes(each, policy=email.policy.default) for each in raw]


def status(message: EmailMessage) -> list[dict[str, str]]:
    """The groups of fields of a report (RFC 3464 §2.1)."""
    part = next(each for each in message.walk() if each.get_content_type() == "message/delivery-status")
    return [dict(group.items()) for group in cast("list[EmailMessage]", part.get_payload())]


@pytest.mark.proves(
    "sending: what is queued goes to its next hop, again if need be, and comes back as a report"
)
async def test_mail_goes_on_to_the_next_hop_as_it_came(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, BEN)
            await until(lambda: empty(running))
    (taken,) = sink.messages()
    assert "X-Mail-Args: <alice@example.test>" in taken
    assert taken.count("X-Rcpt-Args: <") == 2
    assert taken.replace("\n", "\r\n").endswith("\r\nInto the world.\r\n.dots\r\n..two\r\n\r\n")
    assert "Return-Path" not in taken


async def test_mail_goes_on_over_ipv6(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", host="::1") as sink:
        there = {"routes": {"*": f"[::1]:{sink.port}"}, "sources": {"::1": {"hello": "six.example.test"}}}
        async with sending(tmp_path / "hub", 0, relay=there) as running:
            await submit(running, ANN)
            await until(lambda: empty(running))
    (taken,) = sink.messages()
    assert "X-Client-Addr: ipv6:::1\n" in taken
    assert "X-Helo-Args: six.example.test\n" in taken


STAMP = """\
\"\"\"Stamp what goes out.\"\"\"
from hub import hookimpl


@hookimpl
async def rewrite_relayed(sender, recipients, message):
    who = sender.key if sender else "nobody"
    return message.under(f"X-Stamp: {who} {len(recipients)} {message.size}\\r\\n")
"""


@pytest.mark.parametrize("lines", [2, 40_000])
async def test_a_plugin_changes_a_message_on_its_way_out(tmp_path: Path, lines: int) -> None:
    text = MAIL + "Of which there are many, in a message that goes by a file.\r\n" * lines
    with sinking(tmp_path / "sink") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            (running.plugins_dir / "stamp.py").write_text(STAMP)
            await running.reload()
            await submit(running, ANN, BEN, text=text)
            await until(lambda: empty(running))
    (taken,) = sink.messages()
    stamp = next(line for line in taken.splitlines() if line.startswith("X-Stamp: "))
    _, account, recipients, size = stamp.split()
    assert (account != "nobody", recipients) == (True, "2")
    assert taken.count("by a file") == lines
    assert int(size) > len(text)  # as stored, with a line of the hub's own


async def test_a_refused_recipient_comes_back_as_a_report(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "550 5.1.1 nobody of that name") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, BEN)
            (report,) = await reports(running)
            assert await empty(running)
    assert report["Return-Path"] == "<>"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.get_content_type() == "multipart/report"
    about, *recipients = status(report)
    assert about["Reporting-MTA"] == "dns; mail.example.test"
    assert [each["Final-Recipient"] for each in recipients] == [f"rfc822; {ANN}", f"rfc822; {BEN}"]
    assert {each["Action"] for each in recipients} == {"failed"}
    assert {each["Status"] for each in recipients} == {"5.1.1"}
    assert recipients[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 nobody of that name"
    text, _, returned = report.iter_parts()
    assert "nobody of that name" in text.get_content()
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Subject: Out" in returned.get_content()


async def test_what_cannot_be_taken_now_is_tried_again_and_then_goes(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    with sinking(tmp_path / "sink", "-r", "RCPT") as sink:
        async with sending(tmp_path / "hub", sink.port, manual_clock) as running:
            await submit(running, ANN)
            await until(lambda: tried(running, 1))
            (row,) = await rows(running)
            assert row.reply.startswith("450 4.")
            assert 240 < row.due_at - manual_clock.time() < 360
            await as_time_goes_by(manual_clock, lambda: tried(running, 2))
            assert 240 < manual_clock.monotonic() < 420
            (row,) = await rows(running)
            assert 480 < row.due_at - manual_clock.time() < 660
            with sinking(tmp_path / "well") as well:
                lead_to(running, well.port)
                await as_time_goes_by(manual_clock, lambda: empty(running))
                assert len(well.messages()) == 1


async def test_what_nobody_takes_is_reported_as_delayed_and_then_comes_back(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    with sinking(tmp_path / "sink", "-r", "RCPT") as sink:
        async with sending(tmp_path / "hub", sink.port, manual_clock) as running:
            await submit(running, ANN)

            await as_time_goes_by(manual_clock, lambda: empty(running))
            delayed, failed = await reports(running, 2)
            assert manual_clock.monotonic() >= 3600
    assert [status(each)[1]["Action"] for each in (delayed, failed)] == ["delayed", "failed"]
    assert status(failed)[1]["Status"].startswith("4.")


@pytest.mark.parametrize(("wish", "actions"), [("NEVER", []), ("SUCCESS,FAILURE", ["relayed"])])
async def test_senders_hear_what_they_asked_to_hear(tmp_path: Path, wish: str, actions: list[str]) -> None:
    with sinking(tmp_path / "sink", *(["-f", "RCPT"] if wish == "NEVER" else ["-N"])) as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, options=(f"NOTIFY={wish}", f"ORCPT=rfc822;{ANN}"))
            await until(lambda: empty(running))
            found = await reports(running, len(actions))
    assert [status(each)[1]["Action"] for each in found] == actions
    assert all(status(each)[1]["Original-Recipient"] == f"rfc822;{ANN}" for each in found)


async def test_a_server_that_hangs_up_or_is_not_there_costs_a_deferral(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-q", "DATA") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN)
            await until(lambda: tried(running, 1))
            (row,) = await rows(running)
            assert "hung up" in row.reply
    async with sending(tmp_path / "hub2", sink.port) as running:
        await submit(running, ANN)
        await until(lambda: tried(running, 1))
        (row,) = await rows(running)
        assert row.reply.startswith("450 4.4.1 cannot connect to 127.0.0.1")


async def test_a_server_that_cannot_do_the_tls_that_it_offers_gets_the_mail_in_the_clear(
    tmp_path: Path,
) -> None:
    took: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 broken.example\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-broken.example\r\n250 STARTTLS\r\n")
            elif verb == b"STAR":
                writer.write(b"220 go on\r\nnonsense instead of a handshake\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                took.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 2.0.0 taken\r\n")
            else:
                writer.write(b"250 2.0.0 fine\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, sending(tmp_path / "hub", server.sockets[0].getsockname()[1]) as running:
        await submit(running, ANN)
        await until(lambda: empty(running))
    (mail,) = took
    assert mail.endswith(b"\r\nInto the world.\r\n..dots\r\n...two\r\n.\r\n")


async def test_many_mails_to_one_domain_share_a_few_connections(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            for _ in range(30):
                await submit(running, ANN)
            await until(lambda: empty(running))
    assert len(sink.messages()) == 30


async def test_each_try_is_in_the_trace_of_its_message(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "hub" / "plugins.d")

    def spans(running: RunningHub) -> list[Span]:
        calls = recorder.calls(running.hub.kernel.generations)
        told = (call.arguments["spans"] for call in calls if call.hook == "session_traced")
        return [span for each in told for span in cast("tuple[Span, ...]", each)]

    with sinking(tmp_path / "sink") as sink:
        async with sending(tmp_path / "hub", sink.port) as running:
            message = await submit(running, ANN, BEN)

            async def two_tries() -> bool:
                return [span.name for span in spans(running)].count("relay") == 2

            await until(two_tries)
            tries = [span for span in spans(running) if span.name == "relay"]

            async def arrived() -> bool:
                return any(span.attributes.get("hub.message.id") == message for span in spans(running))

            await until(arrived)
            (root,) = [span for span in spans(running) if span.attributes.get("hub.message.id") == message]
    assert {span.trace_id for span in tries} == {root.trace_id}
    assert {span.parent_id for span in tries} == {root.span_id}
    assert {span.attributes["hub.recipient"] for span in tries} == {ANN, BEN}
    assert all(span.failed is None for span in tries)
    assert all(span.attributes["server.address"] == "127.0.0.1" for span in tries)
