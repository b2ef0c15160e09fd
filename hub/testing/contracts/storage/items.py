"""Items and what changes about them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.services.log import ChangeKind
from hub.services.states import Known
from hub.services.storage import FlagMode, MailboxMissing, Storage
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    ALL,
    DELETED,
    SEEN,
    StorageFixtures,
    filled,
    flags_by_uid,
    inbox,
    new_item,
)


class ItemContract(StorageFixtures):
    """Flags, copies, expunging, and what has changed since."""

    async def test_only_the_items_that_were_asked_for_are_read(self, storage: Storage) -> None:
        mailbox = await filled(storage, 50)
        uids = [item.uid for item in await storage.items(mailbox, [(0, 2), (7, 7), (49, 1 << 40)])]
        assert uids == [1, 2, 7, 49, 50]
        assert [item.uid for item in await storage.items(mailbox, ALL)] == list(range(1, 51))
        assert await storage.items(mailbox, []) == []

    async def test_a_mailbox_ends_where_the_next_begins(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        next_one = await storage.mailbox(ALICE, "Drafts")
        assert next_one is not None
        await storage.append(ALICE, next_one.id, [new_item(9)])
        assert len(await storage.items(mailbox, [(1, 1 << 62)])) == 2
        assert len(await storage.store_flags(mailbox, [(1, 1 << 62)], FlagMode.ADD, DELETED)) == 2
        assert await storage.expunge(mailbox, [(0, 1 << 62)]) == [1, 2]
        assert len(await storage.states(next_one.id)) == 1

    async def test_flags_are_set_added_and_removed(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, frozenset({"\\Seen", "$Work"}))
        await storage.store_flags(mailbox, [(2, 2)], FlagMode.SET, DELETED)
        added = await storage.store_flags(mailbox, ALL, FlagMode.ADD, frozenset({"\\Flagged"}))
        assert flags_by_uid(added) == {
            1: {"\\Seen", "$Work", "\\Flagged"},
            2: {"\\Deleted", "\\Flagged"},
            3: {"\\Seen", "$Work", "\\Flagged"},
        }
        assert added == await storage.states(mailbox)
        await storage.store_flags(mailbox, [(1, 2)], FlagMode.REMOVE, frozenset({"\\Seen", "\\Deleted"}))
        assert flags_by_uid(await storage.states(mailbox)) == {
            1: {"$Work", "\\Flagged"},
            2: {"\\Flagged"},
            3: {"\\Seen", "$Work", "\\Flagged"},
        }
        assert (await inbox(storage)).unseen == 2

    async def test_flags_that_are_there_already_change_nothing(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, SEEN)
        before = await storage.states(mailbox), await storage.log_position()
        assert await storage.store_flags(mailbox, ALL, FlagMode.ADD, SEEN) == before[0]
        assert (await storage.states(mailbox), await storage.log_position()) == before

    async def test_an_item_that_changed_meanwhile_is_left_alone(self, storage: Storage) -> None:
        mailbox = await filled(storage, 4)
        known = (await inbox(storage)).highest_modseq
        await storage.store_flags(mailbox, [(2, 2)], FlagMode.ADD, SEEN)
        stored = await storage.store_flags(mailbox, ALL, FlagMode.ADD, DELETED, unchanged_since=known)
        assert [state.uid for state in stored] == [1, 3, 4]
        assert flags_by_uid(await storage.states(mailbox)) == {1: DELETED, 2: SEEN, 3: DELETED, 4: DELETED}

    @pytest.mark.parametrize("mode", FlagMode)
    async def test_what_is_known_need_not_be_read_and_comes_to_the_same(
        self, storage: Storage, mode: FlagMode
    ) -> None:
        mailbox = await filled(storage, 9)
        await storage.store_flags(mailbox, [(2, 3), (6, 6)], FlagMode.ADD, SEEN | {"$Work"})
        middle = (await inbox(storage)).highest_modseq
        await storage.store_flags(mailbox, [(5, 5)], FlagMode.ADD, DELETED)
        known = await _known(storage, mailbox)
        stored = await storage.store_flags(
            mailbox, [(2, 6), (8, 20)], mode, SEEN, unchanged_since=middle, known=known
        )
        assert [state.uid for state in stored] == [2, 3, 4, 6, 8, 9]
        states = await storage.states(mailbox)
        assert [state for state in states if state.uid in stored.uids] == stored
        before, now = flags_by_uid(known.states), flags_by_uid(states)
        kept = {
            FlagMode.SET: frozenset[str](),
            FlagMode.ADD: SEEN | {"$Work", "\\Deleted"},
            FlagMode.REMOVE: {"$Work"},
        }
        added = frozenset[str]() if mode is FlagMode.REMOVE else SEEN
        assert now == before | {uid: before[uid] & kept[mode] | added for uid in stored.uids}
        assert (await inbox(storage)).unseen == sum("\\Seen" not in flags for flags in now.values())

    async def test_what_was_known_is_read_if_anything_has_happened_since(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        known = await _known(storage, mailbox)
        await storage.store_flags(mailbox, [(2, 2)], FlagMode.SET, DELETED)
        stored = await storage.store_flags(mailbox, ALL, FlagMode.ADD, SEEN, known=known)
        assert flags_by_uid(stored) == {1: SEEN, 2: SEEN | DELETED, 3: SEEN}
        assert stored == await storage.states(mailbox)

    async def test_one_of_two_changes_at_once_knows_nothing_of_the_other(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        known = await _known(storage, mailbox)
        await asyncio.gather(
            storage.store_flags(mailbox, [(1, 2)], FlagMode.ADD, DELETED, known=known),
            storage.store_flags(mailbox, ALL, FlagMode.ADD, SEEN, known=known),
        )
        now = flags_by_uid(await storage.states(mailbox))
        assert now == {1: SEEN | DELETED, 2: SEEN | DELETED, 3: SEEN}

    async def test_two_changes_at_once_have_a_modseq_each(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        each = [frozenset({f"$k{number}"}) for number in range(20)]
        stored = await asyncio.gather(
            *[storage.store_flags(mailbox, ALL, FlagMode.SET, flags) for flags in each]
        )
        modseqs = [state.modseq for states in stored for state in states]
        assert modseqs == sorted(set(modseqs))
        assert (await inbox(storage)).highest_modseq == modseqs[-1]

    async def test_a_copy_shares_the_blob_and_keeps_flags_and_date(self, storage: Storage) -> None:
        mailbox = await filled(storage, 5)
        await storage.store_flags(mailbox, [(2, 3)], FlagMode.ADD, SEEN)
        target = await storage.create_mailbox(ALICE, "Copies")
        await storage.append(ALICE, target.id, [new_item(9)])
        copied = await storage.copy(mailbox, [(2, 2), (4, 5)], target.id)
        assert (copied.uidvalidity, copied.pairs) == (target.uidvalidity, ((2, 2), (4, 3), (5, 4)))
        originals = await storage.items(mailbox, [(2, 2), (4, 5)])
        copies = await storage.items(target.id, [(2, 4)])
        assert [replace(item, uid=0, modseq=0) for item in copies] == [
            replace(item, uid=0, modseq=0) for item in originals
        ]
        found = await storage.mailbox(ALICE, "Copies")
        assert found is not None
        assert (found.messages, found.unseen, found.size, found.uidnext) == (4, 3, 4000, 5)
        assert (await inbox(storage)).messages == 5

    async def test_a_mailbox_can_be_copied_into_itself(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        assert (await storage.copy(mailbox, ALL, mailbox)).pairs == ((1, 4), (2, 5), (3, 6))
        assert (await storage.copy(mailbox, [(90, 99)], mailbox)).pairs == ()
        with pytest.raises(MailboxMissing):
            await storage.copy(mailbox, ALL, 999)

    async def test_only_what_is_deleted_is_expunged(self, storage: Storage) -> None:
        mailbox = await filled(storage, 6)
        await storage.store_flags(mailbox, [(2, 3), (6, 6)], FlagMode.ADD, DELETED)
        await storage.store_flags(mailbox, [(4, 4)], FlagMode.ADD, frozenset({"\\DeletedNot", "\\deleted"}))
        assert await storage.expunge(mailbox, [(1, 5)]) == [2, 3]
        assert await storage.expunge(mailbox) == [6]
        assert await storage.expunge(mailbox) == []
        found = await inbox(storage)
        assert [state.uid for state in await storage.states(mailbox)] == [1, 4, 5]
        assert (found.messages, found.size, found.uidnext) == (3, 3000, 7)
        assert (await storage.append(ALICE, mailbox, [new_item(7)])).uids == (7,)

    async def test_changes_tell_what_is_new_what_changed_and_what_vanished(self, storage: Storage) -> None:
        mailbox = await filled(storage, 6, DELETED)
        since = (await inbox(storage)).highest_modseq
        await storage.store_flags(mailbox, [(1, 1), (5, 5)], FlagMode.SET, SEEN)
        await storage.expunge(mailbox, [(2, 3)])
        await storage.append(ALICE, mailbox, [new_item(9)])
        changes = await storage.changes(mailbox, since)
        assert flags_by_uid(changes.changed) == {1: SEEN, 5: SEEN, 7: set()}
        assert changes.vanished == ((2, 3),)
        found = await inbox(storage)
        assert (changes.highest_modseq, changes.uidnext) == (found.highest_modseq, 8)
        nothing = await storage.changes(mailbox, changes.highest_modseq)
        assert not nothing.changed
        assert not nothing.vanished
        everything = await storage.changes(mailbox, 0)
        assert [state.uid for state in everything.changed] == [1, 4, 5, 6, 7]
        assert everything.vanished == ((2, 3),)
        for modseq, expected in ((0, [(2, 3)]), (since, [(2, 3)]), (changes.highest_modseq, [])):
            history = await storage.history(mailbox, modseq)
            assert list(history.vanished) == expected
            changed = (await storage.changes(mailbox, modseq)).changed.uids
            assert all(any(first <= uid <= last for first, last in history.touched) for uid in changed)

    async def test_nothing_is_done_in_a_mailbox_that_is_not_there(self, storage: Storage) -> None:
        for call in (
            storage.states(99),
            storage.changes(99, 0),
            storage.history(99, 0),
            storage.store_flags(99, ALL, FlagMode.ADD, SEEN),
            storage.copy(99, ALL, 99),
            storage.move(99, ALL, 99),
            storage.expunge(99),
        ):
            with pytest.raises(MailboxMissing):
                await call

    async def test_ten_thousand_items_are_flagged_and_expunged_at_once(self, storage: Storage) -> None:
        mailbox = await filled(storage, 10_000)
        position = await storage.log_position()
        assert len(await storage.store_flags(mailbox, [(1, 9_999)], FlagMode.ADD, DELETED)) == 9_999
        assert await storage.expunge(mailbox) == list(range(1, 10_000))
        assert [state.uid for state in await storage.states(mailbox)] == [10_000]
        spans = [(entry.kind, entry.first_uid, entry.last_uid) for entry in await storage.log(position)]
        assert spans == [(ChangeKind.FLAGGED, 1, 9_999), (ChangeKind.EXPUNGED, 1, 9_999)]


async def _known(storage: Storage, mailbox: int) -> Known:
    return Known((await inbox(storage)).highest_modseq, await storage.states(mailbox))
