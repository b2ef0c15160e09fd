"""One conversation with a real spamd, and with servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hub_plugin_spamassassin import Settings
from hub_plugin_spamassassin.conversation import MAX_ANSWER, Conversation, SpamdAddress, SpamdError

from hub import Message

from .conftest import GTUBE, Spamd

HEAD = (
    b"Received: from mail.example.org (mail.example.org [192.0.2.7]) by mail.example.test with ESMTP id 1;"
    b" Mon, 23 Nov 2026 06:00:00 +0000\r\n"
    b"From: Bob <bob@example.org>\r\nTo: alice@example.test\r\nSubject: Lunch on Friday\r\n"
    b"Date: Mon, 23 Nov 2026 06:00:00 +0000\r\nMessage-ID: <20261123.4711@mail.example.org>\r\n\r\n"
)
HAM = Message(HEAD, b"Shall we meet at noon, in the usual place?\r\n")
SPAM = Message(HEAD, GTUBE.encode() + b"\r\n")
TOP = b"Return-Path: <bob@example.org>\r\n"


async def judged(
    address: SpamdAddress, message: Message, user: str | None = None, timeout: float = 30
) -> Conversation:
    conversation = Conversation(address, user)
    async with asyncio.timeout(timeout):
        await conversation.judge(TOP, message)
    return conversation


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, int]]:
    """A spamd that reads one request to its end and answers that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(answer)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()


async def test_what_is_answered_before_the_message_has_come_is_heard(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled\r\n\r\n")
        await writer.drain()
        writer.close()

    path = tmp_path / "spamd.socket"
    async with await asyncio.start_unix_server(refuse, path):
        with pytest.raises(SpamdError, match="TELL commands are not enabled"):
            await Conversation(path, None).teach(HEAD + bytes(4_000_000), "spam")


async def test_only_the_score_is_asked_for_without_the_rules(spamd: Spamd) -> None:
    conversation = Conversation(spamd.socket, None, rules=False)
    await conversation.judge(TOP, SPAM)
    assert conversation.is_spam()
    assert conversation.get_score() > 900
    assert conversation.symbols == ()


async def test_what_was_learned_is_known_and_a_spamd_that_must_not_learn_says_so(spamd: Spamd) -> None:
    conversation = Conversation(("127.0.0.1", spamd.port), None)
    message = HEAD.replace(b"4711", b"4712") + b"Pills that nobody needs, cheaper than ever.\r\n"
    assert await conversation.teach(message, "spam")
    assert not await conversation.teach(message, "spam")
    assert await conversation.teach(message, "ham")  # learned anew, the other way round
    with pytest.raises(SpamdError, match="TELL commands are not enabled"):
        await Conversation(spamd.socket, None).teach(message, "spam")


async def test_the_test_message_is_spam_over_both_kinds_of_socket(spamd: Spamd) -> None:
    addresses: tuple[SpamdAddress, ...] = (spamd.socket, ("127.0.0.1", spamd.port))
    for address in addresses:
        for user in ("nobody", None):
            spam = await judged(address, SPAM, user)
            assert spam.is_spam()
            assert spam.get_score() > 900
            assert "GTUBE" in spam.symbols
            assert spam.status().startswith("Yes, score=")
            assert "GTUBE" in spam.status()


async def test_an_ordinary_letter_is_ham(spamd: Spamd) -> None:
    ham = await judged(("127.0.0.1", spamd.port), HAM)
    assert not ham.is_spam()
    assert -5 < ham.score < 5
    assert ham.symbols
    assert ham.status() == f"No, score={ham.score:g} required=5 tests={','.join(ham.symbols)}"


async def test_spamd_sees_the_sender_of_the_envelope(spamd: Spamd) -> None:
    # A rule about the envelope: the sender is not who the letter says it is from.
    head = HEAD.replace(b"bob@example.org>\r\nTo", b"bob@freemail.example>\r\nTo")
    assert (
        "HEADER_FROM_DIFFERENT_DOMAINS" in (await judged(spamd.socket, Message(head, b"hello\r\n"))).symbols
    )
    assert "HEADER_FROM_DIFFERENT_DOMAINS" not in (await judged(spamd.socket, HAM)).symbols


async def test_a_large_message_is_shown_to_its_end(spamd: Spamd) -> None:
    head = HEAD[:-2] + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    picture = b"--x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    text = b"--x\r\nContent-Type: text/plain\r\n\r\n%s\r\n--x--\r\n"
    padding = picture + b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\r\n" * 7000
    assert len(padding) > 400_000
    large, spam = (padding + text % each for each in (b"hello", GTUBE.encode()))
    assert not (await judged(spamd.socket, Message(head, large))).is_spam()
    assert "GTUBE" in (await judged(spamd.socket, Message(head, spam))).symbols


async def test_a_missing_spamd_is_named_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(SpamdError, match=r"spamd at .*nobody\.sock does not answer: .*No such"):
        await judged(tmp_path / "nobody.sock", HAM)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "it answered: nothing"),
        (b"SPAMD/1.0 75 EX_TEMPFAIL\r\n", "it answered: SPAMD/1.0 75 EX_TEMPFAIL"),
        (b"SPAMD/1.0 76 Bad header line: FOO\r\n\r\n", "it answered: SPAMD/1.0 76 Bad header"),
        (b"SPAMD/1.1 0 EX_OKAY\r\n\r\n", "no verdict"),
        (b"\x00\xff<html>\r\n\r\n", r"it answered: \?\?<html>"),
        (b"SPAMD/1.1 0 EX_OK", "torn"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: True ; 15.0 / 5.0\r\n", "torn"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: True ; 15.0 / 5.0\r\n\r\nGTUBE", "torn"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n", "torn"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: Perhaps\r\n\r\n", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; nan / 5.0\r\n\r\n", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\n" + b"X: y\r\n" * MAX_ANSWER, "without end"),
    ],
)
async def test_what_is_no_whole_verdict_is_a_failure_and_neither_spam_nor_ham(
    answer: bytes, said: str
) -> None:
    async with server(answer) as address:
        with pytest.raises(SpamdError, match=said):
            await judged(address, HAM)


async def test_names_of_rules_cannot_break_a_header_line() -> None:
    body = b"GOOD,B\x07D\xc3," + b",".join(b"RULE_%d" % number for number in range(200))
    head = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 6.5 / 5.0\r\n\r\n" % len(body)
    async with server(head + body) as address:
        spam = await judged(address, HAM)
    assert spam.symbols[:3] == ("GOOD", "B?D?", "RULE_0")
    assert spam.status().startswith("Yes, score=6.5 required=5 tests=GOOD,B?D?,RULE_0,")
    assert spam.status().endswith(",...")
    assert len(spam.status()) < 900


async def test_a_message_that_hits_no_rule_has_none() -> None:
    async with server(
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; 0.0 / 5.0\r\n\r\n"
    ) as address:
        ham = await judged(address, HAM)
    assert (ham.symbols, ham.status()) == ((), "No, score=0 required=5 tests=none")


def test_spamd_is_asked_on_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings().address == ("127.0.0.1", 783)
    assert Settings(socket=tmp_path).address == tmp_path
    assert Settings(host="spamd.example", port=784).address == ("spamd.example", 784)
    with pytest.raises(ValueError, match="both socket and host"):
        Settings(socket=tmp_path, host="spamd.example")
    with pytest.raises(ValueError, match="user"):
        Settings(user="nobody\r\nX: y")
