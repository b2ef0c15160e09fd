"""Looking after the store: who refers to which blob, and whether the counts agree."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.blobs import BlobUse
from hub.services.storage import FlagMode, Storage
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    ALL,
    BOB,
    DELETED,
    SEEN,
    StorageFixtures,
    filled,
    inbox,
)
from hub.testing.contracts.storage_peer import acceptance

AFTER: Final = 1e12
"""A moment before which everything was expunged."""


async def _references(storage: Storage) -> list[str]:
    return [use.reference for use in await storage.references()]


class MaintenanceContract(StorageFixtures):
    """`references`, `move_references`, `holders`, `accounts` and `check`."""

    async def test_every_blob_with_a_row_is_listed_once_in_order(self, storage: Storage) -> None:
        assert await storage.references() == []
        elsewhere = Address("x", "elsewhere.test")
        await storage.accept(acceptance("m2", ALICE, BOB))
        await storage.accept(acceptance("m1", ALICE, queue=[elsewhere, Address("y", "elsewhere.test")]))
        await storage.accept(acceptance("m3", queue=[elsewhere]))
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        await storage.copy((await inbox(storage)).id, ALL, archive.id)
        assert await storage.references() == [
            BlobUse(f"store:{name}", 500, 4000) for name in ("m1", "m2", "m3")
        ]

    async def test_references_come_page_by_page_and_between_two(self, storage: Storage) -> None:
        for number in range(30):
            recipients = [Address("x", "elsewhere.test")] if number % 3 else []
            await storage.accept(acceptance(f"m{number:02}", ALICE, BOB, queue=recipients))
        found: list[str] = []
        while page := await storage.references(found[-1] if found else "", limit=7):
            assert len(page) <= 7
            found += [use.reference for use in page]
        assert found == [f"store:m{number:02}" for number in range(30)]
        between = await storage.references("store:m10", "store:m13")
        assert [use.reference for use in between] == ["store:m11", "store:m12"]

    async def test_references_are_ordered_by_octets(self, storage: Storage) -> None:
        for name in ("a", "B", "a-1", "a.1", "_", "Z9", "a:"):
            await storage.accept(acceptance(name, ALICE))
        found = await _references(storage)
        assert found == sorted(found)
        assert len(found) == 7

    async def test_a_blob_is_without_rows_once_the_last_is_gone(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE, BOB))
        await storage.accept(acceptance("m2", ALICE))
        for account, left in ((ALICE, ["store:m1"]), (BOB, [])):
            mailbox = (await inbox(storage, account)).id
            await storage.store_flags(mailbox, ALL, FlagMode.ADD, DELETED)
            await storage.expunge(mailbox)
            await storage.purge_expunged(AFTER)
            assert await _references(storage) == left
        archive = await storage.create_mailbox(ALICE, "Other")
        await storage.accept(acceptance("m3", ALICE, mailbox="Other"))
        await storage.delete_mailbox(ALICE, archive.name)
        await storage.purge_expunged(AFTER)
        assert await _references(storage) == []

    async def test_moved_blobs_are_found_at_their_new_place_and_nobody_is_told(
        self, storage: Storage
    ) -> None:
        await storage.accept(acceptance("m1", ALICE, BOB, queue=[Address("x", "elsewhere.test")]))
        await storage.accept(acceptance("m2", ALICE))
        before = await inbox(storage), await storage.log_position()
        (item,) = await storage.items(before[0].id, [(1, 1)])
        await storage.move_references({"store:m1": "new:1", "store:none": "new:none"})
        assert await _references(storage) == ["new:1", "store:m2"]
        assert (await inbox(storage), await storage.log_position()) == before
        (moved,) = await storage.items(before[0].id, [(1, 1)])
        assert (moved.blob, moved.modseq, moved.flags) == ("new:1", item.modseq, item.flags)
        assert (await storage.queue())[0].blob == "new:1"

    async def test_what_is_copied_while_it_is_moved_is_not_left_behind(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE))
        mailbox = (await inbox(storage)).id
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        for number in range(10):
            old, new = ("store:m1" if not number else f"new:{number - 1}"), f"new:{number}"
            await asyncio.gather(
                *(storage.copy(mailbox, [(1, 1)], archive.id) for _ in range(5)),
                storage.move_references({old: new}),
                *(storage.copy(mailbox, [(1, 1)], archive.id) for _ in range(5)),
            )
            assert await _references(storage) == [new]
        assert len(await storage.states(archive.id)) == 100

    async def test_holders_are_the_items_that_refer_to_a_blob(self, storage: Storage) -> None:
        placed = await storage.accept(acceptance("m1", ALICE, BOB))
        await storage.accept(acceptance("m2", BOB))
        assert list(await storage.holders("store:m1")) == list(placed)
        assert await storage.holders("store:none") == []

    async def test_accounts_come_page_by_page(self, storage: Storage) -> None:
        refs = [AccountRef(tenant, f"a{number}") for tenant in ("default", "other") for number in range(5)]
        for ref in reversed(refs):
            await storage.ensure_account(ref)
        found: list[AccountRef] = []
        while page := await storage.accounts(found[-1] if found else None, limit=3):
            found += page
        assert found == refs

    async def test_a_store_that_was_used_agrees_with_itself(self, storage: Storage) -> None:
        mailbox = await filled(storage, 50)
        await storage.accept(acceptance("m1", ALICE, BOB))
        await storage.store_flags(mailbox, [(1, 20)], FlagMode.ADD, SEEN | DELETED)
        await storage.expunge(mailbox, [(5, 10)])
        await storage.store_flags(mailbox, [(11, 12)], FlagMode.SET, frozenset({"\\SeenNot"}))
        await storage.rename_mailbox(ALICE, "INBOX", "Elsewhere")
        await storage.delete_mailbox(ALICE, "Junk")
        for account in (ALICE, BOB, AccountRef("default", "nobody")):
            assert await storage.check(account) == []
            assert await storage.check(account, repair=True) == []

    async def test_a_cleared_store_takes_the_same_messages_anew(self, storage: Storage) -> None:
        elsewhere = Address("x", "elsewhere.test")
        first = list(await storage.accept(acceptance("m1", ALICE, BOB, queue=[elsewhere], sender=ALICE)))
        old = await inbox(storage)
        position = await storage.log_position()
        await storage.kv("one").set("key", b"kept")
        await storage.clear()
        assert await storage.accounts() == []
        assert await storage.references() == []
        assert await storage.queue() == []
        assert await storage.log_position() == position
        assert await storage.kv("one").get("key") == b"kept"
        again = await storage.accept(acceptance("m1", ALICE, BOB, queue=[elsewhere], sender=ALICE))
        assert [(each.account, each.mailbox, each.uid) for each in again] == [
            (each.account, each.mailbox, each.uid) for each in first
        ]
        assert (await inbox(storage)).uidvalidity >= old.uidvalidity
        assert (await inbox(storage)).id != old.id
        assert await storage.log_position() > position
