"""What is expunged keeps its message where it was, so its id is nobody else's until that is forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from hub_plugin_storage_sql import SqlStorage

from hub import AccountRef, FlagMode, NewItem
from hub.testing.clock import ManualClock
from hub.testing.plugin import PluginScope

ALICE = AccountRef("default", "alice")
ALL = [(1, 100)]
DELETED = frozenset({"\\Deleted"})


async def messages(storage: SqlStorage, mailbox: int) -> dict[int, str]:
    """UID → id of the message."""
    return {item.uid: item.message_id for item in await storage.items(mailbox, ALL)}


async def test_neither_uids_nor_mailboxes_are_given_twice(
    plugin_scope: PluginScope, manual_clock: ManualClock, database: Mapping[str, object]
) -> None:
    async with SqlStorage(plugin_scope("storage-sql", database)) as storage:
        await storage.ensure_account(ALICE)
        made = []
        for round_ in "abc":
            box = (await storage.create_mailbox(ALICE, "newest")).id
            made.append(box)
            for number in (1, 2):  # the newest of its mailbox goes, and the next takes another id
                await storage.append(
                    ALICE, box, [NewItem(f"{round_}{number}", f"s:{round_}{number}", 1, 2, 0)]
                )
                await storage.store_flags(box, [(number, number)], FlagMode.SET, DELETED)
                assert await storage.expunge(box) == [number]
            await storage.append(ALICE, box, [NewItem(f"{round_}3", f"s:{round_}3", 1, 2, 0)])
            assert await messages(storage, box) == {3: f"{round_}3"}
            # A repair does not lower what only rises.
            assert await storage.check(ALICE, repair=True) == []
            await storage.delete_mailbox(ALICE, "newest")
        assert made == sorted(set(made))
        listed = await storage.expunged(ALICE)
        assert [each.item.message_id for each in listed] == [f"{a}{n}" for a in "abc" for n in (1, 2, 3)]
        await storage.undelete(ALICE, [each.id for each in listed], "back")
        back = await storage.mailbox(ALICE, "back")
        assert back is not None
        everything = {uid + 1: each.item.message_id for uid, each in enumerate(listed)}
        assert await messages(storage, back.id) == everything
        assert await storage.purge_expunged(manual_clock.time() + 1) == 9
        assert await messages(storage, back.id) == everything
        await storage.clear()
        await storage.ensure_account(ALICE)
        assert min(box.id for box in await storage.mailboxes(ALICE)) > back.id
