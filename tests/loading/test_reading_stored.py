"""What a plugin reads of the store: messages, found by the log or by their place, and whose they are."""

import asyncio
import smtplib
from collections.abc import Sequence
from imaplib import IMAP4
from pathlib import Path
from typing import cast

import pytest

from hub.loading.scope import Scope
from hub.mail.login import AccountRef
from hub.services.blobs import BlobGone
from hub.services.log import ChangeKind, LogEntry
from hub.testing.running import PASSWORD, RunningHub, running_hub

LETTER = "Subject: Hello\r\n\r\nIt works.\r\n"
IDLER = '"""Does nothing."""\nfrom hub import hookimpl\n\n@hookimpl\nasync def smtp_rcpt():\n    pass\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "reader.py").write_text(IDLER)
    return tmp_path


def reader(hub: RunningHub) -> Scope:
    """The scope of a plugin that is neither driver nor anything else."""
    return cast(Scope, hub.hub.loader.generations.current.plugins["reader"])


async def entries(hub: RunningHub, kind: ChangeKind) -> list[LogEntry]:
    return [entry for entry in await hub.hub.kernel.services.storage.log(0) if entry.kind is kind]


@pytest.mark.proves("plugins: stored and queued messages are read by plugins, also while they are moved")
async def test_an_entry_of_the_log_leads_to_the_message_with_its_own_lines(folder: Path) -> None:
    async with running_hub(folder) as hub:
        await hub.send(LETTER)
        (entry,) = await entries(hub, ChangeKind.DELIVERED)
        (stored,) = [each async for each in reader(hub).messages(entry)]
        (whole,) = await hub.mailbox()
        assert await stored.bytes() == whole
        assert stored.size == stored.item.size == len(whole)
        assert (stored.account, stored.mailbox.name, stored.item.uid) == (entry.account, "INBOX", 1)
        assert stored.item.message_id == entry.message_id
        account = await reader(hub).directory.account_of(stored.account)
        assert account is not None
        assert str(account.address) == "alice@example.test"
        assert await reader(hub).directory.account_of(AccountRef("default", "nobody")) is None
        assert stored.headers.get("Delivered-To") == "alice@example.test"
        assert stored.headers.get("Subject") == "Hello"
        with pytest.raises(ValueError, match=r"read it by chunks\(\)"):
            await stored.bytes(10)


async def test_a_large_message_comes_in_pieces(folder: Path) -> None:
    body = ("x" * 70 + "\r\n") * 20_000
    async with running_hub(folder) as hub:
        await hub.send(f"Subject: large\r\n\r\n{body}")
        (entry,) = await entries(hub, ChangeKind.DELIVERED)
        (stored,) = [each async for each in reader(hub).messages(entry)]
        pieces = [piece async for piece in stored.chunks()]
        assert max(map(len, pieces)) <= 256 << 10
        assert [b"".join(pieces)] == await hub.mailbox()


async def test_an_account_s_mail_is_listed_read_watched_and_expunged(folder: Path) -> None:
    async with running_hub(folder) as hub:
        for number in range(3):
            await hub.send(f"Subject: {number}\r\n\r\nIt works.\r\n")
        account = (await entries(hub, ChangeKind.DELIVERED))[0].account
        assert account is not None
        mail = reader(hub).mail(account)
        assert [each.name for each in await mail.mailboxes()][:2] == ["Archive", "Drafts"]
        inbox = await mail.mailbox()
        assert inbox is not None
        items = [item async for item in mail.items(inbox)]
        assert [item.uid for item in items] == [1, 2, 3]
        stored = await mail.message(inbox, 2)
        assert stored is not None
        assert (stored.headers.get("Subject"), stored.size) == ("1", items[1].size)
        told = asyncio.get_running_loop().create_future()

        def look(entry: LogEntry) -> None:
            if entry.kind is ChangeKind.EXPUNGED and not told.done():
                told.set_result((entry.collection, entry.first_uid, entry.last_uid))

        end = mail.watch(inbox, look)
        assert list(await mail.expunge(inbox, [3, 1, 9])) == [1, 3]
        async with asyncio.timeout(20):
            assert await told in ((inbox.id, 1, 3), (inbox.id, 1, 1))
        end()
        assert [item.uid async for item in mail.items(inbox)] == [2]
        assert await mail.message(inbox, 1) is None


