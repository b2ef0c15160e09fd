"""The standard library's client from login to logout."""

from __future__ import annotations

import imaplib

from tests.imap.conftest import ImapHub

MESSAGE = (
    b"From: Ann <ann@example.org>\r\nTo: alice@example.test\r\nSubject: first\r\n"
    b"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nHello, Alice.\r\n"
)


async def test_a_message_is_appended_selected_and_fetched(imap: ImapHub) -> None:
    def talk() -> None:
        with imaplib.IMAP4("127.0.0.1", imap.port) as client:
            assert client.login("alice@example.test", "demo")[0] == "OK"
            assert client.append("INBOX", r"(\Flagged)", None, MESSAGE)[0] == "OK"
            assert client.select() == ("OK", [b"1"])
            status, found = client.fetch("1", "(FLAGS BODY.PEEK[])")
            assert status == "OK"
            assert isinstance(found[0], tuple)
            assert found[0][1] == MESSAGE
            assert b"\\Flagged" in found[0][0]
            assert client.search(None, "SUBJECT", "FIRST") == ("OK", [b"1"])

    await imap.blocking(talk)
