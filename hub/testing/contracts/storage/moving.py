"""Items moved, replaced, and brought to other accounts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode, MailboxMissing, Storage, Usage
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


class MovingContract(StorageFixtures):
    """`move`, `copy` between accounts, `append` with `replaces`, and RFC 8514's date."""

    async def test_a_move_is_one_change_and_leaves_nothing_behind(self, storage: Storage) -> None:
        mailbox = await filled(storage, 5)
        await storage.store_flags(mailbox, [(2, 3)], FlagMode.ADD, SEEN)
        target = await storage.create_mailbox(ALICE, "Elsewhere")
        position, before = await storage.log_position(), await storage.usage(ALICE)
        originals = await storage.items(mailbox, [(2, 2), (4, 5)])
        moved = await storage.move(mailbox, [(2, 2), (4, 9)], target.id)
        assert (moved.uidvalidity, moved.pairs) == (target.uidvalidity, ((2, 1), (4, 2), (5, 3)))
        there = await storage.items(target.id, ALL)
        assert [replace(item, uid=0, modseq=0) for item in there] == [
            replace(item, uid=0, modseq=0) for item in originals
        ]
        assert [state.uid for state in await storage.states(mailbox)] == [1, 3]
        entries = await storage.log(position)
        assert [(each.kind, each.collection, each.first_uid, each.last_uid) for each in entries] == [
            (ChangeKind.APPENDED, target.id, 1, 3),
            (ChangeKind.EXPUNGED, mailbox, 2, 2),
            (ChangeKind.EXPUNGED, mailbox, 4, 5),
        ]
        assert len({each.modseq for each in entries}) == 1
        assert await storage.usage(ALICE) == before
        assert ((await inbox(storage)).messages, (await inbox(storage)).unseen) == (2, 1)
        assert await storage.expunged(ALICE) == []
        assert await storage.check(ALICE) == []

    async def test_what_is_moved_to_where_it_is_gets_new_uids(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        assert (await storage.move(mailbox, [(1, 2)], mailbox)).pairs == ((1, 4), (2, 5))
        assert [state.uid for state in await storage.states(mailbox)] == [3, 4, 5]
        assert (await storage.move(mailbox, [(90, 99)], mailbox)).pairs == ()

    async def test_items_go_to_another_account_with_what_they_count(self, storage: Storage) -> None:
        mailbox = await filled(storage, 4)
        await storage.ensure_account(BOB)
        there = (await inbox(storage, BOB)).id
        assert (await storage.copy(mailbox, [(1, 3)], there)).pairs == ((1, 1), (2, 2), (3, 3))
        assert (await storage.move(mailbox, [(4, 4)], there)).pairs == ((4, 4),)
        assert await storage.usage(ALICE) == Usage(3000, 3)
        assert await storage.usage(BOB) == Usage(4000, 4)
        assert [use.reference for use in await storage.references()] == [f"store:{n}" for n in range(4)]
        for account in (ALICE, BOB):
            assert await storage.check(account) == []

    async def test_accounts_that_copy_to_each_other_wait_for_nobody_in_a_circle(
        self, storage: Storage
    ) -> None:
        mailbox = await filled(storage, 1)
        await storage.ensure_account(BOB)
        there = (await inbox(storage, BOB)).id
        await storage.append(BOB, there, [new_item(9)])
        await asyncio.gather(
            *(storage.copy(*pair) for pair in [(mailbox, [(1, 1)], there), (there, [(1, 1)], mailbox)] * 10)
        )
        assert [len(await storage.states(each)) for each in (mailbox, there)] == [11, 11]

    async def test_nothing_goes_to_another_tenant(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        stranger = AccountRef("other", "alice")
        await storage.ensure_account(stranger)
        there = (await inbox(storage, stranger)).id
        for bring in (storage.copy, storage.move):
            with pytest.raises(MailboxMissing):
                await bring(mailbox, ALL, there)
        assert len(await storage.states(mailbox)) == 1

    async def test_moved_blobs_are_followed_into_the_account_they_are_just_copied_to(
        self, storage: Storage
    ) -> None:
        mailbox = await filled(storage, 1)
        await storage.ensure_account(BOB)
        there = (await inbox(storage, BOB)).id
        for number in range(10):
            old, new = f"new:{number - 1}" if number else "store:0", f"new:{number}"
            await asyncio.gather(
                *(storage.copy(mailbox, [(1, 1)], there) for _ in range(3)),
                storage.move_references({old: new}),
                *(storage.copy(mailbox, [(1, 1)], there) for _ in range(3)),
            )
            assert [use.reference for use in await storage.references()] == [new]

    async def test_what_replaces_comes_as_the_other_goes(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        position = await storage.log_position()
        appended = await storage.append(ALICE, mailbox, [new_item(7)], replaces=(mailbox, 2))
        assert appended.uids == (4,)
        assert [state.uid for state in await storage.states(mailbox)] == [1, 3, 4]
        entries = await storage.log(position)
        assert {each.kind for each in entries} == {ChangeKind.APPENDED, ChangeKind.EXPUNGED}
        assert len({each.modseq for each in entries}) == 1
        drafts = await storage.mailbox(ALICE, "Drafts")
        assert drafts is not None
        await storage.append(ALICE, drafts.id, [new_item(8)], replaces=(mailbox, 3))
        assert [state.uid for state in await storage.states(mailbox)] == [1, 4]
        for gone in ((mailbox, 2), (999, 1)):
            await storage.append(ALICE, mailbox, [new_item(9)], replaces=gone)
        assert (await inbox(storage)).messages == 4
        assert [each.item.uid for each in await storage.expunged(ALICE)] == [2, 3]
        assert await storage.check(ALICE) == []

    async def test_what_cannot_replace_leaves_all_as_it_was(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        with pytest.raises(MailboxMissing):
            await storage.append(ALICE, 999, [new_item(7)], replaces=(mailbox, 1))
        assert len(await storage.states(mailbox)) == 1

    async def test_an_item_tells_when_it_came_into_its_mailbox(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        mailbox = await filled(storage, 1)
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        await clock.turn(50)
        await storage.copy(mailbox, [(1, 1)], archive.id)
        await clock.turn(50)
        await storage.store_flags(mailbox, ALL, FlagMode.ADD, DELETED)
        await storage.move(mailbox, [(1, 1)], archive.id)
        items = await storage.items(archive.id, ALL)
        assert [item.saved_at - int(START) for item in items] == [50, 100]
        assert [item.internal_date for item in items] == [int(START)] * 2
        assert flags_by_uid(await storage.states(archive.id)) == {1: set(), 2: DELETED}
