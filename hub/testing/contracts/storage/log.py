"""The change log and its watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hub.services.log import LogEntry
from hub.services.storage import FlagMode, Storage
from hub.testing.contracts.storage.fixtures import ALICE, DELETED, StorageFixtures, filled
from hub.testing.contracts.storage_peer import acceptance


def into(queue: asyncio.Queue[LogEntry], start: int) -> Callable[[Sequence[LogEntry]], None]:
    """A watcher that puts every entry behind a position into a queue."""

    def watcher(entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            if entry.position > start:
                queue.put_nowait(entry)

    return watcher


class LogContract(StorageFixtures):
    """The change log and its watchers."""

    async def test_the_log_has_every_change_in_the_order_of_its_positions(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        position = await storage.log_position()
        (placed,) = await storage.accept(acceptance("m1", ALICE))
        await storage.store_flags(mailbox, [(1, 1), (3, 4)], FlagMode.ADD, DELETED)
        await storage.expunge(mailbox)
        entries = await storage.log(position)
        assert [
            (entry.kind.value, entry.first_uid, entry.last_uid, entry.message_id) for entry in entries
        ] == [
            ("delivered", 4, 4, "m1"),
            ("flagged", 1, 1, None),
            ("flagged", 3, 4, None),
            ("expunged", 1, 1, None),
            ("expunged", 3, 4, None),
        ]
        assert {(entry.account, entry.collection, entry.name) for entry in entries} == {
            (ALICE, placed.mailbox_id, "INBOX")
        }
        assert [entry.position for entry in entries] == sorted({entry.position for entry in entries})
        assert [entry.modseq - entries[0].modseq for entry in entries] == [0, 1, 1, 2, 2]
        assert await storage.log(position, limit=2) == entries[:2]
        assert await storage.log(entries[1].position) == entries[2:]
        assert await storage.log_position() == entries[-1].position

    async def test_an_empty_store_is_at_position_zero(self, storage: Storage) -> None:
        assert await storage.log_position() == 0
        assert await storage.log(0) == []

    async def test_a_watcher_gets_every_entry_once_and_none_after_its_end(self, storage: Storage) -> None:
        await storage.accept(acceptance("before", ALICE))
        seen: asyncio.Queue[LogEntry] = asyncio.Queue()
        other: asyncio.Queue[LogEntry] = asyncio.Queue()

        def failing(_: Sequence[LogEntry]) -> None:
            raise RuntimeError("a watcher's own fault")

        start = await storage.log_position()
        ends = [storage.watch(watcher) for watcher in (failing, into(seen, start), into(other, start))]
        await asyncio.gather(*[storage.accept(acceptance(f"m{number}", ALICE)) for number in range(5)])
        assert [(await seen.get()).message_id for _ in range(5)] == [f"m{number}" for number in range(5)]
        assert [(await other.get()).message_id for _ in range(5)] == [f"m{number}" for number in range(5)]
        ends[1]()
        ends[1]()
        await storage.accept(acceptance("later", ALICE))
        assert (await other.get()).message_id == "later"
        assert seen.empty()
        for end in ends:
            end()

    async def test_thousands_of_entries_reach_the_watcher_in_order(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        seen: list[int] = []
        complete = asyncio.Event()

        def note(entries: Sequence[LogEntry]) -> None:
            seen.extend(entry.first_uid for entry in entries if entry.position > start)
            if len(seen) >= 2500:
                complete.set()

        start = await storage.log_position()
        end = storage.watch(note)
        await asyncio.gather(*[storage.accept(acceptance(f"m{number}", ALICE)) for number in range(2500)])
        await asyncio.wait_for(complete.wait(), 30)
        end()
        assert seen == list(range(1, 2501))
