"""The limits of METADATA, and what the configuration says of the server (RFC 5464)."""

from __future__ import annotations

from hub.imap.metadata import MAX_NOTED, MAX_VALUE
from tests.imap.conftest import ImapHub, OpenHub


async def test_a_value_is_as_long_as_it_may_be_and_no_longer(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        for size, answer in ((MAX_VALUE, b"OK "), (MAX_VALUE + 1, b"NO [METADATA MAXSIZE %d] " % MAX_VALUE)):
            value = b"SETMETADATA INBOX (/private/comment {%d+}\r\n%b)" % (size, b"x" * size)
            assert (await client.command(value))[-1].startswith(answer)
        (told,) = await client.ok("GETMETADATA INBOX /private/comment")
        assert told == b"* METADATA INBOX (/private/comment {%d}\r\n%b)" % (MAX_VALUE, b"x" * MAX_VALUE)


async def test_so_many_entries_can_be_set_and_no_more(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        entries = " ".join(f'/private/vendor/v/{at} "x"' for at in range(MAX_NOTED))
        await client.ok(f"SETMETADATA INBOX ({entries})")
        refused = await client.command('SETMETADATA INBOX (/private/comment "x")')
        assert refused[-1].startswith(b"NO [METADATA TOOMANY] ")
        await client.ok('SETMETADATA INBOX (/private/vendor/v/0 NIL /private/comment "x")')
        await client.ok('SETMETADATA INBOX (/private/comment "changed")')


async def test_the_configuration_says_what_everybody_reads_of_the_server(open_hub: OpenHub) -> None:
    imap = await open_hub('[imap]\nadmin = "mailto:root@example.test"\ncomment = "Grüße"')
    async with await imap.logged_in() as client:
        assert await client.ok('GETMETADATA (DEPTH infinity) "" /shared') == [
            b'* METADATA "" (/shared/admin "mailto:root@example.test" /shared/comment {7}\r\n%b)'
            % "Grüße".encode()
        ]
