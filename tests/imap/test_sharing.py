"""Two users on one mailbox: what the owner allows, and nothing else (RFC 4314)."""

from __future__ import annotations

from typing import cast

import pytest

from hub.mail.address import Address
from hub.services.directory import DirectoryAdmin
from tests.imap.conftest import Client, ImapHub

PLANS = "Other Users/alice@example.test/plans"
MESSAGE = b"Subject: plan\r\n\r\nnothing yet\r\n"


async def share(imap: ImapHub, rights: str) -> tuple[Client, Client]:
    """Alice with a mailbox of one message that bob has these rights in, and bob."""
    alice, bob = await imap.logged_in("alice"), await imap.logged_in("bob")
    await alice.ok("CREATE plans")
    await alice.append("plans", MESSAGE)
    await alice.ok(f"SETACL plans bob@example.test {rights}")
    return alice, bob


async def flags(client: Client) -> bytes:
    return (await client.ok("FETCH 1 (FLAGS)"))[0]


@pytest.mark.proves("imap: mailboxes are shared with rights, and \\Seen in them is each user's own")
async def test_seen_is_everybodys_own_and_other_flags_are_not(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lrsw")
    async with alice, bob:
        await alice.ok("SELECT plans")
        await bob.ok(f'SELECT "{PLANS}"')
        await bob.ok("STORE 1 +FLAGS (\\Seen \\Flagged)")
        await alice.ok("NOOP")
        assert await flags(alice) == b"* 1 FETCH (FLAGS (\\Flagged))"
        assert await flags(bob) == b"* 1 FETCH (FLAGS (\\Flagged \\Seen))"
        unseen = f'STATUS "{PLANS}" (UNSEEN)'
        assert await bob.ok(unseen) == [b'* STATUS "%b" (UNSEEN 0)' % PLANS.encode()]
        assert await alice.ok("STATUS plans (UNSEEN)") == [b"* STATUS plans (UNSEEN 1)"]


async def test_flags_change_as_far_as_there_is_a_right(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lrs")
    async with alice, bob:
        await alice.ok("SELECT plans")
        await alice.ok("STORE 1 FLAGS (\\Deleted $Todo)")
        opened = await bob.ok(f'SELECT "{PLANS}"')
        assert b"* OK [PERMANENTFLAGS (\\Seen)] What can be changed" in opened
        assert (await bob.command("STORE 1 +FLAGS (\\Flagged)"))[-1] == (
            b"NO [NOPERM] You have no right to change these flags in this mailbox"
        )
        await bob.ok("STORE 1 FLAGS (\\Seen \\Flagged)")
        assert await flags(bob) == b"* 1 FETCH (FLAGS (\\Deleted \\Seen $Todo))"
        await bob.ok("STORE 1 FLAGS ()")
        assert await flags(bob) == b"* 1 FETCH (FLAGS (\\Deleted $Todo))"
        refused = await bob.command("EXPUNGE")
        assert refused == [b"NO [NOPERM] You have no right 'e' in this mailbox"]
        await bob.ok("CLOSE")
        assert await alice.ok("STATUS plans (MESSAGES)") == [b"* STATUS plans (MESSAGES 1)"]


async def test_reading_marks_nothing_as_seen_without_the_right(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lr")
    async with alice, bob:
        assert (await bob.command(f'SELECT "{PLANS}"'))[-1].startswith(b"OK [READ-ONLY]")
        await bob.ok("FETCH 1 (BODY[])")
        assert await flags(bob) == b"* 1 FETCH (FLAGS ())"


async def test_messages_go_into_a_shared_mailbox_and_out_of_it(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lrite")
    async with alice, bob:
        await bob.append(PLANS, MESSAGE)
        await bob.append("INBOX", MESSAGE, "\\Flagged \\Deleted")
        await bob.ok("SELECT INBOX")
        assert (await bob.command(f'COPY 1 "{PLANS}"'))[-1].startswith(b"OK [COPYUID ")
        await alice.ok("SELECT plans")
        # \Flagged needs w, \Deleted t
        assert await alice.ok("FETCH 3 (FLAGS)") == [b"* 3 FETCH (FLAGS (\\Deleted))"]
        await bob.ok(f'SELECT "{PLANS}"')
        await bob.ok("MOVE 1 Archive")
        assert await bob.ok("STATUS Archive (MESSAGES)") == [b"* STATUS Archive (MESSAGES 1)"]
        await bob.ok("COPY 1 Archive")
        status, expunged = await alice.ok("STATUS plans (MESSAGES)")
        assert (status, expunged) == (b"* STATUS plans (MESSAGES 2)", b"* 1 EXPUNGE")


async def test_the_quota_is_the_owners(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lri")
    directory = cast(DirectoryAdmin, imap.kernel.services.directory)
    async with alice, bob:
        await directory.change_account(Address("alice", "example.test"), quota=4096, message_quota=2)
        root = await bob.ok(f'GETQUOTAROOT "{PLANS}"')
        assert root == [
            b'* QUOTAROOT "%b" alice@example.test' % PLANS.encode(),
            b"* QUOTA alice@example.test (STORAGE 1 4 MESSAGE 1 2)",
        ]
        await bob.append("INBOX", MESSAGE)
        await bob.append("INBOX", MESSAGE)
        await bob.ok("SELECT INBOX")
        refused = await bob.command(f'COPY 1:2 "{PLANS}"')
        assert refused == [b"NO [OVERQUOTA] The account is over its quota"]
        await bob.ok(f'COPY 1 "{PLANS}"')
        refused = await bob.command(f'APPEND "{PLANS}" {{5+}}\r\na:b\r\n'.encode())
        assert refused == [b"NO [OVERQUOTA] The account is over its quota"]


async def test_who_may_see_a_mailbox_and_not_read_it_gets_no_status(imap: ImapHub) -> None:
    alice, bob = await share(imap, "l")
    async with alice, bob:
        listed = await bob.ok(
            'LIST "" "*/plans" RETURN (STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment))'
        )
        name = b'"%b"' % PLANS.encode()
        assert listed == [b'* LIST (\\Noselect \\HasNoChildren) "/" ' + name, b"* MYRIGHTS " + name + b" l"]
        for command in ("STATUS", "GETMETADATA"):
            what = "(MESSAGES)" if command == "STATUS" else "/shared/comment"
            assert (await bob.command(f'{command} "{PLANS}" {what}'))[-1].startswith(b"NO [NOPERM] ")


async def test_who_loses_the_right_to_read_is_told(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lr")
    async with alice, bob:
        await bob.ok(f'SELECT "{PLANS}"')
        await alice.ok("SETACL plans bob@example.test l")
        while (answer := await bob.command("FETCH 1 (FLAGS)"))[-1].startswith(b"OK"):
            pass  # the log is heard a moment later
        assert answer == [
            b"* BYE [NOPERM] You may not read the mailbox any longer that is open here",
            b"NO [NOPERM] You may not read this mailbox any longer",
        ]
        assert await bob.line() == b""


async def test_a_client_in_idle_is_told_that_it_may_not_read_any_longer(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lr")
    async with alice, bob:
        await bob.ok(f'SELECT "{PLANS}"')
        bob.write(b"i IDLE\r\n")
        assert await bob.line() == b"+ You will be told"
        await alice.ok("DELETEACL plans bob@example.test")
        assert (await bob.line()).startswith(b"* BYE [NOPERM] ")
        assert await bob.line() == b""


async def test_a_right_that_is_given_or_taken_counts_in_a_mailbox_that_is_open(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lrs")
    async with alice, bob:
        await bob.ok(f'SELECT "{PLANS}"')
        await alice.ok("SETACL plans bob@example.test +w")
        while not (await bob.command("STORE 1 +FLAGS (\\Flagged)"))[-1].startswith(b"OK"):
            pass  # the log is heard a moment later
        assert await flags(bob) == b"* 1 FETCH (FLAGS (\\Flagged))"


async def test_a_mailbox_is_made_renamed_and_deleted_below_a_shared_one(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lrkx")
    async with alice, bob:
        await bob.ok(f'CREATE "{PLANS}/a/b"')
        listed = await alice.ok('LIST "" "plans/*"')
        assert listed == [b'* LIST (\\HasChildren) "/" plans/a', b'* LIST (\\HasNoChildren) "/" plans/a/b']
        await bob.ok(f'RENAME "{PLANS}/a/b" "{PLANS}/c"')
        await bob.ok(f'DELETE "{PLANS}/a"')
        assert await alice.ok('LIST "" "plans/*"') == [b'* LIST (\\HasNoChildren) "/" plans/c']
        assert (await bob.command(f'RENAME "{PLANS}/c" mine'))[-1].startswith(b"NO [CANNOT] ")


async def test_what_is_noted_down_is_shared_or_private(imap: ImapHub) -> None:
    alice, bob = await share(imap, "lr")
    async with alice, bob:
        await alice.ok('SETMETADATA plans (/shared/comment "all" /private/comment "alice")')
        entries = "(/shared/comment /private/comment)"
        assert await bob.ok(f'GETMETADATA "{PLANS}" {entries}') == [
            b'* METADATA "%b" (/shared/comment "all" /private/comment NIL)' % PLANS.encode()
        ]
        await bob.ok(f'SETMETADATA "{PLANS}" (/private/comment "bob")')
        assert (await bob.command(f'SETMETADATA "{PLANS}" (/shared/comment "bob")'))[-1] == (
            b"NO [NOPERM] You have no right 'w' in this mailbox"
        )
        assert await alice.ok("GETMETADATA plans /private/comment") == [
            b'* METADATA plans (/private/comment "alice")'
        ]


@pytest.mark.parametrize("name", ["Other Users", "Other Users/carol@example.test/x", "Other Users/x"])
async def test_nobody_makes_mailboxes_among_those_of_others(imap: ImapHub, name: str) -> None:
    async with await imap.logged_in() as client:
        assert (await client.command(f'CREATE "{name}"'))[-1].startswith(b"NO [NOPERM] ")


async def test_tenants_see_nothing_of_each_other(imap: ImapHub) -> None:
    directory = cast(DirectoryAdmin, imap.kernel.services.directory)
    await directory.add_domain("elsewhere.test", "another")
    await directory.add_account(Address("eve", "elsewhere.test"), "demo")
    alice = await imap.logged_in()
    eve = await imap.client()
    async with alice, eve:
        await alice.ok("CREATE plans")
        await alice.ok("SETACL plans anyone lr")
        assert (await alice.command("SETACL plans eve@elsewhere.test lr"))[-1].startswith(b"NO ")
        await eve.ok("LOGIN eve@elsewhere.test demo")
        assert await eve.ok('LIST "" "Other*"') == []
        assert (await eve.command(f'SELECT "{PLANS}"'))[-1].startswith(b"NO [NONEXISTENT] ")
