"""Summaries: kept beside items, read by columns, gone and copied with the items."""

from __future__ import annotations

from hub.mail.sentdate import SentDate
from hub.mail.sortkeys import SortKeys
from hub.services.storage import FlagMode, Storage
from hub.services.summary import Heading, MessageColumn, Outline, Summary
from hub.testing.contracts.storage.fixtures import ALICE, ALL, DELETED, StorageFixtures, filled

KEYS = SortKeys(
    SentDate(1_770_000_000, 20_486),
    b"SUBJECT",
    True,
    b"ANN",
    b"BOB",
    b"",
    b"ANN \xc3\x84",
    b"BOB@EXAMPLE.TEST",
    b"1@example.org",
    (b"a b@example.org", b"\xff\0@example.org"),
)
OUTLINE = Outline(b"(body)", b"(bodystructure \0\xff)", b'"preview"')


def summary(number: int, outline: Outline | None = OUTLINE) -> Summary:
    return Summary(
        Heading(b"(envelope %d)" % number, KEYS, b"SUBJECT: \xff\0" * (number % 2) or None), outline
    )


class SummaryContract(StorageFixtures):
    """`hub.services.summary.Summaries`."""

    async def test_the_columns_of_items_are_there_without_a_summary(self, storage: Storage) -> None:
        mailbox = await filled(storage, 3)
        items = await storage.items(mailbox, ALL)
        own = [
            MessageColumn.SIZE, MessageColumn.INTERNAL_DATE, MessageColumn.SAVED_AT, MessageColumn.MESSAGE_ID,
            MessageColumn.MODSEQ, MessageColumn.LINES, MessageColumn.HEAD_SIZE, MessageColumn.BLOB,
        ]  # fmt: skip
        assert [tuple(row) for row in await storage.columns(mailbox, [(1, 1), (3, 9)], own)] == [
            (
                item.uid, item.size, item.internal_date, item.saved_at, item.message_id, item.modseq,
                item.lines, item.head_size, item.blob,
            )
            for item in (items[0], items[2])
        ]  # fmt: skip
        made = [column for column in MessageColumn if column not in own]
        assert [tuple(row) for row in await storage.columns(mailbox, [(2, 2)], made)] == [
            (2, *[None] * len(made))
        ]

    async def test_what_was_kept_is_read_as_it_was(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        await storage.keep_summaries(mailbox, {2: summary(2), 1: summary(1, None)})
        wanted = [
            MessageColumn.ENVELOPE, MessageColumn.SUBJECT, MessageColumn.IS_REPLY, MessageColumn.SENDER,
            MessageColumn.TO, MessageColumn.CC, MessageColumn.SENDER_NAME, MessageColumn.TO_NAME,
            MessageColumn.SENT, MessageColumn.SENT_DAY, MessageColumn.HEADER_ID, MessageColumn.REFERENCES,
            MessageColumn.FIELDS,
        ]  # fmt: skip
        keys = (
            b"SUBJECT", True, b"ANN", b"BOB", b"", b"ANN \xc3\x84", b"BOB@EXAMPLE.TEST", 1_770_000_000,
            20_486, b"1@example.org", b"a b@example.org\n\xff\0@example.org",
        )  # fmt: skip
        assert [tuple(row) for row in await storage.columns(mailbox, ALL, wanted)] == [
            (1, b"(envelope 1)", *keys, b"SUBJECT: \xff\0"),
            (2, b"(envelope 2)", *keys, None),
        ]
        outline = [MessageColumn.BODY, MessageColumn.BODYSTRUCTURE, MessageColumn.PREVIEW]
        assert [tuple(row) for row in await storage.columns(mailbox, ALL, outline)] == [
            (1, None, None, None),
            (2, b"(body)", b"(bodystructure \0\xff)", b'"preview"'),
        ]

    async def test_a_later_summary_takes_the_place_of_an_earlier_one(self, storage: Storage) -> None:
        mailbox = await filled(storage, 1)
        await storage.keep_summaries(mailbox, {1: summary(1, None)})
        await storage.keep_summaries(mailbox, {1: summary(7)})
        wanted = [MessageColumn.ENVELOPE, MessageColumn.BODY]
        assert [tuple(row) for row in await storage.columns(mailbox, ALL, wanted)] == [
            (1, b"(envelope 7)", b"(body)")
        ]

    async def test_keeping_changes_nothing_that_anybody_is_told_of(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        before = await storage.mailboxes(ALICE), await storage.states(mailbox), await storage.log_position()
        await storage.keep_summaries(mailbox, {1: summary(1), 9: summary(9)})
        after = await storage.mailboxes(ALICE), await storage.states(mailbox), await storage.log_position()
        assert after == before

    async def test_a_summary_of_an_item_that_is_gone_is_not_kept(self, storage: Storage) -> None:
        mailbox = await filled(storage, 2)
        await storage.keep_summaries(mailbox, {3: summary(3)})  # nobody has this UID yet
        await storage.append(ALICE, mailbox, [])
        await storage.copy(mailbox, [(1, 1)], mailbox)
        rows = await storage.columns(mailbox, [(3, 3)], [MessageColumn.ENVELOPE])
        assert [tuple(row) for row in rows] == [(3, None)]

    async def test_copies_have_the_summary_and_expunged_items_take_theirs_along(
        self, storage: Storage
    ) -> None:
        mailbox = await filled(storage, 3)
        archive = await storage.mailbox(ALICE, "Archive")
        assert archive is not None
        await storage.keep_summaries(mailbox, {1: summary(1), 3: summary(3)})
        await storage.copy(mailbox, [(1, 1), (3, 3)], archive.id)
        await storage.store_flags(mailbox, [(1, 1)], FlagMode.ADD, DELETED)
        await storage.expunge(mailbox)
        wanted = [MessageColumn.ENVELOPE]
        assert [tuple(row) for row in await storage.columns(archive.id, ALL, wanted)] == [
            (1, b"(envelope 1)"),
            (2, b"(envelope 3)"),
        ]
        assert [tuple(row) for row in await storage.columns(mailbox, ALL, wanted)] == [
            (2, None),
            (3, b"(envelope 3)"),
        ]
