"""What a sender wants to hear (RFC 3461): read, refused, seen by plugins and kept with the queue."""

from __future__ import annotations

import asyncio
import itertools
import json
import smtplib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.hooks.markers import hookimpl
from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn, RecipientDsn
from hub.mail.envelope import Envelope
from hub.mail.message import Message
from hub.mail.verdict import Finding, Verdict
from hub.mail.xtext import decode_utf8_xtext, decode_xtext
from hub.testing.running import running_hub
from tests.conftest import World, connected

MESSAGE = b"Subject: hello\r\n\r\nbody"
AWAY, BOB = Address("away", "example.test"), Address("bob", "example.test")


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a+2Bb+3Dc", "a+b=c"),
        ("+C3+BC", "ü"),
        ("+20", " "),
        ("\\x{41}", "\\x{41}"),
    ],
)
def test_xtext_is_decoded(text: str, decoded: str) -> None:
    assert decode_xtext(text) == decoded


@pytest.mark.parametrize("text", ["a b", "a=b", "a+", "+2", "+2b", "+GG", "+FF", "ü", "a\x7f"])
def test_what_is_no_xtext_is_not_decoded(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_xtext(text)


def test_utf8_addresses_have_an_encoding_of_their_own() -> None:
    assert decode_utf8_xtext("J\\x{FC}rgen@\\x{1F4E8}.example") == "Jürgen@📨.example"
    assert decode_utf8_xtext("Jürgen@a.example") == "Jürgen@a.example"
    for wrong in ("a+41", "a b", "a\\b", "\\x{fc}", "\\x{D800}", "\\x{110000}", "a=b"):
        with pytest.raises(ValueError, match=r".+"):
            decode_utf8_xtext(wrong)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("MAIL FROM:<a@b.example> RET=SOME", "501 5.5.4 RET is FULL or HDRS"),
        ("MAIL FROM:<a@b.example> RET=FULL RET=HDRS", "501 5.5.4 "),
        ("MAIL FROM:<a@b.example> ENVID=a+2", "501 5.5.4 ENVID is"),
        ("MAIL FROM:<a@b.example> ENVID=a+0D+0Ab", "501 5.5.4 ENVID is"),
        ("MAIL FROM:<a@b.example> ENVID=+C3+BC", "501 5.5.4 ENVID is"),
        ("MAIL FROM:<a@b.example> ENVID=" + "x" * 101, "501 5.5.4 ENVID is"),
        ("MAIL FROM:<a@b.example> NOTIFY=NEVER", "555 5.5.4 "),
    ],
)
async def test_wrong_parameters_of_mail_are_refused(command: str, reply: str, world: World) -> None:
    async with connected(await world.listen()) as client:
        assert (await client.ask(command)).startswith(reply)
        assert await client.ask("MAIL FROM:<a@b.example> RET=hdrs ENVID=" + "x" * 100) == "250 2.1.0 OK"


@pytest.mark.parametrize(
    ("parameters", "reply"),
    [
        ("NOTIFY=NEVER,FAILURE", "501 5.5.4 NOTIFY is NEVER"),
        ("NOTIFY=SOMETIMES", "501 5.5.4 NOTIFY"),
        ("NOTIFY=FAILURE,,DELAY", "501 5.5.4 NOTIFY"),
        ("NOTIFY=", "501 5.5.4 "),
        ("NOTIFY", "501 5.5.4 NOTIFY"),
        ("ORCPT=bob@example.test", "501 5.5.4 ORCPT"),
        ("ORCPT=rfc822;", "501 5.5.4 ORCPT"),
        ("ORCPT=;bob", "501 5.5.4 ORCPT"),
        ("ORCPT=rfc 822;bob", "501 5.5.4 "),
        ("ORCPT=rfc822;a+0Ab", "501 5.5.4 ORCPT"),
        ("ORCPT=rfc822;a=b", "501 5.5.4 ORCPT"),
        ("ORCPT=rfc822;" + "x" * 500, "501 5.5.4 ORCPT"),
        ("ORCPT=utf-8;\\x{0A}", "501 5.5.4 ORCPT"),
        ("ORCPT=utf-8;ü", "553 5.6.7 "),
        ("RET=FULL", "555 5.5.4 "),
        ("SIZE=1", "555 5.5.4 "),
    ],
)
async def test_wrong_parameters_of_rcpt_are_refused(parameters: str, reply: str, world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask(f"RCPT TO:<bob@example.test> {parameters}")).startswith(reply)
        assert await client.ask("RCPT TO:<bob@example.test> NOTIFY=failure,Delay") == "250 2.1.5 OK"


async def test_who_said_helo_has_no_parameters(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("HELO client.example")
        assert (await client.ask("MAIL FROM:<a@b.example> RET=FULL")).startswith("555")
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask("RCPT TO:<bob@example.test> NOTIFY=NEVER")).startswith("555")


