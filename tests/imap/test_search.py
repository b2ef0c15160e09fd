"""SEARCH: every key of RFC 3501 §6.4.4, on decoded text."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.services.storage import UidRanges
from hub.services.summary import MessageColumn, Row
from tests.imap.conftest import Client, ImapHub

FIRST = (
    b"From: =?iso-8859-1?q?J=FCrgen_Gr=FCn?= <juergen@example.org>\r\nTo: alice@example.test\r\n"
    b"Cc: team@example.org\r\nSubject: =?utf-8?b?w5xiZXIgZGllIFdpZXNl?=\r\n"
    b"Date: Sun, 1 Feb 2026 23:30:00 -0800\r\nX-Spam: no\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=\r\n=DFe\r\n"
)
SECOND = (
    b"From: bob@example.org\r\nBcc: alice@example.test\r\nSubject: second\r\nDate: nonsense\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplain words\r\n--b\r\n"
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGlkZGVuPC9iPg==\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: carried subject\r\n\r\ncarried body\r\n--b\r\n"
    b"Content-Type: application/octet-stream\r\n\r\nplain binary\r\n--b--\r\n"
)
THIRD = b"Subject: third\r\n\r\n" + b"filler line\r\n" * 20_000 + b"needle\r\n"

KEYS = {
    "ALL": "1 2 3",
    "ANSWERED": "1",
    "UNANSWERED": "2 3",
    "DELETED": "",
    "UNDELETED": "1 2 3",
    "DRAFT": "2",
    "UNDRAFT": "1 3",
    "FLAGGED": "1",
    "UNFLAGGED": "2 3",
    "SEEN": "1 2",
    "UNSEEN": "3",
    "NEW": "",
    "RECENT": "",
    "OLD": "1 2 3",
    "KEYWORD $label": "1",
    "UNKEYWORD $Label": "2 3",
    "1:2": "1 2",
    "2,*": "2 3",
    "UID 2:3": "2 3",
    "UID 100": "",
    "4": "",  # RFC 7377 §2: a number beyond the last is no mistake
    "2:9,7": "2 3",
    "NOT 1": "2 3",
    "OR 1 3": "1 3",
    "(1:2 SEEN) ANSWERED": "1",
    "NOT (OR 1 NOT 2)": "2",
    "SMALLER 1000": "1 2",
    "LARGER 1000": "3",
    "BEFORE 2-Feb-2026": "1",
    "ON 2-Feb-2026": "2",
    "SINCE 2-Feb-2026": "2 3",
    'SINCE "3-feb-2026"': "3",
    "NOT BEFORE 2-Feb-2026 NOT BEFORE 3-Feb-2026": "3",
    "OR NOT BEFORE 2-Feb-2026 NOT BEFORE 3-Feb-2026": "2 3",
    "NOT SINCE 2-Feb-2026 NOT SINCE 3-Feb-2026": "1",
    "OR NOT SINCE 2-Feb-2026 NOT SINCE 3-Feb-2026": "1 2",
    "NOT LARGER 100 NOT LARGER 100000": "",
    "OR NOT LARGER 100 NOT LARGER 100000": "1 2",
    "SENTON 1-Feb-2026": "1",
    "SENTBEFORE 2-Feb-2026": "1",
    "SENTSINCE 2-Feb-2026": "",
    "FROM bob": "2",
    'FROM "JÜRGEN"': "1",
    'FROM "grün <juergen@"': "1",
    "TO alice": "1",
    "CC Team": "1",
    "BCC alice": "2",
    'SUBJECT "über die"': "1",
    "SUBJECT subject": "",
    "HEADER X-Spam n": "1",
    'HEADER x-spam ""': "1",
    "HEADER X-Spam yes": "",
    'NOT HEADER X-Spam ""': "2 3",
    'BODY "grüsse"': "",  # i;unicode-casemap leaves ß alone
    'BODY "grüßE"': "1",
    "BODY schone": "",
    'BODY "GRÜßE"': "1",
    "BODY hidden": "2",
    'BODY "<b>hidden</b>"': "2",
    'BODY "carried subject"': "2",
    'BODY "carried body"': "2",
    "BODY binary": "",
    "BODY needle": "3",
    "TEXT wiese": "1",
    "TEXT X-Spam": "1",
    "TEXT words": "2",
    "TEXT nowhere": "",
    "OR BODY needle SUBJECT second": "2 3",
    'BODY "grüße" UNSEEN': "",
}


async def filled(imap: ImapHub) -> Client:
    client = await imap.logged_in()
    for message, flags, day in (
        (FIRST, "\\Seen \\Answered \\Flagged $Label", "01-Feb-2026 23:59:59 +0000"),
        (SECOND, "\\Seen \\Draft", "02-Feb-2026 00:30:00 +0000"),
        (THIRD, "", "03-Feb-2026 00:00:00 +0000"),
    ):
        head = f'APPEND INBOX ({flags}) "{day}" {{{len(message)}+}}\r\n'
        await client.ok(head.encode() + message)
    await client.ok("SELECT INBOX")
    return client


async def test_every_key_finds_what_it_should(imap: ImapHub) -> None:
    async with await filled(imap) as client:
        for key, expected in KEYS.items():
            found = await client.ok(f"SEARCH {key}")
            assert found == [f"* SEARCH {expected}".strip().encode()], key
            assert await client.ok(f"UID SEARCH CHARSET utf-8 {key}") == found, key


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("SEARCH", b"Expected a space"),
        ("SEARCH ()", b"Expected a search key"),
        ("SEARCH OR 1", b"Expected a space"),
        ("SEARCH " + "NOT " * 101 + "1", b"nested 100 deep"),
        ("SEARCH " + "ALL " * 1001 + "1", b"at most 1000 keys"),
        ("SEARCH BEFORE 1-Foo-2026", b"There is no such day"),
        ("SEARCH LARGER x", b"Expected a number"),
        ("SEARCH CHARSET US-ASCII SUBJECT ü", b"Expected the text"),
        ('SEARCH CHARSET US-ASCII SUBJECT "ü"', b"not valid US-ASCII"),
        ("SEARCH KEYWORD \\Seen", b"Expected a keyword"),
        ("SEARCH 1 ", b"Expected a search key"),
    ],
)
async def test_what_is_no_search_is_refused(imap: ImapHub, command: str, reason: bytes) -> None:
    async with await filled(imap) as client:
        answer = await client.command(command)
        assert len(answer) == 1
        assert answer[0].startswith(b"BAD ")
        assert reason in answer[0]


async def test_an_unknown_charset_is_named(imap: ImapHub) -> None:
    async with await filled(imap) as client:
        assert (await client.command("SEARCH CHARSET X-NONE ALL"))[-1].startswith(
            b"NO [BADCHARSET (US-ASCII UTF-8)]"
        )


async def test_a_mailbox_full_of_holes_is_read_in_few_pieces(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        for number in range(40):
            await client.append("INBOX", b"Subject: number %d\r\n\r\ntext\r\n" % number)
        await client.ok("SELECT INBOX")
        await client.ok(f"STORE {','.join(map(str, range(1, 41, 2)))} +FLAGS.SILENT (\\Deleted)")
        asked = 0
        storage = imap.kernel.services.storage
        columns = storage.columns

        async def counted(mailbox: int, uids: UidRanges, wanted: Sequence[MessageColumn]) -> Sequence[Row]:
            nonlocal asked
            asked += len(uids)
            return await columns(mailbox, uids, wanted)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage, "columns", counted)
            assert len(one(await client.ok("SEARCH UNDELETED SUBJECT number"))) == 20
            assert one(await client.ok("SEARCH DELETED TEXT text SUBJECT 12")) == [13]
            assert one(await client.ok("SEARCH SUBJECT 13")) == [14]
        assert asked <= 8


def one(lines: list[bytes]) -> list[int]:
    """The numbers of the only response."""
    (line,) = lines
    return [int(number) for number in line.split()[2:]]
