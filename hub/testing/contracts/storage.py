"""The contract of `Storage` drivers.

class TestSqlite(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_storage_sql:SqlStorage"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.log import ChangeKind, LogEntry
from hub.services.storage import (
    FlagMode,
    ItemState,
    Mailbox,
    MailboxExists,
    MailboxMissing,
    NewItem,
    Storage,
    Usage,
)
from hub.testing.contracts.scope import START, StoppedClock
from hub.testing.contracts.storage_peer import acceptance, open_driver

OpenStorage: TypeAlias = Callable[[], AbstractAsyncContextManager[Storage]]

ALICE: Final = AccountRef("default", "alice")
BOB: Final = AccountRef("default", "bob")
FIRST_MAILBOXES: Final = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
ALL: Final = [(1, (1 << 32) - 1)]
SEEN: Final = frozenset({"\\Seen"})
DELETED: Final = frozenset({"\\Deleted"})


def new_item(number: int, flags: frozenset[str] = frozenset()) -> NewItem:
    """A message of 1,000 octets that a client appends."""
    return NewItem(f"item-{number}", f"store:{number}", 100, 1000, int(START) - number, flags)


async def inbox(storage: Storage, account: AccountRef = ALICE) -> Mailbox:
    """An account's INBOX as it stands."""
    found = await storage.mailbox(account, "INBOX")
    assert found is not None
    return found


async def filled(storage: Storage, count: int, flags: frozenset[str] = frozenset()) -> int:
    """Alice's INBOX with so many new items; its id."""
    await storage.ensure_account(ALICE)
    mailbox = (await inbox(storage)).id
    await storage.append(ALICE, mailbox, [new_item(number, flags) for number in range(count)])
    return mailbox


def flags_by_uid(states: Sequence[ItemState]) -> dict[int, set[str]]:
    """The states without their modseqs, to compare."""
    return {state.uid: set(state.flags) for state in states}


class StorageFixtures:
    """What the classes of the contract share. `driver` is `module:Class`, so that other processes can build it too."""

    @pytest.fixture
    def driver(self) -> str:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        """The driver's table; other processes get the same, so it is made of what JSON has."""
        return {}

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def clock(self) -> StoppedClock:
        return StoppedClock()

    @pytest.fixture
    def open_storage(
        self, driver: str, settings: Mapping[str, object], folder: Path, clock: StoppedClock
    ) -> OpenStorage:
        return lambda: open_driver(driver, folder, settings, clock)

    @pytest.fixture
    async def storage(self, open_storage: OpenStorage) -> AsyncIterator[Storage]:
        async with open_storage() as storage:
            yield storage