async def test_plugins_see_what_is_asked_for(world: World) -> None:
    seen: list[Dsn] = []

    @hookimpl
    async def smtp_mail(envelope: Envelope) -> Verdict | None:
        seen.append(envelope.dsn)
        return None

    @hookimpl
    async def check_message(envelope: Envelope, message: Message) -> Finding | None:
        seen.append(envelope.dsn)
        return None

    world.plugins(smtp_mail, check_message)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example> SMTPUTF8 RET=HDRS ENVID=QQ+20314159")
        await client.ask(
            "RCPT TO:<bob@example.test> NOTIFY=DELAY,SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@b.example"
        )
        await client.ask("RCPT TO:<bob@example.test> NOTIFY=NEVER")  # once more: the first counts
        await client.ask("RCPT TO:<alice@example.test>")
        await client.ask("RCPT TO:<zoë@example.test> ORCPT=utf-8;zoë@example.test")
        await client.ask("DATA")
        await client.send(MESSAGE + b"\r\n.\r\n")
        assert (await client.reply()).startswith("250")
        await client.submit(MESSAGE)
    assert seen == [
        Dsn("HDRS", "QQ 314159"),
        Dsn(
            "HDRS",
            "QQ 314159",
            {
                BOB: RecipientDsn(("SUCCESS", "DELAY"), "rfc822;Bob+x@b.example"),
                Address("zoë", "example.test"): RecipientDsn(None, "utf-8;zoë@example.test"),
            },
        ),
        NO_DSN,
        NO_DSN,
    ]


async def test_only_what_is_sent_on_keeps_parameters(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example> ENVID=one")
        await client.ask("RCPT TO:<bob@example.test> NOTIFY=FAILURE")
        await client.ask("DATA")
        await client.send(MESSAGE + b"\r\n.\r\n")
        assert (await client.reply()).startswith("250")
        (kept,) = world.storage.accepted.values()
        assert kept.dsn is NO_DSN
        assert b"dsn" not in world.blobs.blobs[kept.blob][2]


async def test_an_alias_hands_its_parameters_on_and_they_can_be_recovered(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example> RET=FULL ENVID=one")
        await client.ask("RCPT TO:<bob@example.test> NOTIFY=NEVER")
        await client.ask("RCPT TO:<away@example.test> NOTIFY=SUCCESS ORCPT=rfc822;first@example.test")
        await client.ask("DATA")
        await client.send(MESSAGE + b"\r\n.\r\n")
        assert (await client.reply()).startswith("250")
    (kept,) = world.storage.accepted.values()
    someone = Address("someone", "elsewhere.example")
    assert kept.dsn == Dsn("FULL", "one", {someone: RecipientDsn(("SUCCESS",), "rfc822;first@example.test")})
    assert json.loads(world.blobs.blobs[kept.blob][2])["dsn"] == {
        "ret": "FULL",
        "envid": "one",
        "recipients": [["someone@elsewhere.example", ["SUCCESS"], "rfc822;first@example.test"]],
    }


@pytest.mark.proves("mail: DSN parameters are kept with the queue, and `hub queue show` prints them")
async def test_queue_shows_what_the_sender_wants_to_hear(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as running:

        def submit(client: smtplib.SMTP) -> str:
            client.login("alice@example.test", "demo")
            assert client.has_extn("dsn")
            client.mail("alice@example.test", ["RET=HDRS", "ENVID=their+20id"])
            client.rcpt("x@elsewhere.example", ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;y@elsewhere.example"])
            client.rcpt("z@elsewhere.example")
            code, reply = client.data(MESSAGE)
            assert code == 250
            return reply.decode().rpartition(" ")[2]

        message_id = await running.smtp(submit, "submission")

    async def hub(*arguments: str) -> Result:
        command = ["-c", str(tmp_path / "hub.toml"), "queue", "show", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, main, command)

    said = (await hub(message_id)).output
    assert f"message {message_id}, " in said
    assert "from alice@example.test, who calls it 'their id'\na report returns its header\n" in said
    assert (
        "to x@elsewhere.example: queued, report failure and delay, first written rfc822;y@elsewhere.example\n"
        "to z@elsewhere.example: queued\n"
    ) in said
    rows = json.loads((await hub(message_id, "--json")).output)
    assert [row["dsn"] for row in rows] == [
        {"notify": ["FAILURE", "DELAY"], "original": "rfc822;y@elsewhere.example"},
        {"notify": None, "original": None},
    ]
    assert {(row["ret"], row["envid"]) for row in rows} == {("HDRS", "their id")}
    unknown = await hub("nothing")
    assert unknown.exit_code == 1
    assert "no message nothing waits in the queue" in unknown.output


@pytest.mark.parametrize("fails", [1, 2, 3])
async def test_bytes_of_reports_are_garbage_if_their_message_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    put, puts = world.blobs.put, itertools.count(1)

    async def failing(head: bytes, body: bytes, recovery: bytes) -> str:
        if next(puts) == fails:
            raise OSError("the disk is gone")
        return await put(head, body, recovery)

    monkeypatch.setattr(world.blobs, "put", failing)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<alice@example.test>")
        await client.ask("RCPT TO:<bob@example.test> NOTIFY=SUCCESS")
        await client.ask("RCPT TO:<both@example.test> NOTIFY=SUCCESS")
        await client.ask("DATA")
        await client.send(b"A: b\r\n\r\nhello\r\n.\r\n")
        assert (await client.reply()).startswith("451")
    assert world.storage.accepted == {}
    assert len(world.blobs.blobs) == fails - 1
    assert sorted(world.blobs.settled) == sorted(world.blobs.blobs)
