"""Mailboxes by name, and subscriptions."""

from __future__ import annotations

import pytest

from hub.services.storage import MailboxExists, MailboxMissing, Storage, Usage
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    ALL,
    BOB,
    FIRST_MAILBOXES,
    SEEN,
    StorageFixtures,
    filled,
    flags_by_uid,
    inbox,
)
from hub.testing.contracts.storage_peer import acceptance


class MailboxContract(StorageFixtures):
    """Mailboxes by name, and subscriptions."""

    async def test_inbox_is_found_in_any_case_and_other_names_exactly(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        assert await storage.mailbox(ALICE, "inBox") == await inbox(storage)
        assert await storage.mailbox(ALICE, "junk") is None
        created = await storage.create_mailbox(ALICE, "inbox/Work")
        assert created.name == "INBOX/Work"
        assert await storage.mailbox(ALICE, "iNbOx/Work") == created

    async def test_a_mailbox_is_created_with_its_parents(self, storage: Storage) -> None:
        created = await storage.create_mailbox(ALICE, "a/b/c", "\\All")
        names = [mailbox.name for mailbox in await storage.mailboxes(ALICE)]
        assert sorted([*FIRST_MAILBOXES, "a", "a/b", "a/b/c"]) == names
        assert created == await storage.mailbox(ALICE, "a/b/c")
        assert (created.uidnext, created.messages, created.special_use) == (1, 0, "\\All")

    @pytest.mark.parametrize(
        "name", ["INBOX", "inbox", "Junk", "", "/a", "a/", "a//b", "a\nb", "\\Junk", "x" * 2000, "\ud800"]
    )
    async def test_a_name_that_cannot_be_had_is_refused(self, storage: Storage, name: str) -> None:
        await storage.ensure_account(ALICE)
        with pytest.raises(MailboxExists):
            await storage.create_mailbox(ALICE, name)
        with pytest.raises(MailboxExists):
            await storage.rename_mailbox(ALICE, "Sent", name)
        assert [mailbox.name for mailbox in await storage.mailboxes(ALICE)] == FIRST_MAILBOXES

    async def test_a_name_may_be_of_any_script(self, storage: Storage) -> None:
        for name in ("Entwürfe", "メール\u3000箱", "👩\u200d🔬", "100% & <sure>'\""):
            await storage.create_mailbox(ALICE, name)
            assert await storage.mailbox(ALICE, name) is not None

    async def test_a_name_never_gets_the_same_uidvalidity_again(self, storage: Storage) -> None:
        seen = [(await storage.create_mailbox(ALICE, "Temp")).uidvalidity]
        for _ in range(3):
            await storage.delete_mailbox(ALICE, "Temp")
            seen.append((await storage.create_mailbox(ALICE, "Temp")).uidvalidity)
        assert seen == sorted(set(seen))
        assert seen[-1] < 1 << 32

    async def test_a_deleted_mailbox_takes_its_items_but_not_its_children(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE, mailbox="a/b"))
        await storage.accept(acceptance("m2", ALICE, mailbox="a"))
        (parent, child) = [await storage.mailbox(ALICE, name) for name in ("a", "a/b")]
        assert parent is not None
        assert child is not None
        await storage.delete_mailbox(ALICE, "a")
        assert await storage.mailbox(ALICE, "a") is None
        assert (await storage.usage(ALICE)).messages == 1
        assert [state.uid for state in await storage.states(child.id)] == [1]
        assert await storage.items(parent.id, ALL) == []
        for gone in (storage.states(parent.id), storage.changes(parent.id, 0), storage.expunge(parent.id)):
            with pytest.raises(MailboxMissing):
                await gone

    async def test_a_new_mailbox_of_a_deleted_ones_name_is_another(self, storage: Storage) -> None:
        (placed,) = await storage.accept(acceptance("m1", ALICE, mailbox="Temp"))
        await storage.delete_mailbox(ALICE, "Temp")
        anew = await storage.create_mailbox(ALICE, "Temp")
        assert anew.id != placed.mailbox_id
        assert await storage.states(anew.id) == []

    async def test_inbox_and_what_is_not_there_cannot_be_deleted(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        with pytest.raises(MailboxExists):
            await storage.delete_mailbox(ALICE, "Inbox")
        with pytest.raises(MailboxMissing):
            await storage.delete_mailbox(ALICE, "nowhere")
        with pytest.raises(MailboxMissing):
            await storage.delete_mailbox(BOB, "Junk")

    async def test_a_renamed_mailbox_keeps_its_items_and_its_children(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE, mailbox="a/b/c"))
        await storage.create_mailbox(ALICE, "ab")
        before = {mailbox.name: mailbox.id for mailbox in await storage.mailboxes(ALICE)}
        await storage.rename_mailbox(ALICE, "a", "x/y")
        after = {mailbox.name: mailbox.id for mailbox in await storage.mailboxes(ALICE)}
        assert {"x", "x/y", "x/y/b", "x/y/b/c", "ab"} < set(after)
        assert {"a", "a/b", "a/b/c"}.isdisjoint(after)
        assert after["x/y/b/c"] == before["a/b/c"]
        assert [state.uid for state in await storage.states(after["x/y/b/c"])] == [1]

    async def test_a_mailbox_is_not_renamed_onto_another_or_into_itself(self, storage: Storage) -> None:
        for name in ("a/b", "x/b"):
            await storage.create_mailbox(ALICE, name)
        before = await storage.mailboxes(ALICE)
        for old, new in (("a", "x"), ("a", "a"), ("a", "a/c"), ("a/b", "x/b"), ("a", "INBOX")):
            with pytest.raises(MailboxExists):
                await storage.rename_mailbox(ALICE, old, new)
        with pytest.raises(MailboxMissing):
            await storage.rename_mailbox(ALICE, "nowhere", "y")
        assert await storage.mailboxes(ALICE) == before

    async def test_renaming_inbox_moves_its_messages(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, SEEN)
        await storage.create_mailbox(ALICE, "INBOX/child")
        await storage.rename_mailbox(ALICE, "INBOX", "Old")
        old = await storage.mailbox(ALICE, "Old")
        assert old is not None
        assert (old.messages, old.size, old.unseen) == (3, 3000, 0)
        assert flags_by_uid(await storage.states(old.id)) == {1: SEEN, 2: SEEN, 3: SEEN}
        assert await inbox(storage) == await storage.mailbox(ALICE, "INBOX")
        left = await inbox(storage)
        assert (left.id, left.messages, left.uidnext) == (mailbox, 0, 4)
        assert await storage.mailbox(ALICE, "INBOX/child") is not None
        assert await storage.usage(ALICE) == Usage(3000, 3)

    async def test_a_name_is_subscribed_to_whether_it_is_a_mailbox_or_not(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        await storage.subscribe(ALICE, "nowhere", True)
        await storage.subscribe(ALICE, "inbox", False)
        await storage.subscribe(ALICE, "Junk", True)
        await storage.delete_mailbox(ALICE, "Sent")
        expected = sorted({*FIRST_MAILBOXES, "nowhere"} - {"INBOX"})
        assert await storage.subscriptions(ALICE) == expected
        assert not (await inbox(storage)).subscribed
        created = await storage.create_mailbox(ALICE, "nowhere")
        assert created.subscribed
        assert await storage.subscriptions(BOB) == []

    async def test_every_change_of_mailboxes_is_in_the_log_once(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        position = await storage.log_position()
        await storage.create_mailbox(ALICE, "a")
        await storage.rename_mailbox(ALICE, "a", "b")
        await storage.subscribe(ALICE, "b", True)
        await storage.subscribe(ALICE, "b", True)
        await storage.subscribe(ALICE, "b", False)
        await storage.delete_mailbox(ALICE, "b")
        entries = await storage.log(position)
        assert [(entry.kind.value, entry.name) for entry in entries] == [
            ("created", "a"),
            ("renamed", "b"),
            ("subscribed", "b"),
            ("unsubscribed", "b"),
            ("deleted", "b"),
        ]
        assert [entry.modseq for entry in entries] == sorted({entry.modseq for entry in entries})
        assert {entry.account for entry in entries} == {ALICE}
