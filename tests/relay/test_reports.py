"""Reports on mail: what RFC 3461, 3464 and 6533 want in them, who gets them, and who does not."""

from __future__ import annotations

import email
import email.policy
import smtplib
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

import pytest

from hub.delivery.forged import own_results, seems_forged
from hub.delivery.reports import About, Kind, Told, report
from hub.mail.address import Address
from hub.services.directory import Alias, DirectoryAdmin
from hub.testing.clock import ManualClock
from hub.testing.running import PASSWORD, RunningHub, running_hub
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ANN, MAIL, empty, rows, sending, submit, until
from tests.relay.test_sending import as_time_goes_by, reports, status

ALICE = "alice@example.test"
AGAIN = {"first_retry": 0.3, "pause": 0.3}
"""A server that is too busy for a moment is asked again."""


def sent_to(folder: Path, port: int) -> AbstractAsyncContextManager[RunningHub]:
    return running_hub(folder, tables={"relay": {**AGAIN, "routes": {"*": f"127.0.0.1:{port}"}}})


def made(
    kind: Kind, *told: Told, head: bytes = b"Subject: Out\r\n\r\n", body: bytes | None = None
) -> EmailMessage:
    """A report as Python reads it."""
    about = About(Address.parse(ALICE), 1_800_000_000.0, head, body, "an envelope+1")
    whole = b"".join(report(kind, about, told, "mail.example.test", "id", 1_800_000_060.0))
    return email.message_from_bytes(whole, policy=email.policy.default)


def test_a_delay_says_when_it_was_tried_and_until_when_it_will_be() -> None:
    told = Told(
        Address.parse(ANN),
        "rfc822;first@elsewhere.example",
        "4.2.2",
        "full",
        "mx",
        452,
        1_800_000_050.0,
        1_800_432_000.0,
    )
    message = made("delayed", told)
    about, each = status(message)
    assert about["Original-Envelope-Id"] == "an envelope+1"
    assert about["Reporting-MTA"] == "dns; mail.example.test"
    assert parsedate_to_datetime(about["Arrival-Date"]).timestamp() == 1_800_000_000
    assert each["Original-Recipient"] == "rfc822;first@elsewhere.example"
    assert each["Final-Recipient"] == f"rfc822; {ANN}"
    assert (each["Action"], each["Status"]) == ("delayed", "4.2.2")
    assert (each["Remote-MTA"], each["Diagnostic-Code"]) == ("dns; mx", "smtp; 452 4.2.2 full")
    assert parsedate_to_datetime(each["Last-Attempt-Date"]).timestamp() == 1_800_000_050
    assert parsedate_to_datetime(each["Will-Retry-Until"]).timestamp() == 1_800_432_000
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_param("report-type") == "delivery-status"


def test_an_internationalised_address_is_reported_as_such() -> None:
    message = made("failed", Told(Address("ännchen", "bücher.example"), None, "5.1.1", "nöbody", "mx", 550))
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    raw = b"".join(
        report(
            "failed",
            About(Address.parse(ALICE), 0.0, b"Subject: a\r\n\r\n"),
            [
                Told(
                    Address("ännchen", "bücher.example"),
                    "utf-8;ännchen@bücher.example",
                    "5.1.1",
                    "nö",
                    "mx",
                    550,
                )
            ],
            "mail.example.test",
            "id",
            0.0,
        )
    ).decode()
    assert "Final-Recipient: utf-8; ännchen@bücher.example" in raw
    assert "Original-Recipient: utf-8;ännchen@bücher.example" in raw


def test_what_others_say_cannot_break_out_of_its_line() -> None:
    told = Told(
        Address.parse(ANN), "rfc822;a\r\nAction: delivered", "5.1.1", "a\r\nStatus: 2.0.0 ü", "mx", 550
    )
    (each,) = status(made("failed", told))[1:]
    assert each["Action"] == "failed"
    assert each["Status"] == "5.1.1"
    assert each["Diagnostic-Code"].isascii()


@pytest.mark.parametrize("body", [None, b"words\r\n"])
def test_a_report_returns_the_header_or_all(body: bytes | None) -> None:
    returned = list(made("failed", Told(Address.parse(ANN), None, "5.1.1", "no"), body=body).iter_parts())[-1]
    assert returned.get_content_type() == ("text/rfc822-headers" if body is None else "message/rfc822")


