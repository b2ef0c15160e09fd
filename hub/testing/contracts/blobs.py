"""The contract of `Blobs` drivers.

class TestSegments(BlobsContract):
    @pytest.fixture
    def open_blobs(self, tmp_path):
        return lambda: SegmentBlobs(scope(tmp_path))

Where a driver waits before it collects garbage, the fixture sets that to nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest

from hub.services.blobs import LAST_REFERENCE, BlobGone, BlobRecord, Blobs, BlobUse

OpenBlobs: TypeAlias = Callable[[], AbstractAsyncContextManager[Blobs]]

HEAD = b"Subject: one\r\nFrom: a@example.test\r\n\r\n"
BODY = b"body\r\n.\r\n\x00\xff\r\n"
PIECE = 256 << 10


class MemoryIndex:
    """Which name refers to which blob: the `References` of a test."""

    def __init__(self) -> None:
        self.rows: dict[str, BlobUse] = {}

    def add(self, name: str, reference: str, size: int, head_size: int = len(HEAD)) -> None:
        """A row that refers to a blob."""
        self.rows[name] = BlobUse(reference, head_size, size)

    async def references(
        self, after: str = "", before: str = LAST_REFERENCE, limit: int = 1000
    ) -> Sequence[BlobUse]:
        """What the rows refer to between the two, in order, each once."""
        await asyncio.sleep(0)
        found = {use for use in self.rows.values() if after < use.reference < before}
        return sorted(found, key=lambda use: use.reference)[:limit]

    async def move_references(self, moved: Mapping[str, str]) -> None:
        """All at once, as in a store."""
        await asyncio.sleep(0)
        for name, use in self.rows.items():
            if use.reference in moved:
                self.rows[name] = BlobUse(moved[use.reference], use.head_size, use.size)


class BlobsContract:
    """Inherit it and give `open_blobs`: opens the same store anew at each call, even while it is open."""

    @pytest.fixture
    def open_blobs(self) -> OpenBlobs:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    @pytest.fixture
    async def blobs(self, open_blobs: OpenBlobs) -> AsyncIterator[Blobs]:
        async with open_blobs() as blobs:
            yield blobs

    async def test_status_names_the_driver(self, blobs: Blobs) -> None:
        assert (await blobs.status())["driver"]

    async def test_what_was_put_is_read_as_one_piece(self, blobs: Blobs) -> None:
        reference = await blobs.put(HEAD, BODY, b"recovery")
        assert await blobs.read(reference) == HEAD + BODY

    async def test_head_body_and_recovery_may_each_be_empty(self, blobs: Blobs) -> None:
        for head, body, recovery in ((HEAD, b"", b""), (b"", BODY, b"r"), (b"", b"", b"")):
            assert await blobs.read(await blobs.put(head, body, recovery)) == head + body

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 0), (0, 1), (3, None), (5, 40), (len(HEAD), None), (len(HEAD) - 2, 4), (0, 10_000)],
    )
    async def test_a_part_is_read_and_cut_at_the_end(
        self, blobs: Blobs, offset: int, length: int | None
    ) -> None:
        reference = await blobs.put(HEAD, BODY, b"")
        whole = HEAD + BODY
        wanted = whole[offset:] if length is None else whole[offset : offset + length]
        assert await blobs.read(reference, offset, length) == wanted
        assert b"".join([piece async for piece in blobs.stream(reference, offset, length)]) == wanted

    async def test_many_are_read_at_once_in_the_order_that_was_asked(self, blobs: Blobs) -> None:
        bodies = [b"%d" % number * size for number, size in enumerate((3, 5000, 0, 300_000, 20_000, 4000, 7))]
        put = [await blobs.put(HEAD, body, b"r") for body in bodies]
        elsewhere = "0000.seg:0:52:9"
        for order in ((0, 1, 2, 3, 4, 5, 6), (6, 2, 4, 4, 0), ()):
            wanted = [(put[number], length) for number in order for length in (None, len(HEAD), 3, 0, 4999)]
            found = await blobs.read_many([*wanted, (elsewhere, None)])
            assert found[:-1] == [
                (HEAD + bodies[number])[:length]
                for number in order
                for length in (None, len(HEAD), 3, 0, 4999)
            ]
            assert isinstance(found[-1], BlobGone)

    async def test_a_part_behind_the_end_is_empty(self, blobs: Blobs) -> None:
        reference = await blobs.put(HEAD, BODY, b"")
        assert await blobs.read(reference, len(HEAD + BODY)) == b""
        assert await blobs.read(reference, 10_000, 5) == b""

    async def test_a_reference_is_short_printable_text(self, blobs: Blobs) -> None:
        reference = await blobs.put(HEAD, BODY, b"r" * 2000)
        assert reference.isascii()
        assert reference.isprintable()
        assert 0 < len(reference) <= 255

    async def test_equal_messages_get_references_of_their_own(self, blobs: Blobs) -> None:
        first, second = await blobs.put(HEAD, BODY, b""), await blobs.put(HEAD, BODY, b"")
        assert first != second

    async def test_concurrent_puts_do_not_mix(self, blobs: Blobs) -> None:
        messages = [(b"N: %d\r\n\r\n" % number, os.urandom(number * 37)) for number in range(200)]
        references = await asyncio.gather(*(blobs.put(head, body, b"r") for head, body in messages))
        assert len(set(references)) == len(messages)
        for reference, (head, body) in zip(references, messages, strict=True):
            assert await blobs.read(reference) == head + body

    async def test_what_was_put_is_there_when_the_store_is_opened_again(self, open_blobs: OpenBlobs) -> None:
        async with open_blobs() as blobs:
            kept = await blobs.put(HEAD, BODY, b"")
            spool = await blobs.spool()
            await spool.write(BODY)
            spooled = await spool.keep(HEAD, b"")
        async with open_blobs() as blobs:
            assert await blobs.read(kept) == HEAD + BODY
            assert await blobs.read(spooled) == HEAD + BODY
            assert await blobs.read(await blobs.put(HEAD, b"later", b"")) == HEAD + b"later"
            assert await blobs.read(kept) == HEAD + BODY

    async def test_a_store_may_be_open_twice(self, open_blobs: OpenBlobs) -> None:
        async with open_blobs() as one, open_blobs() as other:
            first, second = await asyncio.gather(one.put(HEAD, b"1", b""), other.put(HEAD, b"2", b""))
            assert await other.read(first) == HEAD + b"1"
            assert await one.read(second) == HEAD + b"2"

    @pytest.mark.parametrize(
        "reference", ["", "x", "a:b:c:d", "../../etc/passwd:0:0:10", "\x00", "0" * 300, "é"]
    )
    async def test_a_reference_of_another_store_is_gone(self, blobs: Blobs, reference: str) -> None:
        with pytest.raises(BlobGone):
            await blobs.read(reference)
        with pytest.raises(BlobGone):
            _ = [piece async for piece in blobs.stream(reference)]

    async def test_a_damaged_reference_never_reads_something_else(self, blobs: Blobs) -> None:
        await blobs.put(HEAD, b"other" * 50, b"")
        reference = await blobs.put(HEAD, BODY, b"")
        await blobs.put(HEAD, b"other" * 50, b"")
        for index, character in enumerate(reference):
            damaged = reference[:index] + chr(ord(character) ^ 1) + reference[index + 1 :]
            with pytest.raises(BlobGone):
                await blobs.read(damaged)

    async def test_a_large_message_is_streamed_in_pieces(self, blobs: Blobs) -> None:
        body = os.urandom(PIECE * 3 + 17)
        reference = await blobs.put(HEAD, body, b"")
        pieces = [piece async for piece in blobs.stream(reference)]
        assert max(map(len, pieces)) <= PIECE
        assert b"".join(pieces) == HEAD + body == await blobs.read(reference)

    # -- spools ------------------------------------------------------------------------------------

    async def test_a_spool_becomes_a_blob(self, blobs: Blobs) -> None:
        body = os.urandom(3 << 20)
        spool = await blobs.spool()
        for start in range(0, len(body), 70_000):
            await spool.write(body[start : start + 70_000])
        assert spool.size == len(body)
        reference = await spool.keep(HEAD, b"recovery")
        await spool.discard()
        assert len(reference) <= 255
        assert await blobs.read(reference) == HEAD + body
        digest = hashlib.sha256()
        async for piece in blobs.stream(reference):
            assert len(piece) <= PIECE
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(HEAD + body).digest()

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, len(HEAD)), (len(HEAD) - 3, 9), (len(HEAD), 5), (50_000, None)]
    )
    async def test_a_part_of_a_spooled_blob_is_read(
        self, blobs: Blobs, offset: int, length: int | None
    ) -> None:
        body = os.urandom(100_000)
        spool = await blobs.spool()
        await spool.write(body)
        reference = await spool.keep(HEAD, b"recovery")
        wanted = (HEAD + body)[offset:] if length is None else (HEAD + body)[offset : offset + length]
        assert await blobs.read(reference, offset, length) == wanted
        assert b"".join([piece async for piece in blobs.stream(reference, offset, length)]) == wanted

    async def test_a_spooled_body_is_readable_before_it_is_kept(self, blobs: Blobs) -> None:
        spool = await blobs.spool()
        await spool.write(b"first ")
        before = await spool.body()
        assert before.path.read_bytes()[before.offset :][: before.size] == b"first "
        await spool.write(b"second")
        after = await spool.body()
        assert after.path.read_bytes()[after.offset :][: after.size] == b"first second"
        assert await blobs.read(await spool.keep(HEAD, b"")) == HEAD + b"first second"

    async def test_a_discarded_spool_leaves_no_file(self, blobs: Blobs) -> None:
        spool = await blobs.spool()
        await spool.write(b"x" * 100_000)
        body = await spool.body()
        await spool.discard()
        await spool.discard()
        assert not body.path.exists()

    async def test_an_empty_spool_becomes_a_blob(self, blobs: Blobs) -> None:
        spool = await blobs.spool()
        assert spool.size == 0
        assert await blobs.read(await spool.keep(HEAD, b"")) == HEAD

    async def test_spools_side_by_side_do_not_mix(self, blobs: Blobs) -> None:
        async def one(fill: bytes) -> str:
            spool = await blobs.spool()
            for _ in range(40):
                await spool.write(fill * 50_000)
            return await spool.keep(HEAD + fill, b"")

        fills = [bytes([letter]) for letter in b"abcdefgh"]
        for fill, reference in zip(fills, await asyncio.gather(*map(one, fills)), strict=True):
            assert await blobs.read(reference) == HEAD + fill + fill * 2_000_000

    # -- looking after the store -------------------------------------------------------------------

    async def test_a_blob_is_inspected_with_what_reindex_needs(self, blobs: Blobs) -> None:
        reference = await blobs.put(HEAD, BODY, b"recovery")
        spool = await blobs.spool()
        await spool.write(BODY * 9)
        large = await spool.keep(HEAD, b"more")
        for deep in (False, True):
            first, gone, second = await blobs.inspect([reference, "nowhere:1", large], deep=deep)
            assert isinstance(gone, BlobGone)
            for found, name, size, recovery in (
                (first, reference, len(HEAD + BODY), b"recovery"),
                (second, large, len(HEAD + BODY * 9), b"more"),
            ):
                assert isinstance(found, BlobRecord)
                assert (found.reference, found.head_size, found.size) == (name, len(HEAD), size)
                assert found.recovery == recovery
                assert found.time > 0

    async def test_every_blob_is_found_without_the_index(self, open_blobs: OpenBlobs) -> None:
        async with open_blobs() as blobs:
            kept = {await blobs.put(HEAD, BODY, b"%d" % number): b"%d" % number for number in range(200)}
            spool = await blobs.spool()
            await spool.write(BODY)
            kept[await spool.keep(HEAD, b"large")] = b"large"
        async with open_blobs() as blobs:
            steps: list[tuple[int, int]] = []
            found = [each async for each in blobs.records(lambda done, total: steps.append((done, total)))]
        assert {each.reference: each.recovery for each in found if isinstance(each, BlobRecord)} == kept
        assert len(found) == len(kept)
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1] > 0

    @pytest.mark.proves("store: messages without rows are collected, and what has rows stays readable")
    async def test_garbage_is_collected_once_its_writer_is_gone(self, open_blobs: OpenBlobs) -> None:
        index, bodies = MemoryIndex(), {}
        async with open_blobs() as blobs:
            for number in range(60):
                name, body = f"{number}", b"%d " % number * 50
                reference = await blobs.put(HEAD, body, b"r")
                if number % 3 == 0:
                    index.add(name, reference, len(HEAD + body))
                    bodies[name] = HEAD + body
            for name in ("large", ""):
                spool = await blobs.spool()
                await spool.write(BODY)
                reference = await spool.keep(HEAD, b"")
                if name:
                    index.add(name, reference, len(HEAD + BODY))
                    bodies[name] = HEAD + BODY
        async with open_blobs() as blobs:
            rows = dict(index.rows)
            found = await blobs.collect(index, force=True, dry_run=True)
            assert (found.blobs, index.rows) == (41, rows)
            collected = await blobs.collect(index, force=True)
            assert (collected.blobs, collected.damaged) == (41, ())
            assert collected.freed > 0
            for name, use in index.rows.items():
                assert await blobs.read(use.reference) == bodies[name]
            again = await blobs.collect(index, force=True)
            assert (again.blobs, again.moved, again.freed, again.left) == (0, 0, 0, 0)
            left = [each async for each in blobs.records()]
            assert len(left) == len(bodies)

    async def test_what_has_no_rows_yet_is_not_collected(self, open_blobs: OpenBlobs) -> None:
        index = MemoryIndex()
        async with open_blobs() as another:
            async with open_blobs() as blobs:
                waiting = [await blobs.put(HEAD, bytes(50_000), b"") for _ in range(20)]
                spool = await blobs.spool()
                await spool.write(BODY)
                waiting.append(await spool.keep(HEAD, b""))
                for collector in (blobs, another):
                    assert (await collector.collect(index, force=True)).blobs == 0
                for reference in waiting:
                    assert (await blobs.read(reference))[: len(HEAD)] == HEAD
                index.add("kept", waiting[7], len(HEAD) + 50_000)
                for reference in waiting:
                    blobs.settle(reference)
                    blobs.settle(reference)
                blobs.settle("nobody's")
            assert (await another.collect(index, force=True)).blobs <= 20
            assert await another.read(index.rows["kept"].reference) == HEAD + bytes(50_000)
            assert len([each async for each in another.records()]) == 1

    async def test_a_cancelled_put_is_garbage_and_holds_nothing(self, open_blobs: OpenBlobs) -> None:
        async with open_blobs() as blobs:
            puts = [asyncio.ensure_future(blobs.put(HEAD, BODY, b"")) for _ in range(20)]
            await asyncio.sleep(0)
            for put in puts[::2]:
                put.cancel()
            done = await asyncio.gather(*puts, return_exceptions=True)
            assert sum(isinstance(each, str) for each in done) == 10
        async with open_blobs() as blobs:
            await blobs.collect(MemoryIndex(), force=True)
            assert [each async for each in blobs.records()] == []

    async def test_reading_goes_on_while_garbage_is_collected(self, open_blobs: OpenBlobs) -> None:
        index, bodies = MemoryIndex(), {}
        async with open_blobs() as blobs:
            for number in range(300):
                name, body = f"{number}", b"%d " % number * 500
                index.add(name, await blobs.put(HEAD, body, b""), len(HEAD + body))
                bodies[name] = HEAD + body
        for name in list(bodies)[::2]:
            del bodies[name], index.rows[name]
        async with open_blobs() as blobs, open_blobs() as reader:
            collecting = asyncio.ensure_future(blobs.collect(index, force=True))
            rounds = 0
            while not collecting.done() or rounds < 2:
                for name, body in bodies.items():
                    try:
                        found = await reader.read(index.rows[name].reference)
                    except BlobGone:  # it was moved after its row was read: the row knows where to
                        found = await reader.read(index.rows[name].reference)
                    assert found == body
                    await asyncio.sleep(0)
                rounds += 1
            assert (await collecting).blobs == 150
