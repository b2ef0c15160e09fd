"""A mailbox in the eyes of others than its owner: only their \\Seen is their own."""

from __future__ import annotations

from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.services.storage import FlagMode, Storage
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

CAROL = AccountRef("default", "carol")
FLAGGED = frozenset({"\\Flagged"})


class ViewingContract(StorageFixtures):
    """`viewer`, wherever it can be given."""

    async def test_others_have_seen_nothing_of_what_the_owner_has(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, SEEN | FLAGGED)
        assert flags_by_uid(await storage.states(mailbox, BOB)) == dict.fromkeys((1, 2, 3), FLAGGED)
        assert [item.flags for item in await storage.items(mailbox, ALL, BOB)] == [FLAGGED] * 3
        changes = await storage.changes(mailbox, 0, BOB)
        assert flags_by_uid(changes.changed) == dict.fromkeys((1, 2, 3), FLAGGED)
        assert (await inbox(storage)).unseen == 0

    async def test_seeing_is_each_viewers_own_and_a_change_of_the_mailbox(self, storage: Storage) -> None:
        mailbox = await filled(storage, 4)
        for account in (BOB, CAROL):
            await storage.ensure_account(account)
        before, position = await inbox(storage), await storage.log_position()
        stored = await storage.store_flags(mailbox, [(1, 2), (4, 4)], FlagMode.ADD, SEEN, viewer=BOB)
        assert flags_by_uid(stored) == {1: SEEN, 2: SEEN, 4: SEEN}
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {1: SEEN, 2: SEEN, 3: set(), 4: SEEN}
        for viewer in (None, ALICE, CAROL):
            states = await storage.states(mailbox, viewer)
            assert flags_by_uid(states) == {uid: set() for uid in (1, 2, 3, 4)}
        changes = await storage.changes(mailbox, before.highest_modseq, BOB)
        assert list(changes.changed) == list(stored)
        after = await inbox(storage)
        assert (after.highest_modseq, after.unseen) == (stored[0].modseq, 4)
        entries = await storage.log(position)
        assert [(each.account, each.kind, each.first_uid, each.last_uid) for each in entries] == [
            (ALICE, ChangeKind.FLAGGED, 1, 2),
            (ALICE, ChangeKind.FLAGGED, 4, 4),
        ]
        again = await storage.store_flags(mailbox, [(1, 2), (4, 4)], FlagMode.ADD, SEEN, viewer=BOB)
        assert again == stored
        await storage.store_flags(mailbox, [(2, 3)], FlagMode.REMOVE, SEEN, viewer=BOB)
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {1: SEEN, 2: set(), 3: set(), 4: SEEN}
        assert await storage.check(ALICE) == []

    async def test_every_other_flag_is_the_same_for_all(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        await storage.store_flags(mailbox, [(1, 2)], FlagMode.ADD, SEEN)
        await storage.store_flags(mailbox, [(2, 3)], FlagMode.SET, SEEN | DELETED, viewer=BOB)
        assert flags_by_uid(await storage.states(mailbox)) == {1: SEEN, 2: SEEN | DELETED, 3: DELETED}
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {
            1: set(),
            2: SEEN | DELETED,
            3: SEEN | DELETED,
        }
        await storage.store_flags(mailbox, ALL, FlagMode.SET, FLAGGED, viewer=BOB)
        assert flags_by_uid(await storage.states(mailbox)) == {
            1: SEEN | FLAGGED,
            2: SEEN | FLAGGED,
            3: FLAGGED,
        }
        assert (await inbox(storage)).unseen == 1
        assert await storage.check(ALICE) == []

    async def test_what_changed_meanwhile_is_left_alone_for_viewers_too(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        known = (await inbox(storage)).highest_modseq
        await storage.store_flags(mailbox, [(1, 1)], FlagMode.ADD, SEEN, viewer=CAROL)
        stored = await storage.store_flags(
            mailbox, ALL, FlagMode.ADD, SEEN, unchanged_since=known, viewer=BOB
        )
        assert [state.uid for state in stored] == [2]
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {1: set(), 2: SEEN}

    async def test_a_copy_looks_to_its_maker_like_the_original(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, FLAGGED)
        await storage.store_flags(mailbox, [(3, 3)], FlagMode.ADD, SEEN)
        await storage.ensure_account(BOB)
        await storage.store_flags(mailbox, [(1, 1)], FlagMode.ADD, SEEN, viewer=BOB)
        own = (await inbox(storage, BOB)).id
        await storage.copy(mailbox, ALL, own, BOB)
        expected = {1: SEEN | FLAGGED, 2: FLAGGED, 3: FLAGGED}
        assert flags_by_uid(await storage.states(own)) == expected
        assert (await inbox(storage, BOB)).unseen == 2
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        await storage.move(mailbox, ALL, archive.id, BOB)
        assert flags_by_uid(await storage.states(archive.id, BOB)) == expected
        assert flags_by_uid(await storage.states(archive.id)) == dict.fromkeys((1, 2, 3), FLAGGED)
        await storage.move(own, [(1, 2)], mailbox, BOB)
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {4: SEEN | FLAGGED, 5: FLAGGED}
        assert flags_by_uid(await storage.states(mailbox)) == {4: FLAGGED, 5: FLAGGED}
        for account in (ALICE, BOB):
            assert await storage.check(account) == []

    async def test_who_appends_to_anothers_mailbox_has_seen_it_and_nobody_else(
        self, storage: Storage
    ) -> None:
        mailbox = await filled(storage, 0)
        await storage.append(ALICE, mailbox, [new_item(1, SEEN | FLAGGED), new_item(2)], viewer=BOB)
        assert flags_by_uid(await storage.states(mailbox)) == {1: FLAGGED, 2: set()}
        assert flags_by_uid(await storage.states(mailbox, BOB)) == {1: SEEN | FLAGGED, 2: set()}
        await storage.append(ALICE, mailbox, [new_item(3, SEEN)], viewer=ALICE)
        assert flags_by_uid(await storage.states(mailbox))[3] == SEEN
        assert (await inbox(storage)).unseen == 2
        assert await storage.check(ALICE) == []

    async def test_who_was_never_here_sees_all_and_has_seen_nothing(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1, SEEN)
        stranger = AccountRef("default", "stranger")
        assert flags_by_uid(await storage.states(mailbox, stranger)) == {1: set()}
        await storage.store_flags(mailbox, ALL, FlagMode.ADD, SEEN, viewer=stranger)
        assert flags_by_uid(await storage.states(mailbox, stranger)) == {1: SEEN}

    async def test_many_are_seen_at_once(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2_000)
        states = await storage.store_flags(mailbox, ALL, FlagMode.ADD, SEEN, viewer=BOB)
        assert len(states) == 2_000
        assert await storage.states(mailbox, BOB) == states
        await storage.store_flags(mailbox, ALL, FlagMode.ADD, DELETED)
        assert len(await storage.expunge(mailbox)) == 2_000
        assert await storage.states(mailbox, BOB) == []
