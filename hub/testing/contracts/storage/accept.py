"""Mail in."""

from __future__ import annotations

import asyncio

import pytest

from hub.mail.address import Address
from hub.mail.dsn import Dsn, RecipientDsn
from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.services.queue import Selection
from hub.services.storage import MailboxExists, MailboxMissing, Storage, Totals, Usage
from hub.testing.clock import START
from hub.testing.contracts.storage.fixtures import (
    ALICE,
    BOB,
    FIRST_MAILBOXES,
    SEEN,
    OpenStorage,
    StorageFixtures,
    filled,
    inbox,
    new_item,
)
from hub.testing.contracts.storage_peer import acceptance


class AcceptContract(StorageFixtures):
    """Mail in: `accept`, `append`, the queue, and what an account holds."""

    async def test_an_accepted_message_is_an_item_with_lines_of_its_own(self, storage: Storage) -> None:
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

    async def test_totals_are_of_all_accounts_and_the_queue(self, storage: Storage) -> None:
        assert await storage.totals() == Totals(0, 0, 0, None)
        await storage.accept(
            acceptance("m1", ALICE, BOB, queue=[Address("x", "elsewhere.test")], sender=ALICE)
        )
        usages = [await storage.usage(account) for account in (ALICE, BOB)]
        assert await storage.totals() == Totals(2, sum(usage.size for usage in usages), 1, START)

    async def test_an_id_that_was_accepted_before_changes_nothing(self, storage: Storage) -> None:
        message = acceptance("m1", ALICE, BOB, queue=[Address("x", "elsewhere.test")], sender=ALICE)
        first = await storage.accept(message)
        position = await storage.log_position()
        assert await storage.accept(message) == first
        again = await asyncio.gather(storage.accept(message), storage.accept(message))
        assert list(again) == [first, first]
        assert await storage.log_position() == position
        assert len(await storage.queue()) == 1
        assert await storage.usage(ALICE) == Usage((await inbox(storage)).size, 1)

    async def test_reports_are_kept_with_their_message_or_not_at_all(self, storage: Storage) -> None:
        message = acceptance("m1", ALICE, queue=[Address("x", "elsewhere.test")])
        report = acceptance("r1", BOB)
        (placed,) = await storage.accept(message, [report])
        assert placed.account == ALICE
        assert [state.uid for state in await storage.states((await inbox(storage, BOB)).id)] == [1]
        position = await storage.log_position()
        assert list(await storage.accept(message, [report])) == [placed]
        assert await storage.log_position() == position
        with pytest.raises(MailboxExists):
            await storage.accept(acceptance("m2", ALICE), [acceptance("r2", BOB, mailbox="no//name")])
        assert await storage.log_position() == position

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

    async def test_changes_that_come_together_see_each_other_in_their_order(self, storage: Storage) -> None:
        await storage.ensure_account(ALICE)
        results = await asyncio.gather(
            storage.accept(acceptance("m1", ALICE, mailbox="\\Junk")),
            storage.rename_mailbox(ALICE, "Junk", "Rubbish"),
            storage.accept(acceptance("m2", ALICE, mailbox="\\Junk")),
            storage.delete_mailbox(ALICE, "Rubbish"),
            storage.accept(acceptance("m3", ALICE, mailbox="\\Junk")),
            storage.accept(acceptance("m4", ALICE, mailbox="Junk")),
        )
        placed = [place for result in results if result is not None for place in result]
        assert [(place.mailbox, place.uid) for place in placed] == [
            ("Junk", 1),
            ("Rubbish", 2),
            ("Junk", 1),
            ("Junk", 2),
        ]
        assert len({place.mailbox_id for place in placed}) == 2
        assert (await storage.usage(ALICE)).messages == 2

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

    async def test_what_the_sender_wants_to_hear_is_in_the_queue_rows(self, storage: Storage) -> None:
        first, second, third = (Address(name, "elsewhere.test") for name in ("one", "two", "three"))
        asked = {
            first: RecipientDsn(("SUCCESS", "DELAY"), "rfc822;Ünï, with = and +@elsewhere.test"),
            second: RecipientDsn(("NEVER",)),
        }
        await storage.accept(
            acceptance("m1", queue=[first, second, third], dsn=Dsn("HDRS", "an id, of theirs", asked))
        )
        await storage.accept(acceptance("m2", queue=[first]))
        rows = await storage.queue(selection=Selection("m1"))
        assert [row.dsn for row in rows] == [asked[first], asked[second], RecipientDsn()]
        assert {(row.ret, row.envid) for row in rows} == {("HDRS", "an id, of theirs")}
        (plain,) = await storage.queue(selection=Selection("m2"))
        assert (plain.ret, plain.envid, plain.dsn) == (None, None, RecipientDsn())
        assert await storage.queue(selection=Selection("m3")) == []
        assert await storage.queue() == [*rows, plain]

    async def test_that_mail_is_to_be_protected_is_in_its_queue_rows(self, storage: Storage) -> None:
        there = Address("one", "elsewhere.test")
        await storage.accept(acceptance("m1", queue=[there], requires_tls=True))
        await storage.accept(acceptance("m2", queue=[there]))
        assert [row.requires_tls for row in await storage.queue()] == [True, False]

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