async def test_a_message_is_found_by_the_id_or_the_name_of_its_mailbox(folder: Path) -> None:
    async with running_hub(folder) as hub:
        await hub.send(LETTER)
        (entry,) = await entries(hub, ChangeKind.DELIVERED)
        account, plugin = cast(AccountRef, entry.account), reader(hub)
        for mailbox in (cast(int, entry.collection), "INBOX"):
            stored = await plugin.message(account, mailbox, 1)
            assert stored is not None
            assert stored.headers.get("Subject") == "Hello"
            assert await plugin.message(account, mailbox, 2) is None
        assert await plugin.message(account, "Nowhere", 1) is None
        assert await plugin.message(AccountRef("default", "nobody"), cast(int, entry.collection), 1) is None


async def test_what_was_expunged_meanwhile_is_none_and_what_was_only_moved_is_read(folder: Path) -> None:
    def remove(client: IMAP4) -> None:
        client.select()
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()

    async with running_hub(folder) as hub:
        await hub.send("Subject: goes\r\n\r\nsoon\r\n")
        await hub.send(LETTER)
        plugin, services = reader(hub), hub.hub.kernel.services
        goes, _ = await entries(hub, ChangeKind.DELIVERED)
        account, inbox = cast(AccountRef, goes.account), cast(int, goes.collection)
        first, second = await plugin.message(account, inbox, 1), await plugin.message(account, inbox, 2)
        assert first is not None
        assert second is not None
        await hub.imap(remove)
        assert [each async for each in plugin.messages(goes)] == []
        assert await plugin.message(account, inbox, 1) is None
        (expunged,) = await entries(hub, ChangeKind.EXPUNGED)
        assert [each async for each in plugin.messages(expunged)] == []
        reference = await services.blobs.put(second.headers.block, b"moved\r\n", b"{}")
        await services.storage.move_references({second.item.blob: reference})
        blobs = services.blobs
        read, stream = blobs.read, blobs.stream

        async def gone(asked: str, offset: int = 0, length: int | None = None) -> bytes:
            if asked != reference:
                raise BlobGone(asked)
            return await read(asked, offset, length)

        def streamed(asked: str, offset: int = 0, length: int | None = None) -> object:
            if asked != reference:
                raise BlobGone(asked)
            return stream(asked, offset, length)

        blobs.read, blobs.stream = gone, streamed  # type: ignore[method-assign, assignment]
        assert second.item.blob != reference
        assert (await second.bytes()).startswith(second.headers.block)
        with pytest.raises(BlobGone):
            await first.bytes()


async def test_changed_flags_lead_to_the_messages_that_have_them(folder: Path) -> None:
    def flag(client: IMAP4) -> None:
        client.select()
        client.store("1,3", "+FLAGS", r"(\Flagged)")

    async with running_hub(folder) as hub:
        for number in range(3):
            await hub.send(f"Subject: {number}\r\n\r\n.\r\n")
        await hub.imap(flag)
        found = [
            stored.item.uid
            for entry in await entries(hub, ChangeKind.FLAGGED)
            async for stored in reader(hub).messages(entry)
        ]
        assert found == [1, 3]


async def test_a_queued_message_is_read_with_all_its_recipients(folder: Path) -> None:
    def submit(client: smtplib.SMTP) -> None:
        client.login("bob@example.test", PASSWORD)
        client.sendmail("bob@example.test", ["one@far.example", "two@far.example"], LETTER)

    async with running_hub(folder) as hub:
        await hub.smtp(submit, "submission")
        (entry,) = await entries(hub, ChangeKind.QUEUED)
        queued = await reader(hub).queued(cast(str, entry.message_id))
        assert queued is not None
        assert [str(row.recipient) for row in queued.rows] == ["one@far.example", "two@far.example"]
        assert queued.headers.get("Subject") == "Hello"
        whole = await queued.bytes()
        assert len(whole) == queued.size
        assert whole.endswith(b"\r\n\r\nIt works.\r\n")
        assert await reader(hub).queued("nobody") is None
        assert [each async for each in reader(hub).messages(entry)] == []


async def test_who_follows_from_now_gets_what_came_after_its_plugins_first_start(folder: Path) -> None:
    seen: asyncio.Queue[int] = asyncio.Queue()

    async def handler(entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            seen.put_nowait(entry.first_uid)

    async with running_hub(folder) as hub:
        await hub.send(LETTER)
        scope = reader(hub)
        scope.follow("late", handler, from_now=True)
        await scope.place_followers()  # as the loader does before a plugin serves
        await hub.send(LETTER)
        await scope.place_followers()  # another worker, or the next start: nothing is skipped
        scope.open_timers()
        async with asyncio.timeout(10):
            assert await seen.get() == 2