# -- who gets them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "forged"),
    [
        ("mail.example.test; spf=fail smtp.mailfrom=a.example", True),
        ("mail.example.test; spf=softfail", True),
        ("mail.example.test; dkim=none; dmarc=fail (p=reject; dis=none) header.from=a.example", True),
        ('mail.example.test; spf=none reason="no; spf=pass"; iprev=fail', True),
        ("mail.example.test; iprev=fail; spf=pass", False),
        ("mail.example.test; spf=none", False),
        ("", False),
    ],
)
def test_what_the_hub_has_found_says_whether_a_sender_is_forged(field: str, forged: bool) -> None:
    head = f"Authentication-Results: {field}\r\nSubject: a\r\n\r\n".encode()
    assert seems_forged(head) is forged
    assert not seems_forged(b"Received: by us\r\n" + head)


def test_results_are_read_without_comments() -> None:
    head = b"Authentication-Results: mail.example.test 1;\r\n SPF = Pass (a; b=c) x=y;\r\n\tdkim=none\r\n\r\n"
    assert own_results(head) == {"spf=pass", "dkim=none"}


JUDGING = '''"""Writes what was found."""

from hub import Finding, hookimpl


@hookimpl
async def check_message(message):
    return Finding(headers=(("Authentication-Results", "mail.example.test; {result}"),))
'''


@needs_sink
@pytest.mark.proves("sending: no report goes to a sender of whom SPF or DMARC says that it is forged")
@pytest.mark.parametrize(("result", "count"), [("spf=pass", 1), ("spf=fail", 0), ("", 1)])
async def test_mail_that_is_passed_on_and_fails_goes_back_unless_it_is_forged(
    tmp_path: Path, result: str, count: int
) -> None:
    wanted = "550 5.1.1 nobody"
    folder = tmp_path / "hub" / "plugins.d"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "judging.py").write_text(JUDGING.format(result=result or "dkim=none"))
    with sinking(tmp_path / "bad", "-f", "RCPT", "-B", wanted) as bad, sinking(tmp_path / "back") as back:
        routes = {"elsewhere.example": f"127.0.0.1:{bad.port}", "first.example": f"127.0.0.1:{back.port}"}
        async with running_hub(tmp_path / "hub", tables={"relay": {**AGAIN, "routes": routes}}) as running:
            await alias(running, "friend", ANN)
            code, _ = await running.send(
                "Authentication-Results: mail.example.test; spf=fail\r\nSubject: Out\r\n\r\n",
                sender="bob@first.example",
                to="friend@example.test",
            )
            assert code == 250
            await until(lambda: empty(running))
    assert len(back.messages()) == count
    assert all("X-Mail-Args: <>" in each for each in back.messages())


async def alias(running: RunningHub, local: str, *targets: str) -> None:
    directory = cast(DirectoryAdmin, running.hub.kernel.services.directory)
    await directory.add_alias(Alias(Address(local, "example.test"), tuple(map(Address.parse, targets))))


# -- what went well -----------------------------------------------------------------------------------------


