"""Who else may see a mailbox."""

from __future__ import annotations

import pytest

from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.services.sharing import ANYONE
from hub.services.storage import FlagMode, MailboxMissing, Storage
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    BOB,
    SEEN,
    StorageFixtures,
    filled,
    inbox,
)

NOBODY = AccountRef("other", "alice")


class SharingContract(StorageFixtures):
    """`rights`, `set_rights` and `shared_with`."""

    async def test_rights_are_set_replaced_and_taken_off_the_list(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        assert await storage.rights(mailbox) == {}
        await storage.set_rights(mailbox, "bob@example.test", "srl")
        await storage.set_rights(mailbox, "-bob@example.test", "x")
        await storage.set_rights(mailbox, ANYONE, "l")
        assert await storage.rights(mailbox) == {
            "bob@example.test": "lrs",
            "-bob@example.test": "x",
            ANYONE: "l",
        }
        await storage.set_rights(mailbox, "bob@example.test", "lrswipkxtea")
        await storage.set_rights(mailbox, ANYONE, "")
        assert await storage.rights(mailbox) == {
            "bob@example.test": "lrswipkxtea",
            "-bob@example.test": "x",
        }

    async def test_rights_are_logged_as_a_change_of_their_mailbox(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        position, before = await storage.log_position(), await inbox(storage)
        await storage.set_rights(mailbox, ANYONE, "l")
        (entry,) = await storage.log(position)
        assert (entry.account, entry.kind, entry.collection) == (ALICE, ChangeKind.RIGHTS, mailbox)
        after = await inbox(storage)
        assert after.highest_modseq == entry.modseq > before.highest_modseq
        changes = await storage.changes(mailbox, before.highest_modseq)
        assert not changes.changed
        assert not changes.vanished
        assert await storage.check(ALICE) == []

    async def test_only_a_mailbox_that_is_there_is_shared_and_with_rights_that_are_there(
        self, storage: Storage
    ) -> None:
        with pytest.raises(MailboxMissing):
            await storage.rights(99)
        with pytest.raises(MailboxMissing):
            await storage.set_rights(99, ANYONE, "l")
        mailbox = await filled(storage, 1)
        with pytest.raises(ValueError, match="'z'"):
            await storage.set_rights(mailbox, ANYONE, "lz")

    async def test_what_is_shared_is_found_by_all_that_one_is_called(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        for account in (BOB, NOBODY):
            await storage.ensure_account(account)
            await storage.set_rights((await inbox(storage, account)).id, ANYONE, "lr")
        await storage.set_rights(mailbox, "carol@example.test", "lrs")
        await storage.set_rights(mailbox, "sales", "li")
        await storage.set_rights(mailbox, "-carol@example.test", "s")
        await storage.set_rights(mailbox, "somebody@example.test", "lrsa")
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        await storage.set_rights(archive.id, "sales", "l")
        found = await storage.shared_with("default", ["carol@example.test", "sales", ANYONE])
        assert [(each.account, each.mailbox.name, each.rights) for each in found] == [
            (ALICE, "Archive", "l"),
            (ALICE, "INBOX", "lri"),
            (BOB, "INBOX", "lr"),
        ]
        assert found[1].mailbox == await inbox(storage)
        assert await storage.shared_with("default", ["nobody@example.test"]) == []
        await storage.set_rights(archive.id, "-sales", "l")
        assert len(await storage.shared_with("default", ["sales"])) == 1

    async def test_what_is_unseen_is_the_owners_count_or_the_viewers(self, storage: Storage) -> None:
        mailbox = await filled(storage, 5)
        await storage.set_rights(mailbox, ANYONE, "lrs")
        await storage.store_flags(mailbox, [(1, 1)], FlagMode.ADD, SEEN)
        await storage.store_flags(mailbox, [(2, 4)], FlagMode.ADD, SEEN, viewer=BOB)
        for viewer, unseen in ((None, 4), (ALICE, 4), (BOB, 2), (AccountRef("default", "new"), 5)):
            (shared,) = await storage.shared_with("default", [ANYONE], viewer)
            assert shared.mailbox.unseen == unseen

    async def test_rights_stay_with_a_mailbox_that_is_renamed_and_go_with_it(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        old = await storage.create_mailbox(ALICE, "Work/Plans")
        await storage.set_rights(old.id, ANYONE, "l")
        await storage.rename_mailbox(ALICE, "Work", "Elsewhere")
        (shared,) = await storage.shared_with("default", [ANYONE])
        assert shared.mailbox.name == "Elsewhere/Plans"
        await storage.delete_mailbox(ALICE, "Elsewhere/Plans")
        assert await storage.shared_with("default", [ANYONE]) == []
        new = await storage.create_mailbox(ALICE, "Elsewhere/Plans")
        assert await storage.rights(new.id) == {}

    async def test_a_cleared_store_shares_nothing(self, storage: Storage) -> None:
        await storage.set_rights(await filled(storage, 1), ANYONE, "l")
        await storage.clear()
        await storage.ensure_account(ALICE)
        assert await storage.shared_with("default", [ANYONE]) == []
