"""What is noted down about mailboxes and accounts."""

from __future__ import annotations

import pytest

from hub.services.log import ChangeKind
from hub.services.storage import MailboxMissing, Storage
from hub.testing.contracts.storage.fixtures import ALICE, BOB, StorageFixtures, filled, inbox

COMMENT = "/shared/comment"
OWN = "/private/comment"


class AnnotationContract(StorageFixtures):
    """`annotations` and `annotate`."""

    async def test_a_shared_entry_is_the_same_for_all_and_a_private_one_its_writers_own(
        self, storage: Storage
    ) -> None:
        mailbox = await filled(storage, 1)
        await storage.ensure_account(BOB)
        await storage.annotate(ALICE, mailbox, {COMMENT: b"for all \x00\xff", OWN: b"Alice's"})
        await storage.annotate(BOB, mailbox, {OWN: b"Bob's", "/private/vendor/x": b""})
        assert await storage.annotations(ALICE, mailbox) == {COMMENT: b"for all \x00\xff", OWN: b"Alice's"}
        assert await storage.annotations(BOB, mailbox) == {
            COMMENT: b"for all \x00\xff",
            OWN: b"Bob's",
            "/private/vendor/x": b"",
        }
        await storage.annotate(BOB, mailbox, {COMMENT: b"changed", OWN: None})
        assert (await storage.annotations(ALICE, mailbox))[COMMENT] == b"changed"
        assert OWN in await storage.annotations(ALICE, mailbox)
        assert OWN not in await storage.annotations(BOB, mailbox)
        await storage.annotate(ALICE, mailbox, {COMMENT: None, "/shared/none": None})
        assert await storage.annotations(ALICE, mailbox) == {OWN: b"Alice's"}

    async def test_an_accounts_entries_are_all_its_own(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        await storage.annotate(ALICE, None, {COMMENT: b"Alice's", OWN: b"too"})
        assert await storage.annotations(ALICE, None) == {COMMENT: b"Alice's", OWN: b"too"}
        assert await storage.annotations(BOB, None) == {}
        assert await storage.annotations(ALICE, mailbox) == {}

    async def test_annotations_are_logged(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        position = await storage.log_position()
        await storage.annotate(ALICE, mailbox, {COMMENT: b"x"})
        await storage.annotate(ALICE, None, {COMMENT: b"x"})
        await storage.annotate(ALICE, None, {})
        entries = await storage.log(position)
        assert [(each.account, each.kind, each.collection) for each in entries] == [
            (ALICE, ChangeKind.ANNOTATED, mailbox),
            (ALICE, ChangeKind.ANNOTATED, None),
        ]
        assert (await inbox(storage)).highest_modseq == entries[0].modseq
        assert await storage.check(ALICE) == []

    async def test_what_cannot_be_annotated_is_refused(self, storage: Storage) -> None:
        with pytest.raises(MailboxMissing):
            await storage.annotations(ALICE, 99)
        with pytest.raises(MailboxMissing):
            await storage.annotate(ALICE, 99, {COMMENT: b"x"})
        with pytest.raises(ValueError, match="entry"):
            await storage.annotate(ALICE, None, {OWN: b"x", "/comment": b"x"})
        assert await storage.annotations(ALICE, None) == {}

    async def test_annotations_stay_with_a_mailbox_that_is_renamed_and_go_with_it(
        self, storage: Storage
    ) -> None:
        await storage.ensure_account(ALICE)
        old = await storage.create_mailbox(ALICE, "Work")
        await storage.annotate(ALICE, old.id, {COMMENT: b"x"})
        await storage.rename_mailbox(ALICE, "Work", "Other")
        assert await storage.annotations(ALICE, old.id) == {COMMENT: b"x"}
        await storage.delete_mailbox(ALICE, "Other")
        new = await storage.create_mailbox(ALICE, "Work")
        assert await storage.annotations(ALICE, new.id) == {}
        await storage.annotate(ALICE, None, {COMMENT: b"x"})
        await storage.clear()
        await storage.ensure_account(ALICE)
        assert await storage.annotations(ALICE, None) == {}