@needs_sink
@pytest.mark.proves(
    "sending: who asks for it by NOTIFY=SUCCESS is told in the same commit that mail is delivered"
)
async def test_success_is_told_when_mail_lies_in_a_mailbox(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with sent_to(tmp_path / "hub", sink.port) as running:
            await alias(running, "both", "bob@example.test", ANN)
            asked = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2Btag@example.test")
            await submit(running, "bob@example.test", options=asked)
            (delivered,) = await reports(running)
            await submit(running, "both@example.test", options=("NOTIFY=SUCCESS",))
            expanded = (await reports(running, 2))[1]
            await until(lambda: empty(running))
    (each,) = status(delivered)[1:]
    assert (each["Action"], each["Status"]) == ("delivered", "2.1.5")
    assert each["Final-Recipient"] == "rfc822; bob@example.test"
    assert each["Original-Recipient"] == "rfc822;Bob+tag@example.test"
    assert delivered["Return-Path"] == "<>"
    assert [part.get_content_type() for part in delivered.iter_parts()][2] == "text/rfc822-headers"
    (each,) = status(expanded)[1:]
    assert (each["Action"], each["Final-Recipient"]) == ("expanded", "rfc822; both@example.test")
    assert len(sink.messages()) == 1


async def test_nobody_is_told_who_has_not_asked_or_has_no_address(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as running:
        await submit(running, "bob@example.test", options=("NOTIFY=FAILURE,DELAY",))

        def from_nobody(client: smtplib.SMTP) -> None:
            client.ehlo("mx.example")
            client.mail("")
            assert client.rcpt("bob@example.test", ["NOTIFY=SUCCESS"])[0] == 250
            assert client.data(MAIL.encode())[0] == 250

        await running.smtp(from_nobody)
        assert await running.mailbox() == []
        assert len(await running.mailbox(user="bob@example.test")) == 2
        assert await rows(running) == []


@needs_sink
async def test_ret_is_for_failures_and_envid_for_all(tmp_path: Path, manual_clock: ManualClock) -> None:
    def work(client: smtplib.SMTP) -> None:
        client.ehlo("client.example.test")
        client.login(ALICE, PASSWORD)
        assert client.mail(ALICE, ["RET=FULL", "ENVID=QQ+2B1"])[0] == 250
        assert client.rcpt(ANN, ["NOTIFY=DELAY,FAILURE"])[0] == 250
        assert client.data(MAIL.encode())[0] == 250

    with sinking(tmp_path / "sink", "-r", "RCPT") as sink:
        async with sending(tmp_path / "hub", sink.port, manual_clock) as running:
            await running.smtp(work, "submission")
            await as_time_goes_by(manual_clock, lambda: empty(running))
            delayed, failed = await reports(running, 2)
    assert [status(each)[0]["Original-Envelope-Id"] for each in (delayed, failed)] == ["QQ+1"] * 2
    kinds = [[part.get_content_type() for part in each.iter_parts()][2] for each in (delayed, failed)]
    assert kinds == ["text/rfc822-headers", "message/rfc822"]
    retry = parsedate_to_datetime(status(delayed)[1]["Will-Retry-Until"]).timestamp()
    arrived = parsedate_to_datetime(status(delayed)[0]["Arrival-Date"]).timestamp()
    assert retry - arrived == 3600
    assert "Will-Retry-Until" not in status(failed)[1]


# -- the postmaster -----------------------------------------------------------------------------------------


@needs_sink
@pytest.mark.proves("sending: a report that comes back itself, and a loop, are shown to the postmaster")
async def test_a_report_that_comes_back_goes_to_the_postmaster(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "550 5.1.1 nobody") as sink:
        relay = {**AGAIN, "routes": {"*": f"127.0.0.1:{sink.port}"}}
        async with running_hub(tmp_path / "hub", tables={"relay": relay}) as running:
            await alias(running, "friend", ANN)
            await running.send(MAIL, sender="bob@first.example", to="friend@example.test")
            (notice,) = await reports(running)
            assert await empty(running)
    assert notice["Subject"] == "Undeliverable report"
    assert notice["To"] == "postmaster@mail.example.test"
    (each,) = status(notice)[1:]
    assert each["Final-Recipient"] == "rfc822; bob@first.example"
    returned = [part for part in notice.walk() if part.get_content_type() == "message/rfc822"]
    assert "Your mail could not be delivered" in returned[0].as_string()


@needs_sink
async def test_a_postmaster_who_is_elsewhere_and_refuses_it_is_not_told_for_ever(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "550 5.1.1 nobody") as sink:
        relay = {**AGAIN, "routes": {"*": f"127.0.0.1:{sink.port}"}, "postmaster": "ops@first.example"}
        async with running_hub(tmp_path / "hub", tables={"relay": relay}) as running:
            await alias(running, "friend", ANN)
            await running.send(MAIL, sender="bob@first.example", to="friend@example.test")
            await until(lambda: empty(running))
            assert await running.mailbox() == []


@needs_sink
async def test_a_loop_is_told_to_both(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "554 5.4.6 Too many hops") as sink:
        relay = {**AGAIN, "routes": {"*": f"127.0.0.1:{sink.port}"}, "postmaster": "bob@example.test"}
        async with running_hub(tmp_path / "hub", tables={"relay": relay}) as running:
            await submit(running, ANN)
            (own,) = await reports(running)
            notices = await running.mailbox(user="bob@example.test")
    assert own["Subject"] == "Your mail could not be delivered"
    assert [b"Subject: Mail loop\r\n" in each for each in notices] == [True]


@needs_sink
async def test_a_flood_of_such_reports_is_counted_and_does_not_fill_the_mailbox(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT", "-B", "550 5.1.1 nobody") as sink:
        relay = {**AGAIN, "routes": {"*": f"127.0.0.1:{sink.port}"}}
        async with running_hub(tmp_path / "hub", tables={"relay": relay}) as running:
            await alias(running, "friend", ANN)
            for _ in range(25):
                await running.send(MAIL, sender="", to="friend@example.test")
            await until(lambda: empty(running))
            assert len(await running.mailbox()) == 20


@needs_sink
async def test_who_wants_silence_has_it(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-f", "RCPT") as sink:
        async with sent_to(tmp_path / "hub", sink.port) as running:
            await submit(running, ANN, options=("NOTIFY=NEVER",))
            await until(lambda: empty(running))
            assert await running.mailbox() == []
