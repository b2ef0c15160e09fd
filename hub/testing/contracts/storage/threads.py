"""Threads: what shares a key is one, for an account and for good."""

from __future__ import annotations

import asyncio
import random

import pytest

from hub.services.storage import MailboxMissing, Storage
from hub.testing.contracts.storage.fixtures import ALICE, BOB, DELETED, StorageFixtures, filled, inbox

LARGE = 1 << 62
"""Keys have 63 bits."""


class ThreadContract(StorageFixtures):
    """`hub.services.threads.Threads`."""

    async def test_messages_that_share_a_key_are_one_thread(self, storage: Storage) -> None:
        mailbox = await filled(storage, 0)
        await storage.join_threads(mailbox, [(1,), (1, 2), (LARGE,), (3, 1, 4)])
        assert await storage.threads(mailbox, [1, 2, 3, 4, LARGE, 9]) == {1: 1, 2: 1, 4: 1, LARGE: LARGE}
        await storage.join_threads(mailbox, [(3, 5), (6,)])
        assert await storage.threads(mailbox, [5, 6]) == {5: 1, 6: 6}
        assert await storage.threads(mailbox, []) == {}

    async def test_the_order_in_which_they_come_is_no_matter(self, storage: Storage) -> None:
        """An answer before what it answers, and one that is answered twice over before it is there."""
        mailbox = await filled(storage, 0)
        chain = [(1,), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (1, 7), (7, 8)]
        for seed in range(5):
            shift = 100 * (seed + 1)
            messages = [tuple(key + shift for key in keys) for keys in chain]
            random.Random(seed).shuffle(messages)
            for keys in messages[:4]:
                await storage.join_threads(mailbox, [keys])
            await storage.join_threads(mailbox, messages[4:])
            found = await storage.threads(mailbox, [key + shift for key in range(1, 9)])
            assert len(found) == 8
            assert len(set(found.values())) == 1

    async def test_threads_that_meet_have_the_name_of_the_larger(self, storage: Storage) -> None:
        mailbox = await filled(storage, 0)
        await storage.join_threads(mailbox, [(1,), (2,), (2, 3)])
        await storage.join_threads(mailbox, [(1, 2, 4)])
        assert await storage.threads(mailbox, [1, 2, 3, 4]) == dict.fromkeys((1, 2, 3, 4), 2)
        await storage.join_threads(mailbox, [(1, 4)])  # once more, as after a crash
        assert await storage.threads(mailbox, [1, 4]) == {1: 2, 4: 2}

    async def test_two_that_have_grown_large_stay_apart(self, storage: Storage) -> None:
        mailbox = await filled(storage, 0)
        for first in (10_000, 20_000):
            await storage.join_threads(mailbox, [(first, first + number) for number in range(1, 1_500)])
        await storage.join_threads(mailbox, [(20_000, 10_000, 1)])
        found = await storage.threads(mailbox, [1, 10_001, 20_001])
        assert found == {1: 20_000, 10_001: 10_000, 20_001: 20_000}

    async def test_they_are_an_accounts_and_outlast_its_messages(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1, DELETED)
        await storage.ensure_account(BOB)
        there = (await inbox(storage, BOB)).id
        work = await storage.create_mailbox(ALICE, "Work")
        position, before = await storage.log_position(), await storage.mailbox(ALICE, "INBOX")
        await storage.join_threads(mailbox, [(1, 2)])
        assert await storage.threads(there, [2]) == {}
        assert await storage.threads(work.id, [2]) == {2: 1}
        assert (await storage.log_position(), await storage.mailbox(ALICE, "INBOX")) == (position, before)
        await storage.join_threads(there, [(2,)])
        assert await storage.threads(there, [2]) == {2: 2}
        await storage.expunge(mailbox)
        await storage.join_threads(work.id, [(2, 3)])
        assert await storage.threads(mailbox, [3]) == {3: 1}

    async def test_where_there_is_no_mailbox_there_is_no_thread(self, storage: Storage) -> None:
        await filled(storage, 0)
        assert await storage.threads(999, [1]) == {}
        with pytest.raises(MailboxMissing):
            await storage.join_threads(999, [(1,)])

    async def test_who_joins_at_the_same_time_finds_the_same(self, storage: Storage) -> None:
        mailbox = await filled(storage, 0)
        await asyncio.gather(*(storage.join_threads(mailbox, [(1, number)]) for number in range(2, 40)))
        found = await storage.threads(mailbox, range(2, 40))
        assert found == dict.fromkeys(range(2, 40), 1)
