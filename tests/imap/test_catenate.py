"""Messages that are put together out of others (RFC 4469), and URLs that name them."""

from __future__ import annotations

import pytest

from hub.imap.urls import MAX_URL, parse_url
from tests.imap.conftest import Client, ImapHub, OpenHub

PARTED = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>second\r\n--b--\r\n"
)


async def fetched(client: Client, number: int) -> bytes:
    """The octets of a message."""
    (line,) = await client.ok(f"FETCH {number} BODY.PEEK[]")
    return line.split(b"}\r\n", 1)[1][:-1]


async def test_a_message_is_made_of_parts_and_of_text(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        await client.ok('CREATE "R&APw-be/x"')
        code = await client.append("R&APw-be/x", PARTED)
        validity = code.split()[1].decode()
        urls = [
            "/R%C3%BCbe/x/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)",
            f"/R%C3%BCbe/x;UIDVALIDITY={validity}/;UID=1/;SECTION=1",
            "/R%C3%BCbe/x/;UID=1/;section=2.MIME",
            "/R%C3%BCbe/x/;UID=1/;SECTION=2/;PARTIAL=3.4",
        ]
        pieces = b" ".join(b'URL "%b"' % url.encode() for url in urls)
        *_, last = await client.command(
            b"APPEND INBOX (\\Seen) CATENATE (TEXT {3+}\r\na:  %b TEXT {0+}\r\n URL {%d+}\r\n%b)"
            % (pieces, len(urls[3]), urls[3].encode())
        )
        assert last.startswith(b"OK [APPENDUID "), last
        await client.ok("SELECT INBOX")
        assert await fetched(client, 1) == (
            b"a: Subject: parts\r\n\r\nfirstContent-Type: text/html\r\n\r\nsecoseco"
        )


async def test_the_open_mailbox_needs_no_name(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", PARTED)
        await client.ok("APPEND INBOX CATENATE (URL ;UID=1)")
        await client.ok("APPEND INBOX CATENATE (URL /;UID=1 URL /INBOX/;UID=1)")
        assert await fetched(client, 2) == PARTED
        assert await fetched(client, 3) == PARTED * 2


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/nowhere/;UID=1", "There is no mailbox of that name"),
        ("/INBOX/;UID=9", "There is no message of that UID"),
        ("/INBOX;UIDVALIDITY=1/;UID=1", "The mailbox has another UIDVALIDITY"),
        ("/INBOX/;UID=1/;SECTION=7", "The message has no such part"),
        ("/INBOX/;UID=1/;SECTION=NONSENSE", "Expected HEADER"),
        ("imap://elsewhere.test/INBOX/;UID=1", "Only messages of this server"),
        ("/INBOX", "The URL names no message"),
        ("/IN%FFBOX/;UID=1", "The mailbox in the URL is not UTF-8"),
        (";UID=1", "The URL names no mailbox and none is open"),
    ],
)
async def test_a_url_that_leads_nowhere_is_told_and_nothing_is_kept(
    imap: ImapHub, url: str, why: str
) -> None:
    async with await imap.logged_in() as client:
        await client.append("INBOX", PARTED)
        text = f'APPEND INBOX CATENATE (TEXT {{3+}}\r\nabc URL "{url}" TEXT {{3+}}\r\ndef)'
        (refused,) = await client.command(text)
        assert refused.startswith(b"NO [BADURL %b] %b" % (url.encode(), why.encode())), refused
        assert await client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 1)"]


async def test_the_whole_must_not_be_larger_than_a_literal(open_hub: OpenHub) -> None:
    hub = await open_hub("[imap]\nmax_literal = 1000\n")
    async with await hub.logged_in() as client:
        await client.append("INBOX", b"x" * 600)
        one = "URL /INBOX/;UID=1"
        refused = b"NO [TOOBIG] The message has more than 1000 octets"
        assert await client.command(f"APPEND INBOX CATENATE ({one} {one})") == [refused]
        assert (await client.command(f"APPEND INBOX CATENATE ({one} TEXT {{500+}}\r\n{'y' * 500})"))[
            -1
        ].startswith(b"NO [TOOBIG]")
        await client.ok(f"APPEND INBOX CATENATE ({one} TEXT {{400+}}\r\n{'y' * 400})")
        many = " ".join([one] * 1001)
        assert (await client.command(f"APPEND INBOX CATENATE ({many})"))[-1].startswith(b"NO [TOOBIG]")


def test_a_url_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than"):
        parse_url(b"/" + b"x" * MAX_URL + b"/;UID=1")
    found = parse_url(b"/a%2Fb/;UID=4294967295/;PARTIAL=7")
    assert (found.mailbox, found.uid, found.partial) == ("a/b", 4294967295, (7, (1 << 32) - 1))
