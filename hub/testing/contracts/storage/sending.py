"""The queue: claims, what becomes of them, and what an operator does to it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.mail.address import Address
from hub.services.log import ChangeKind
from hub.services.queue import BULK, PERSONAL, Fate, LeaseLost, QueueAction, QueueOutcome, Selection
from hub.services.storage import Storage
from hub.testing.clock import START, ManualClock
from hub.testing.contracts.storage.fixtures import ALICE, BOB, StorageFixtures
from hub.testing.contracts.storage_peer import acceptance

ANN, BEN = Address("ann", "one.test"), Address("ben", "two.test")
MINUTE = 60.0


class SendingContract(StorageFixtures):
    """`claim`, `renew`, `conclude`, `change_queue` and `next_due`."""

    async def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        await storage.accept(acceptance("m1", queue=[ANN, BEN], sender=ALICE))
        first = await storage.claim(START + MINUTE)
        assert [row.recipient for row in first.rows] == [ANN, BEN]
        assert [row.sender for row in first.rows] == [ALICE, ALICE]
        assert (first.rows[0].message_id, first.rows[0].head_size, first.rows[0].attempts) == ("m1", 500, 0)
        assert (await storage.claim(START + MINUTE)).rows == []
        await storage.renew(first.lease, START + 2 * MINUTE)
        await clock.turn(MINUTE + 1)
        assert (await storage.claim(START + 9 * MINUTE)).rows == []
        await clock.turn(MINUTE)
        second = await storage.claim(START + 9 * MINUTE)
        assert [row.position for row in second.rows] == [row.position for row in first.rows]
        assert second.lease != first.lease

    async def test_an_outcome_counts_only_under_the_lease_that_holds(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        await storage.accept(acceptance("m1", queue=[ANN, BEN], sender=ALICE))
        old = await storage.claim(START + MINUTE)
        await clock.turn(2 * MINUTE)
        new = await storage.claim(START + 9 * MINUTE, limit=1)
        gone, kept = (row.position for row in old.rows)
        before = await storage.log_position()
        with pytest.raises(LeaseLost):
            await storage.conclude(
                old.lease,
                [QueueOutcome(kept, Fate.SENT), QueueOutcome(gone, Fate.SENT)],
                [acceptance("r1", ALICE)],
            )
        assert await storage.log_position() == before
        assert len(await storage.queue()) == 2
        await storage.conclude(new.lease, [QueueOutcome(gone, Fate.SENT, "250 ok")])
        await storage.conclude(old.lease, [QueueOutcome(kept, Fate.SENT, "250 ok")])
        assert await storage.queue() == []

    async def test_a_deferred_row_is_due_again_when_it_was_said(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        await storage.accept(acceptance("m1", queue=[ANN], sender=ALICE))
        assert await storage.next_due() == 0.0
        claim = await storage.claim(START + MINUTE)
        assert await storage.next_due() is None
        outcome = QueueOutcome(claim.rows[0].position, Fate.DEFERRED, "450 4.2.0 later", START + MINUTE)
        await storage.conclude(claim.lease, [outcome])
        assert await storage.next_due() == START + MINUTE
        (row,) = await storage.queue()
        assert (row.attempts, row.reply, row.due_at) == (1, "450 4.2.0 later", START + MINUTE)
        assert (await storage.claim(START + MINUTE)).rows == []
        await clock.turn(MINUTE)
        assert [row.attempts for row in (await storage.claim(START + 2 * MINUTE)).rows] == [1]

    async def test_what_bounced_goes_in_the_same_change_as_its_report(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", queue=[ANN, BEN], sender=ALICE))
        claim = await storage.claim(START + MINUTE)
        position = await storage.log_position()
        outcomes = [QueueOutcome(row.position, Fate.BOUNCED, "550 5.1.1 no") for row in claim.rows]
        await storage.conclude(claim.lease, outcomes, [acceptance("r1", ALICE)])
        entries = await storage.log(position)
        assert [(entry.kind, entry.name, entry.message_id) for entry in entries] == [
            (ChangeKind.BOUNCED, "ann@one.test", "m1"),
            (ChangeKind.BOUNCED, "ben@two.test", "m1"),
            (ChangeKind.DELIVERED, "INBOX", "r1"),
        ]
        assert {entry.account for entry in entries} == {ALICE}
        assert len({entry.modseq for entry in entries}) == 1
        assert await storage.queue() == []

    async def test_rows_of_a_sender_without_an_account_are_concluded_too(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", BOB, queue=[ANN]))
        claim = await storage.claim(START + MINUTE)
        position = await storage.log_position()
        await storage.conclude(claim.lease, [QueueOutcome(claim.rows[0].position, Fate.SENT)])
        (entry,) = await storage.log(position)
        assert (entry.kind, entry.account, entry.modseq) == (ChangeKind.SENT, None, 0)

    async def test_the_longest_due_come_first_and_no_more_than_wanted(self, storage: Storage) -> None:
        for number in range(3):
            await storage.accept(acceptance(f"m{number}", queue=[ANN, BEN], sender=ALICE))
        some = await storage.claim(START + MINUTE, limit=4)
        assert [row.message_id for row in some.rows] == ["m0", "m0", "m1", "m1"]
        rest = await storage.claim(START + MINUTE, limit=4)
        assert [row.message_id for row in rest.rows] == ["m2", "m2"]

    async def test_what_is_held_is_not_sent_until_it_is_released(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", queue=[ANN, BEN], sender=ALICE))
        assert await storage.change_queue(QueueAction.HOLD, Selection(domain="ONE.test")) == 1
        assert [row.recipient for row in (await storage.claim(START + MINUTE)).rows] == [BEN]
        assert [row.state for row in await storage.queue()] == ["held", "queued"]
        assert await storage.change_queue(QueueAction.RELEASE, Selection("m1", recipient=ANN)) == 1
        assert [row.recipient for row in (await storage.claim(START + MINUTE)).rows] == [ANN]

    async def test_a_retry_is_due_now_and_what_is_dropped_is_gone(self, storage: Storage) -> None:
        await storage.accept(acceptance("m1", queue=[ANN, BEN], sender=ALICE))
        claim = await storage.claim(START + MINUTE)
        later = [QueueOutcome(row.position, Fate.DEFERRED, "", START + 9 * MINUTE) for row in claim.rows]
        await storage.conclude(claim.lease, later)
        assert (await storage.claim(START + MINUTE)).rows == []
        chosen = Selection(sender=Address("sender", "example.test"), recipient=BEN)
        assert await storage.change_queue(QueueAction.RETRY, chosen) == 1
        taken = await storage.claim(START + MINUTE)
        assert [row.recipient for row in taken.rows] == [BEN]
        assert await storage.change_queue(QueueAction.DROP, Selection("m1")) == 2
        assert await storage.change_queue(QueueAction.DROP, Selection("m1")) == 0
        with pytest.raises(LeaseLost):
            await storage.conclude(taken.lease, [QueueOutcome(taken.rows[0].position, Fate.SENT)])

    async def test_personal_mail_is_claimed_first_and_what_was_not_tried_waits(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        await storage.accept(replace(acceptance("m1", queue=[ANN], sender=ALICE), priority=BULK))
        await storage.accept(acceptance("m2", queue=[BEN], sender=ALICE))
        claim = await storage.claim(START + MINUTE)
        assert [(row.message_id, row.priority) for row in claim.rows] == [("m2", PERSONAL), ("m1", BULK)]
        position = await storage.log_position()
        later = QueueOutcome(claim.rows[0].position, Fate.WAITING, due_at=START + MINUTE)
        await storage.conclude(claim.lease, [later])
        assert await storage.log_position() == position
        assert await storage.next_due() == START + MINUTE
        assert (await storage.claim(START + MINUTE)).rows == []
        with pytest.raises(LeaseLost):
            await storage.conclude(claim.lease, [later])
        await clock.turn(MINUTE)
        again = await storage.claim(START + 9 * MINUTE, limit=1)
        assert [(row.message_id, row.attempts) for row in again.rows] == [("m1", 0)]  # its lease has ended

    async def test_the_queue_is_counted(self, storage: Storage) -> None:
        old = replace(acceptance("m1", queue=[ANN, BEN], sender=ALICE), received_at=START - 2 * MINUTE)
        await storage.accept(old)
        await storage.accept(acceptance("m2", queue=[Address("eve", "ONE.test")], sender=ALICE))
        await storage.change_queue(QueueAction.HOLD, Selection(domain="two.test"))
        counts = await storage.count_queue([START - MINUTE])
        assert sorted((each.domain, each.state, each.age, each.rows) for each in counts) == [
            ("one.test", "queued", 0, 1),
            ("one.test", "queued", 1, 1),
            ("two.test", "held", 1, 1),
        ]
        held = await storage.count_queue([], selection=Selection(state="held"))
        assert [(each.domain, each.age, each.rows) for each in held] == [("two.test", 0, 1)]

    async def test_who_claims_at_once_shares_the_rows(self, storage: Storage) -> None:
        for number in range(10):
            await storage.accept(acceptance(f"m{number}", queue=[ANN], sender=ALICE))
        claims = await asyncio.gather(*(storage.claim(START + MINUTE, limit=3) for _ in range(5)))
        taken = [row.position for claim in claims for row in claim.rows]
        assert len(taken) == len(set(taken)) == 10