class AcceptContract(StorageFixtures):
    """Mail in: `accept`, `append`, the queue, and what an account holds."""

    async def test_an_accepted_message_is_an_item_with_its_recipients_own_lines(self, storage: Storage) -> None:
        (placed,) = await storage.accept(acceptance("m1", ALICE, flags=frozenset({"$Label1"})))
        assert (placed.account, placed.mailbox, placed.uid) == (ALICE, "INBOX", 1)
        (item,) = await storage.items(placed.mailbox_id, [(1, 1)])
        assert (item.uid, item.blob, item.message_id) == (1, "store:m1", "m1")
        assert item.flags == {"$Label1"}
        assert item.lines == b"Return-Path: <sender@example.test>\r\n"
        assert (item.head_size, item.size) == (500, 4000 + len(item.lines))
        assert item.internal_date == int(START)

    async def test_a_new_account_has_its_first_mailboxes(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE))
        mailboxes = await storage.mailboxes(ALICE)
        assert [mailbox.name for mailbox in mailboxes] == FIRST_MAILBOXES
        assert {mailbox.special_use for mailbox in mailboxes} == {
            "\\Archive",
            "\\Drafts",
            "\\Junk",
            "\\Sent",
            "\\Trash",
            None,
        }
        assert all(mailbox.subscribed for mailbox in mailboxes)
        assert await storage.mailboxes(BOB) == []

    async def test_ensuring_an_account_again_changes_nothing(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        before = await storage.mailboxes(ALICE), await storage.log_position()
        await storage.ensure_account(ALICE)
        assert (await storage.mailboxes(ALICE), await storage.log_position()) == before

    async def test_the_same_key_in_another_tenant_is_another_account(self, storage: Storage) -> None:
        elsewhere = AccountRef("other", "alice")
        await storage.accept(acceptance("m1", ALICE))
        await storage.accept(acceptance("m2", elsewhere))
        assert (await inbox(storage)).id != (await inbox(storage, elsewhere)).id
        assert (await storage.usage(ALICE)).messages == 1

    async def test_an_id_that_was_accepted_before_changes_nothing(self, storage: Storage) -> None:
        message = acceptance("m1", ALICE, BOB, queue=[Address("x", "elsewhere.test")], sender=ALICE)
        first = await storage.accept(message)
        position = await storage.log_position()
        assert await storage.accept(message) == first
        assert await asyncio.gather(storage.accept(message), storage.accept(message)) == [first, first]
        assert await storage.log_position() == position
        assert len(await storage.queue()) == 1
        assert await storage.usage(ALICE) == Usage((await inbox(storage)).size, 1)

    async def test_one_message_for_several_is_one_change_in_each_account(self, storage: Storage) -> None:
        message = acceptance("m1", ALICE, BOB, ALICE)
        placed = await storage.accept(message)
        assert [(place.account, place.uid) for place in placed] == [(ALICE, 1), (BOB, 1), (ALICE, 2)]
        states = await storage.states((await inbox(storage)).id)
        assert len({state.modseq for state in states}) == 1

    async def test_a_special_use_is_found_whatever_the_mailbox_is_called(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        await storage.rename_mailbox(ALICE, "Junk", "Rubbish")
        (placed,) = await storage.accept(acceptance("m1", ALICE, mailbox="\\Junk"))
        assert placed.mailbox == "Rubbish"

    async def test_a_special_use_without_a_mailbox_gets_one(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        await storage.delete_mailbox(ALICE, "Junk")
        (placed,) = await storage.accept(acceptance("m1", ALICE, mailbox="\\Junk"))
        assert placed.mailbox == "Junk"
        junk = await storage.mailbox(ALICE, "Junk")
        assert junk is not None
        assert (junk.special_use, junk.messages) == ("\\Junk", 1)

    async def test_a_mailbox_of_the_usual_name_takes_over_the_special_use(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        await storage.delete_mailbox(ALICE, "Junk")
        own = await storage.create_mailbox(ALICE, "Junk")
        placed = await storage.accept(acceptance("m1", ALICE, mailbox="\\Junk"))
        assert [place.mailbox_id for place in placed] == [own.id]
        junk = await storage.mailbox(ALICE, "Junk")
        assert junk is not None
        assert junk.special_use == "\\Junk"

    async def test_a_missing_mailbox_and_its_parents_are_made(self, storage: Storage) -> None:
        (placed,) = await storage.accept(acceptance("m1", ALICE, mailbox="Lists/python/dev"))
        names = [mailbox.name for mailbox in await storage.mailboxes(ALICE)]
        assert placed.mailbox == "Lists/python/dev"
        assert {"Lists", "Lists/python", "Lists/python/dev"} < set(names)

    async def test_recipients_elsewhere_are_queue_rows_in_the_order_of_their_coming(
        self, storage: Storage
    ) -> None:
        first, second = Address("Odd name", "elsewhere.test"), Address("ünï", "beispiel.test")
        await storage.accept(acceptance("m1", queue=[first, second], sender=ALICE))
        await storage.accept(acceptance("m2", BOB, queue=[first]))
        rows = await storage.queue()
        assert [(row.message_id, row.recipient) for row in rows] == [
            ("m1", first),
            ("m1", second),
            ("m2", first),
        ]
        assert [row.position for row in rows] == sorted({row.position for row in rows})
        assert {(row.blob, row.size, row.state, row.created_at) for row in rows[:2]} == {
            ("store:m1", 4000, "queued", START)
        }
        assert rows[0].reverse_path == Address("sender", "example.test")
        assert await storage.queue(limit=1) == rows[:1]

    async def test_queued_mail_is_in_the_log_of_its_sender(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", queue=[Address("x", "elsewhere.test")], sender=ALICE))
        await storage.accept(acceptance("m2", queue=[Address("x", "elsewhere.test")]))
        queued = [entry for entry in await storage.log(0) if entry.kind is ChangeKind.QUEUED]
        assert [(entry.account, entry.message_id, entry.collection) for entry in queued] == [
            (ALICE, "m1", None),
            (None, "m2", None),
        ]

    async def test_appended_items_get_the_next_uids(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        appended = await storage.append(ALICE, mailbox, [new_item(7, SEEN), new_item(8)])
        found = await inbox(storage)
        assert appended.uidvalidity == found.uidvalidity
        assert appended.uids == (3, 4)
        assert (found.uidnext, found.messages, found.unseen, found.size) == (5, 4, 3, 4000)
        assert await storage.usage(ALICE) == Usage(4000, 4)
        (item,) = await storage.items(mailbox, [(3, 3)])
        assert (item.message_id, item.lines, item.size, item.flags) == ("item-7", b"", 1000, SEEN)

    async def test_nobody_appends_to_the_mailbox_of_another(self, storage: Storage) -> None:
        mailbox = await filled(storage, 0)
        await storage.ensure_account(BOB)
        with pytest.raises(MailboxMissing):
            await storage.append(BOB, mailbox, [new_item(1)])
        with pytest.raises(MailboxMissing):
            await storage.append(ALICE, 999, [new_item(1)])

    async def test_what_cannot_be_accepted_fails_alone(self, storage: Storage) -> None:
        good = [acceptance(f"m{number}", ALICE, BOB) for number in range(20)]
        bad = acceptance("bad", ALICE, mailbox="no//name")
        results = await asyncio.gather(
            *[storage.accept(message) for message in [*good[:10], bad, *good[10:]]], return_exceptions=True
        )
        failed = [result for result in results if isinstance(result, BaseException)]
        assert [type(error) for error in failed] == [MailboxExists]
        states = await storage.states((await inbox(storage)).id)
        assert [state.uid for state in states] == list(range(1, 21))
        assert "bad" not in {entry.message_id for entry in await storage.log(0)}

    async def test_what_is_no_flag_is_refused(self, storage: Storage) -> None:
        for flag in ("", "two words", "new\nline"):
            with pytest.raises(ValueError, match="flag"):
                await storage.accept(acceptance("m1", ALICE, flags=frozenset({flag})))
        assert await storage.mailboxes(ALICE) == []

    async def test_what_was_answered_is_there_when_the_store_is_opened_anew(
        self, open_storage: OpenStorage
    ) -> None:
        async with open_storage() as storage:
            await storage.accept(acceptance("m1", ALICE))
            before = await storage.mailboxes(ALICE)
        async with open_storage() as storage:
            assert await storage.mailboxes(ALICE) == before
            (placed,) = await storage.accept(acceptance("m2", ALICE))
            assert placed.uid == 2


class MailboxContract(StorageFixtures):
    """Mailboxes by name, and subscriptions."""

    async def test_inbox_is_found_in_any_case_and_other_names_exactly(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        assert await storage.mailbox(ALICE, "inBox") == await inbox(storage)
        assert await storage.mailbox(ALICE, "junk") is None
        created = await storage.create_mailbox(ALICE, "inbox/Work")
        assert created.name == "INBOX/Work"
        assert await storage.mailbox(ALICE, "iNbOx/Work") == created

    async def test_a_mailbox_is_created_with_its_parents(self, storage: Storage) -> None:
        created = await storage.create_mailbox(ALICE, "a/b/c", "\\All")
        names = [mailbox.name for mailbox in await storage.mailboxes(ALICE)]
        assert sorted([*FIRST_MAILBOXES, "a", "a/b", "a/b/c"]) == names
        assert created == await storage.mailbox(ALICE, "a/b/c")
        assert (created.uidnext, created.messages, created.special_use) == (1, 0, "\\All")

    @pytest.mark.parametrize("name", ["INBOX", "inbox", "Junk", "", "/a", "a/", "a//b", "a\nb", "\\Junk", "x" * 2000])
    async def test_a_name_that_cannot_be_had_is_refused(self, storage: Storage, name: str) -> None:
        await storage.ensure_account(ALICE)
        with pytest.raises(MailboxExists):
            await storage.create_mailbox(ALICE, name)
        with pytest.raises(MailboxExists):
            await storage.rename_mailbox(ALICE, "Sent", name)
        assert [mailbox.name for mailbox in await storage.mailboxes(ALICE)] == FIRST_MAILBOXES

    async def test_a_name_may_be_of_any_script(self, storage: Storage) -> None:
        for name in ("Entwürfe", "メール\u3000箱", "👩\u200d🔬", "100% & <sure>'\""):
            await storage.create_mailbox(ALICE, name)
            assert await storage.mailbox(ALICE, name) is not None

    async def test_a_name_never_gets_the_same_uidvalidity_again(self, storage: Storage) -> None:
        seen = [(await storage.create_mailbox(ALICE, "Temp")).uidvalidity]
        for _ in range(3):
            await storage.delete_mailbox(ALICE, "Temp")
            seen.append((await storage.create_mailbox(ALICE, "Temp")).uidvalidity)
        assert seen == sorted(set(seen))
        assert seen[-1] < 1 << 32

    async def test_a_deleted_mailbox_takes_its_items_along_and_leaves_its_children(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE, mailbox="a/b"))
        await storage.accept(acceptance("m2", ALICE, mailbox="a"))
        (parent, child) = [await storage.mailbox(ALICE, name) for name in ("a", "a/b")]
        assert parent is not None
        assert child is not None
        await storage.delete_mailbox(ALICE, "a")
        assert await storage.mailbox(ALICE, "a") is None
        assert (await storage.usage(ALICE)).messages == 1
        assert [state.uid for state in await storage.states(child.id)] == [1]
        assert await storage.items(parent.id, ALL) == []
        for gone in (storage.states(parent.id), storage.changes(parent.id, 0), storage.expunge(parent.id)):
            with pytest.raises(MailboxMissing):
                await gone

    async def test_a_new_mailbox_of_a_deleted_ones_name_is_empty_and_has_another_id(self, storage: Storage) -> None:
        (placed,) = await storage.accept(acceptance("m1", ALICE, mailbox="Temp"))
        await storage.delete_mailbox(ALICE, "Temp")
        anew = await storage.create_mailbox(ALICE, "Temp")
        assert anew.id != placed.mailbox_id
        assert await storage.states(anew.id) == []

    async def test_inbox_and_what_is_not_there_cannot_be_deleted(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        with pytest.raises(MailboxExists):
            await storage.delete_mailbox(ALICE, "Inbox")
        with pytest.raises(MailboxMissing):
            await storage.delete_mailbox(ALICE, "nowhere")
        with pytest.raises(MailboxMissing):
            await storage.delete_mailbox(BOB, "Junk")

    async def test_a_renamed_mailbox_keeps_its_items_and_takes_its_children_along(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", ALICE, mailbox="a/b/c"))
        await storage.create_mailbox(ALICE, "ab")
        before = {mailbox.name: mailbox.id for mailbox in await storage.mailboxes(ALICE)}
        await storage.rename_mailbox(ALICE, "a", "x/y")
        after = {mailbox.name: mailbox.id for mailbox in await storage.mailboxes(ALICE)}
        assert {"x", "x/y", "x/y/b", "x/y/b/c", "ab"} < set(after)
        assert {"a", "a/b", "a/b/c"}.isdisjoint(after)
        assert after["x/y/b/c"] == before["a/b/c"]
        assert [state.uid for state in await storage.states(after["x/y/b/c"])] == [1]

    async def test_a_mailbox_is_not_renamed_onto_another_or_into_itself(self, storage: Storage) -> None:
        for name in ("a/b", "x/b"):
            await storage.create_mailbox(ALICE, name)
        before = await storage.mailboxes(ALICE)
        for old, new in (("a", "x"), ("a", "a"), ("a", "a/c"), ("a/b", "x/b"), ("a", "INBOX")):
            with pytest.raises(MailboxExists):
                await storage.rename_mailbox(ALICE, old, new)
        with pytest.raises(MailboxMissing):
            await storage.rename_mailbox(ALICE, "nowhere", "y")
        assert await storage.mailboxes(ALICE) == before

    async def test_renaming_inbox_moves_its_messages(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3, SEEN)
        await storage.create_mailbox(ALICE, "INBOX/child")
        await storage.rename_mailbox(ALICE, "INBOX", "Old")
        old = await storage.mailbox(ALICE, "Old")
        assert old is not None
        assert (old.messages, old.size, old.unseen) == (3, 3000, 0)
        assert flags_by_uid(await storage.states(old.id)) == {1: SEEN, 2: SEEN, 3: SEEN}
        assert await inbox(storage) == await storage.mailbox(ALICE, "INBOX")
        left = await inbox(storage)
        assert (left.id, left.messages, left.uidnext) == (mailbox, 0, 4)
        assert await storage.mailbox(ALICE, "INBOX/child") is not None
        assert await storage.usage(ALICE) == Usage(3000, 3)

    async def test_a_name_is_subscribed_to_whether_it_is_a_mailbox_or_not(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        await storage.subscribe(ALICE, "nowhere", True)
        await storage.subscribe(ALICE, "inbox", False)
        await storage.subscribe(ALICE, "Junk", True)
        await storage.delete_mailbox(ALICE, "Sent")
        expected = sorted({*FIRST_MAILBOXES, "nowhere"} - {"INBOX"})
        assert await storage.subscriptions(ALICE) == expected
        assert not (await inbox(storage)).subscribed
        created = await storage.create_mailbox(ALICE, "nowhere")
        assert created.subscribed
        assert await storage.subscriptions(BOB) == []

    async def test_every_change_of_mailboxes_is_in_the_log_once(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        position = await storage.log_position()
        await storage.create_mailbox(ALICE, "a")
        await storage.rename_mailbox(ALICE, "a", "b")
        await storage.subscribe(ALICE, "b", True)
        await storage.subscribe(ALICE, "b", True)
        await storage.subscribe(ALICE, "b", False)
        await storage.delete_mailbox(ALICE, "b")
        entries = await storage.log(position)
        assert [(entry.kind.value, entry.name) for entry in entries] == [
            ("created", "a"),
            ("renamed", "b"),
            ("subscribed", "b"),
            ("unsubscribed", "b"),
            ("deleted", "b"),
        ]
        assert [entry.modseq for entry in entries] == sorted({entry.modseq for entry in entries})
        assert {entry.account for entry in entries} == {ALICE}


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

    async def test_two_changes_at_once_have_a_modseq_each(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        stored = await asyncio.gather(
            *[storage.store_flags(mailbox, ALL, FlagMode.SET, frozenset({f"$k{number}"})) for number in range(20)]
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
        same = [
            (item.blob, item.flags, item.lines, item.head_size, item.size, item.internal_date, item.message_id)
            for item in originals
        ]
        assert same == [
            (item.blob, item.flags, item.lines, item.head_size, item.size, item.internal_date, item.message_id)
            for item in copies
        ]
        found = await storage.mailbox(ALICE, "Copies")
        assert found is not None
        assert (found.messages, found.unseen, found.size, found.uidnext) == (4, 3, 4000, 5)
        assert (await inbox(storage)).messages == 5

    async def test_a_mailbox_can_be_copied_into_itself_and_nothing_into_nothing(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        assert (await storage.copy(mailbox, ALL, mailbox)).pairs == ((1, 4), (2, 5), (3, 6))
        assert (await storage.copy(mailbox, [(90, 99)], mailbox)).pairs == ()
        with pytest.raises(MailboxMissing):
            await storage.copy(mailbox, ALL, 999)
        await storage.ensure_account(BOB)
        with pytest.raises(MailboxMissing):
            await storage.copy(mailbox, ALL, (await inbox(storage, BOB)).id)

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
        assert (nothing.changed, nothing.vanished) == ((), ())
        everything = await storage.changes(mailbox, 0)
        assert [state.uid for state in everything.changed] == [1, 4, 5, 6, 7]
        assert everything.vanished == ((2, 3),)

    async def test_nothing_is_done_in_a_mailbox_that_is_not_there(self, storage: Storage) -> None:
        for call in (
            storage.states(99),
            storage.changes(99, 0),
            storage.store_flags(99, ALL, FlagMode.ADD, SEEN),
            storage.copy(99, ALL, 99),
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


class LogContract(StorageFixtures):
    """The change log and its watchers."""

    async def test_the_log_has_every_change_in_the_order_of_its_positions(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        position = await storage.log_position()
        (placed,) = await storage.accept(acceptance("m1", ALICE))
        await storage.store_flags(mailbox, [(1, 1), (3, 4)], FlagMode.ADD, DELETED)
        await storage.expunge(mailbox)
        entries = await storage.log(position)
        assert [(entry.kind.value, entry.first_uid, entry.last_uid, entry.message_id) for entry in entries] == [
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

        ends = [storage.watch(failing)]
        ends += [
            storage.watch(lambda entries: [queue.put_nowait(entry) for entry in entries] and None)
            for queue in (seen, other)
        ]
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

    async def test_a_thousand_entries_of_one_commit_reach_the_watcher_in_order(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        seen: list[int] = []
        complete = asyncio.Event()

        def note(entries: Sequence[LogEntry]) -> None:
            seen.extend(entry.first_uid for entry in entries)
            if len(seen) >= 2500:
                complete.set()

        end = storage.watch(note)
        await asyncio.gather(*[storage.accept(acceptance(f"m{number}", ALICE)) for number in range(2500)])
        await asyncio.wait_for(complete.wait(), 30)
        end()
        assert seen == list(range(1, 2501))


class StorageContract(AcceptContract, MailboxContract, ItemContract, LogContract):
    """The whole contract of one process; `ProcessContract` and `SharedStateContract` have the rest."""

    async def test_the_status_names_the_driver_and_its_schema(self, storage: Storage) -> None:
        status = storage.status()
        assert {"driver", "location", "revision", "waiting"} <= status.keys()
