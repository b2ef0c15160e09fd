"""What was expunged can be had back, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hub.services.log import ChangeKind
from hub.services.storage import FlagMode, MailboxExists, Storage, Usage
from hub.testing.clock import START, ManualClock
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    ALL,
    BOB,
    DELETED,
    SEEN,
    StorageFixtures,
    filled,
    flags_by_uid,
    inbox,
    new_item,
)
from hub.testing.contracts.storage_peer import acceptance, open_driver


class ExpungedContract(StorageFixtures):
    """`expunged`, `undelete` and `purge_expunged`."""

    @pytest.fixture
    def keeps_nothing(self, settings: Mapping[str, object]) -> Mapping[str, object]:
        """The driver's table, so that nothing is kept."""
        return {**settings, "keep_expunged": 0}

    async def test_what_was_expunged_is_kept_as_it_was(self, storage: Storage, clock: ManualClock) -> None:
        await storage.accept(acceptance("m1", ALICE, flags=SEEN))
        mailbox = (await inbox(storage)).id
        await storage.append(ALICE, mailbox, [new_item(n) for n in range(3)])
        await storage.store_flags(mailbox, [(1, 1), (3, 4)], FlagMode.ADD, DELETED)
        items = [item for item in await storage.items(mailbox, ALL) if item.uid != 2]
        await clock.turn(7)
        await storage.expunge(mailbox)
        kept = await storage.expunged(ALICE)
        assert [each.item for each in kept] == items
        assert {(each.mailbox, each.at) for each in kept} == {("INBOX", START + 7)}
        assert [each.id for each in kept] == sorted({each.id for each in kept})
        assert await storage.expunged(BOB) == []
        assert (await storage.usage(ALICE)).messages == 1
        assert len(await storage.references()) == 4
        assert await storage.check(ALICE) == []

    async def test_what_was_expunged_comes_page_by_page_and_by_mailbox(self, storage: Storage) -> None:
        mailbox = await filled(storage, 5, DELETED)
        other = await storage.create_mailbox(ALICE, "Other")
        await storage.append(ALICE, other.id, [new_item(9, DELETED)])
        await storage.expunge(mailbox)
        await storage.expunge(other.id)
        everything = await storage.expunged(ALICE)
        assert len(everything) == 6
        first = await storage.expunged(ALICE, limit=4)
        assert [*first, *await storage.expunged(ALICE, after=first[-1].id)] == everything
        assert await storage.expunged(ALICE, mailbox="Other") == everything[5:]
        assert await storage.expunged(ALICE, mailbox="inbox", limit=2) == everything[:2]

    async def test_a_mailbox_is_kept_whole(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        made = await storage.create_mailbox(ALICE, "Work/Plans")
        await storage.append(ALICE, made.id, [new_item(n, SEEN) for n in range(3)])
        items = await storage.items(made.id, ALL)
        await storage.delete_mailbox(ALICE, "Work/Plans")
        kept = await storage.expunged(ALICE)
        assert [each.item for each in kept] == items
        placed = await storage.undelete(ALICE, [each.id for each in kept])
        found = await storage.mailbox(ALICE, "Work/Plans")
        assert found is not None
        assert [(each.mailbox, each.mailbox_id, each.uid) for each in placed] == [
            ("Work/Plans", found.id, uid) for uid in (1, 2, 3)
        ]
        assert (found.messages, found.unseen, found.id != made.id) == (3, 0, True)

    async def test_what_is_had_back_is_new_and_not_deleted(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        mailbox = await filled(storage, 3)
        await storage.store_flags(mailbox, [(2, 3)], FlagMode.ADD, DELETED | {"$Work"})
        await storage.store_flags(mailbox, [(3, 3)], FlagMode.ADD, SEEN)
        items = await storage.items(mailbox, [(2, 3)])
        await storage.expunge(mailbox)
        kept, position = await storage.expunged(ALICE), await storage.log_position()
        await clock.turn(9)
        placed = await storage.undelete(ALICE, [each.id for each in kept])
        assert [(each.account, each.mailbox_id, each.uid) for each in placed] == [
            (ALICE, mailbox, 4),
            (ALICE, mailbox, 5),
        ]
        back = await storage.items(mailbox, [(4, 5)])
        assert [replace(item, uid=0, modseq=0) for item in back] == [
            replace(item, uid=0, modseq=0, flags=item.flags - DELETED, saved_at=int(START) + 9)
            for item in items
        ]
        (entry,) = await storage.log(position)
        assert (entry.kind, entry.first_uid, entry.last_uid) == (ChangeKind.APPENDED, 4, 5)
        assert {item.modseq for item in back} == {entry.modseq}
        assert await storage.expunged(ALICE) == []
        assert await storage.usage(ALICE) == Usage(3000, 3)
        assert (await inbox(storage)).unseen == 2
        assert await storage.check(ALICE) == []

    async def test_it_goes_where_it_is_wanted_and_only_once(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, DELETED)
        await storage.expunge(mailbox)
        ids = [each.id for each in await storage.expunged(ALICE)]
        placed = await storage.undelete(ALICE, [ids[1], ids[1], 10**9], "Found/Again")
        assert [(each.mailbox, each.uid) for each in placed] == [("Found/Again", 1)]
        assert await storage.undelete(ALICE, [ids[1]]) == []
        assert await storage.undelete(BOB, ids) == []
        with pytest.raises(MailboxExists):
            await storage.undelete(ALICE, ids, "no//name")
        assert [each.id for each in await storage.expunged(ALICE)] == [ids[0], ids[2]]
        assert flags_by_uid(await storage.states(placed[0].mailbox_id)) == {1: set()}

    async def test_what_is_too_old_is_forgotten(self, storage: Storage, clock: ManualClock) -> None:
        mailbox = await filled(storage, 4, DELETED)
        await storage.expunge(mailbox, [(1, 3)])
        await clock.turn(100)
        await storage.expunge(mailbox)
        assert await storage.purge_expunged(START) == 0
        assert await storage.purge_expunged(START + 1, limit=2) == 2
        assert await storage.purge_expunged(START + 1, limit=2) == 1
        assert await storage.purge_expunged(START + 1) == 0
        assert [each.item.uid for each in await storage.expunged(ALICE)] == [4]
        assert [use.reference for use in await storage.references()] == ["store:3"]

    async def test_the_store_itself_forgets_it_after_thirty_days(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        mailbox = await filled(storage, 1, DELETED)
        await storage.expunge(mailbox)
        await clock.turn(29 * 86_400.0)
        assert len(await storage.expunged(ALICE)) == 1
        while await storage.expunged(ALICE):
            await clock.turn(86_400.0)
            await asyncio.sleep(0.01)  # what is due has begun, and writes in a thread
        assert await storage.references() == []

    async def test_nothing_is_kept_where_nothing_is_wanted(
        self, driver: str, folder: Path, keeps_nothing: Mapping[str, object], clock: ManualClock
    ) -> None:
        async with open_driver(driver, folder, keeps_nothing, clock) as storage:
            mailbox = await filled(storage, 2, DELETED)
            await storage.expunge(mailbox, [(1, 1)])
            await storage.append(ALICE, mailbox, [new_item(9)], replaces=(mailbox, 2))
            await storage.create_mailbox(ALICE, "Other")
            await storage.accept(acceptance("m1", ALICE, mailbox="Other"))
            await storage.move(mailbox, [(3, 3)], (await storage.create_mailbox(ALICE, "Third")).id)
            await storage.delete_mailbox(ALICE, "Other")
            assert await storage.expunged(ALICE) == []
            assert await storage.gone(mailbox, ALL) == []
            assert [use.reference for use in await storage.references()] == ["store:9"]

    async def test_what_is_gone_can_be_read_by_who_does_not_know_yet(self, storage: Storage) -> None:
        mailbox = await filled(storage, 6)
        items = await storage.items(mailbox, ALL)
        await storage.store_flags(mailbox, [(1, 2)], FlagMode.ADD, DELETED)
        await storage.expunge(mailbox)
        target = await storage.create_mailbox(ALICE, "Elsewhere")
        await storage.move(mailbox, [(4, 4)], target.id)
        await storage.append(ALICE, mailbox, [new_item(9)], replaces=(mailbox, 5))
        gone = await storage.gone(mailbox, [(2, 4), (6, 99)])
        assert [replace(item, modseq=0, flags=item.flags - DELETED) for item in gone] == [
            replace(items[at], modseq=0) for at in (1, 3)
        ]
        assert [item.uid for item in await storage.gone(mailbox, ALL)] == [1, 2, 4, 5]
        assert await storage.gone(target.id, ALL) == []
        await storage.move_references({"store:3": "new:3"})
        assert [item.blob for item in await storage.gone(mailbox, [(4, 4)])] == ["new:3"]
        await storage.rename_mailbox(ALICE, "INBOX", "Old")
        await storage.delete_mailbox(ALICE, "Old")
        assert [item.uid for item in await storage.gone(mailbox, ALL)] == [1, 2, 3, 4, 5, 6, 7]

    async def test_what_is_only_elsewhere_is_no_loss(self, storage: Storage, clock: ManualClock) -> None:
        """What was moved, or had back already, is in another place: nobody misses it, and its row goes."""
        mailbox = await filled(storage, 3, DELETED)
        target = await storage.create_mailbox(ALICE, "Elsewhere")
        await storage.move(mailbox, [(1, 1)], target.id)
        await storage.expunge(mailbox, [(2, 2)])
        (kept,) = await storage.expunged(ALICE)
        assert (kept.item.uid, len(await storage.undelete(ALICE, [kept.id]))) == (2, 1)
        assert await storage.expunged(ALICE) == []
        assert [item.uid for item in await storage.gone(mailbox, ALL)] == [1, 2]
        assert [len(await storage.holders(f"store:{number}")) for number in range(3)] == [1, 1, 1]
        await clock.turn(1)
        assert await storage.purge_expunged(clock.time()) == 2
        assert await storage.gone(mailbox, ALL) == []
        assert await storage.check(ALICE) == []

    async def test_its_blob_moves_and_is_held(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2, DELETED)
        await storage.expunge(mailbox, [(1, 1)])
        await storage.move_references({"store:0": "new:0", "store:1": "new:1"})
        assert [each.item.blob for each in await storage.expunged(ALICE)] == ["new:0"]
        (held,) = await storage.holders("new:0")
        assert (held.account, held.mailbox, held.mailbox_id, held.uid) == (ALICE, "INBOX", mailbox, 1)
        assert [use.reference for use in await storage.references()] == ["new:0", "new:1"]
        await storage.clear()
        assert await storage.references() == []
