"""Quotas as IMAP tells, sets and keeps them (RFC 9208)."""

from __future__ import annotations

from typing import cast

import pytest

from hub.mail.address import Address
from hub.services.directory import DirectoryAdmin
from tests.imap.conftest import ImapHub, OpenHub

MESSAGE = b"Subject: x\r\n\r\ny\r\n"
ADMIN = '[imap]\nquota_admins = ["alice@example.test"]'
OVER = b"NO [OVERQUOTA] The account is over its quota"


def directory(imap: ImapHub) -> DirectoryAdmin:
    return cast(DirectoryAdmin, imap.kernel.services.directory)


async def test_an_account_without_a_limit_has_no_quota_root(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        assert await client.ok("GETQUOTAROOT INBOX") == [b"* QUOTAROOT INBOX"]
        assert await client.ok("GETQUOTA alice@example.test") == []
        assert (await client.command("GETQUOTAROOT nothing"))[-1].startswith(b"NO [NONEXISTENT] ")


async def test_usage_is_told_in_kibibytes_and_messages(imap: ImapHub) -> None:
    await directory(imap).change_account(
        Address("alice", "example.test"), quota=10 * 1024 + 1, message_quota=5
    )
    async with await imap.logged_in() as client:
        await client.append("INBOX", b"x" * 1025)
        quota = b"* QUOTA alice@example.test (STORAGE 2 10 MESSAGE 1 5)"
        assert await client.ok("GETQUOTA alice@example.test") == [quota]
        assert await client.ok("GETQUOTAROOT Sent") == [b"* QUOTAROOT Sent alice@example.test", quota]


async def test_quotas_are_set_by_those_whom_the_configuration_names(open_hub: OpenHub) -> None:
    imap = await open_hub(ADMIN)
    async with await imap.logged_in("alice") as alice, await imap.logged_in("bob") as bob:
        told = await alice.ok("SETQUOTA bob@example.test (STORAGE 512 MESSAGE 3)")
        assert told == [b"* QUOTA bob@example.test (STORAGE 0 512 MESSAGE 0 3)"]
        account = await directory(imap).account("bob@example.test")
        assert account is not None
        assert (account.quota, account.message_quota) == (512 * 1024, 3)
        assert await bob.ok("GETQUOTA bob@example.test") == told
        # what is left out has no limit any more
        assert await alice.ok("SETQUOTA bob@example.test (MESSAGE 4)") == [
            b"* QUOTA bob@example.test (MESSAGE 0 4)"
        ]
        assert await alice.ok("SETQUOTA bob@example.test ()") == []
        for name, answer in (
            ("SETQUOTA nobody@example.test ()", b"NO [NONEXISTENT] "),
            ("SETQUOTA bob@example.test (COLOUR 1)", b"NO [CANNOT] "),
            ("SETQUOTA bob@example.test (STORAGE 0)", b"NO [CANNOT] "),
            ("SETQUOTA bob@example.test STORAGE", b"BAD "),
        ):
            assert (await alice.command(name))[-1].startswith(answer), name
        for name in ("SETQUOTA bob@example.test (STORAGE 1)", "GETQUOTA alice@example.test"):
            assert (await bob.command(name))[-1] == (
                b"NO [NOPERM] Only those whom the configuration names look after quotas"
            )


@pytest.mark.proves("imap: quotas of octets and messages are told, set, and kept by whatever brings mail")
async def test_a_quota_of_messages_is_kept_by_append_copy_and_move(imap: ImapHub) -> None:
    await directory(imap).change_account(Address("alice", "example.test"), message_quota=2)
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", MESSAGE)
        both = b"{%d+}\r\n%b" % (len(MESSAGE), MESSAGE)
        assert (await client.command(b"APPEND INBOX " + both + b" " + both))[-1] == OVER
        await client.append("INBOX", MESSAGE)
        assert (await client.command("COPY 1 Archive"))[-1] == OVER
        assert (await client.command("MOVE 1 Archive"))[-1].startswith(b"OK ")
        assert (await client.command(b"APPEND INBOX " + both))[-1] == OVER
