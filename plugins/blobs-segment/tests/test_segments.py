"""What the contract does not ask for: files, locks, torn tails, full disks, failed syncs."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hub_plugin_blobs_segment import SegmentBlobs
from hub_plugin_blobs_segment.record import HEADER_SIZE, Header, Reference, pack
from hub_plugin_blobs_segment.scanning import ROOM, TAIL, Record, record_end, scan
from hub_plugin_blobs_segment.segment import write_all

from hub import BlobGone, StoreFull

OpenSegments: TypeAlias = Callable[..., SegmentBlobs]

HEAD = b"Subject: one\r\n\r\n"

# Puts messages until it is killed or has put as many as asked for; a line per answered one.
WRITER = """
import asyncio, hashlib, os, sys
from pathlib import Path
from types import SimpleNamespace
import time
from hub_plugin_blobs_segment import SegmentBlobs, Settings

async def main(folder, count):
    settings = Settings(segment_size=100_000)
    scope = SimpleNamespace(
        data_dir=Path(folder),
        settings=lambda model: settings,
        clock=time,
        log=None,
        every=lambda seconds, function: None,
    )
    async with SegmentBlobs(scope) as blobs:
        async def one(number):
            head, body = b"N: %d\\r\\n\\r\\n" % number, os.urandom(200 + number * 7 % 3000)
            reference = await blobs.put(head, body, b"recovery")
            print(reference, hashlib.sha256(head + body).hexdigest(), flush=True)
        for start in range(0, count, 10):
            await asyncio.gather(*map(one, range(start, start + 10)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start_writer(folder: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(count)], stdout=subprocess.PIPE, text=True
    )


async def assert_all_readable(open_segments: OpenSegments, lines: list[str]) -> None:
    async with open_segments() as blobs:
        for line in lines:
            reference, digest = line.split()
            assert hashlib.sha256(await blobs.read(reference)).hexdigest() == digest


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


def records(path: Path) -> list[Record]:
    return [found for found in scan(path) if isinstance(found, Record)]


def is_sealed(path: Path) -> bool:
    return not path.stat().st_mode & 0o222


async def test_a_process_goes_on_with_the_segment_of_one_that_is_gone(
    open_segments: OpenSegments, folder: Path
) -> None:
    for _ in range(3):
        async with open_segments() as blobs:
            await blobs.put(HEAD, b"x", b"")
    (segment,) = segments(folder)
    assert len(records(segment)) == 3


async def test_two_writers_never_share_a_segment(open_segments: OpenSegments, folder: Path) -> None:
    async with open_segments() as one, open_segments() as other:
        await one.put(HEAD, b"1", b"")
        await other.put(HEAD, b"2", b"")
        assert len(segments(folder)) == 2


async def test_a_full_segment_is_sealed_and_the_next_one_opened(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments(segment_size=10_000) as blobs:
        references = [await blobs.put(HEAD, bytes(4_000), b"") for _ in range(7)]
        sealed = [is_sealed(path) for path in segments(folder)]
        assert sorted(sealed) == [False, True, True]
        for reference in references:
            assert await blobs.read(reference) == HEAD + bytes(4_000)


async def test_processes_write_side_by_side(open_segments: OpenSegments, folder: Path) -> None:
    writers = [start_writer(folder, 300) for _ in range(3)]
    lines = [line for writer in writers for line in writer.communicate(timeout=60)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(lines) == 900
    await assert_all_readable(open_segments, lines)
    assert sum(len(records(path)) for path in segments(folder)) == 900


@pytest.mark.proves("store: after kill -9 every message that was answered is readable")
async def test_after_kill_9_every_answered_message_is_readable(
    open_segments: OpenSegments, folder: Path
) -> None:
    lines: list[str] = []
    for answered in (1, 35, 170):
        writer = start_writer(folder, 1_000_000)
        assert writer.stdout is not None
        lines += [writer.stdout.readline() for _ in range(answered)]
        writer.kill()
        lines += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.wait()
        writer.stdout.close()
    await assert_all_readable(open_segments, lines)
    async with open_segments() as blobs:
        after = await blobs.put(HEAD, b"after", b"")
        assert await blobs.read(after) == HEAD + b"after"


@pytest.mark.parametrize("lost", [1, 5, 1_000, 1_000 + HEADER_SIZE])
async def test_a_torn_tail_is_never_served_nor_appended_to(
    open_segments: OpenSegments, folder: Path, lost: int
) -> None:
    async with open_segments() as blobs:
        whole = await blobs.put(HEAD, b"whole", b"")
        torn = await blobs.put(HEAD, bytes(1_000), b"")
    (segment,) = segments(folder)
    os.truncate(segment, segment.stat().st_size - lost)
    size = segment.stat().st_size
    async with open_segments() as blobs:
        new = await blobs.put(HEAD, b"new", b"")
        assert await blobs.read(whole) == HEAD + b"whole"
        assert await blobs.read(new) == HEAD + b"new"
        with pytest.raises(BlobGone):
            await blobs.read(torn)
        with pytest.raises(BlobGone):
            _ = [piece async for piece in blobs.stream(torn)]
        assert segment.stat().st_size == size
        assert is_sealed(segment)
        assert Reference.parse(new).file != segment.name


async def test_a_message_makes_the_file_longer_only_now_and_then(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        sizes = set()
        for _ in range(50):
            await blobs.put(HEAD, bytes(40_000), b"")
            (segment,) = segments(folder)
            sizes.add(segment.stat().st_size)
        assert len(sizes) <= 2_000_000 // ROOM + 1
        last = Reference.parse(await blobs.put(HEAD, b"last", b""))
    assert segment.stat().st_size == record_end(last)  # nothing is left of the room when it is closed


async def test_a_killed_writers_segment_goes_on_behind_its_last_record(
    open_segments: OpenSegments, folder: Path
) -> None:
    """Not behind what looks like one in a message that goes on with zeros, as the room does."""
    header = Header(len(HEAD), 4, zlib.crc32(HEAD), zlib.crc32(b"fake"), 0.0, b"")
    body = pack(header) + HEAD + b"fake" + bytes(100_000)
    async with open_segments() as blobs:
        sly = await blobs.put(HEAD, body, b"")
    (segment,) = segments(folder)
    os.truncate(segment, segment.stat().st_size + ROOM)
    async with open_segments() as blobs:
        new = await blobs.put(HEAD, b"new", b"")
        assert Reference.parse(new).offset == record_end(Reference.parse(sly))
        assert await blobs.read(sly) == HEAD + body
        assert await blobs.read(new) == HEAD + b"new"
    assert [each.header.body_size for each in scan(segment) if isinstance(each, Record)] == [len(body), 3]


async def test_a_hole_where_pages_were_lost_is_a_torn_tail(open_segments: OpenSegments, folder: Path) -> None:
    async with open_segments() as blobs:
        await blobs.put(HEAD, b"whole", b"")
        torn = await blobs.put(HEAD, b"x" * 9_000, b"")
        behind = await blobs.put(HEAD, b"behind", b"")
    (segment,) = segments(folder)
    with segment.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))
    first, damaged, last = scan(segment)
    assert isinstance(damaged, BlobGone)
    assert [record.header.body_size for record in (first, last) if isinstance(record, Record)] == [5, 6]
    async with open_segments() as blobs:
        await blobs.put(HEAD, b"new", b"")
        assert is_sealed(segment)
        with pytest.raises(BlobGone, match="damaged"):
            await blobs.read(torn)
        assert await blobs.read(behind) == HEAD + b"behind"


async def test_every_flipped_bit_of_a_record_is_noticed(open_segments: OpenSegments, folder: Path) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, b"body", b"recovery")
        (segment,) = segments(folder)
        whole = segment.read_bytes().rstrip(b"\0")
        for at in range(len(whole)):
            segment.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            with pytest.raises(BlobGone):
                await blobs.read(reference)
            with pytest.raises(BlobGone):
                _ = [piece async for piece in blobs.stream(reference)]


_TIME = range(28, 36)
_OWN_SUM_AND_RECOVERY = range(HEADER_SIZE - 4, HEADER_SIZE + len(b"recovery"))
_NOT_OF_THE_MESSAGE = {*_TIME, *_OWN_SUM_AND_RECOVERY}
"""Octets of a record that say nothing of what is read of it; `hub store check` looks at them."""


async def test_every_flipped_bit_of_a_message_is_noticed_among_neighbours(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        references = [await blobs.put(HEAD, body, b"recovery") for body in (b"before", b"body", b"behind")]
        (segment,) = segments(folder)
        whole = segment.read_bytes().rstrip(b"\0")
        first, end = (Reference.parse(reference).offset for reference in references[1:])
        for at in range(first, end):
            segment.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            before, damaged, behind = await blobs.read_many([(each, None) for each in references])
            assert (before, behind) == (HEAD + b"before", HEAD + b"behind")
            if at - first in _NOT_OF_THE_MESSAGE:
                assert damaged == HEAD + b"body"
            else:
                assert isinstance(damaged, BlobGone), at


async def test_a_damaged_head_is_noticed_when_only_the_head_is_read(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, b"body", b"")
        (segment,) = segments(folder)
        segment.write_bytes(segment.read_bytes().replace(b"Subject", b"subject"))
        with pytest.raises(BlobGone, match="header block"):
            await blobs.read(reference, 0, len(HEAD))


async def test_a_record_of_a_later_version_is_not_guessed_at(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, b"body", b"")
        (segment,) = segments(folder)
        data = bytearray(segment.read_bytes())
        data[4] = 9
        data[HEADER_SIZE - 4 : HEADER_SIZE] = zlib.crc32(data[: HEADER_SIZE - 4]).to_bytes(4, "little")
        segment.write_bytes(data)
        with pytest.raises(BlobGone, match="version 9"):
            await blobs.read(reference)


async def test_a_missing_segment_is_gone_and_another_store_is_named(
    open_segments: OpenSegments, folder: Path, tmp_path: Path
) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, b"body", b"")
    (tmp_path / "other").mkdir()
    async with open_segments(tmp_path / "other") as other:
        with pytest.raises(BlobGone, match="is in the store"):
            await other.read(reference)
    segments(folder)[0].unlink()
    async with open_segments() as blobs:
        with pytest.raises(BlobGone, match="not in the store"):
            await blobs.read(reference)


async def test_a_store_restored_without_its_name_takes_it_from_its_segments(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, b"body", b"")
    (folder / "store").unlink()
    async with open_segments() as blobs:
        assert await blobs.read(reference) == HEAD + b"body"


# -- when the disk fails ---------------------------------------------------------------------------


async def test_after_a_failed_sync_the_segment_is_sealed_and_the_next_group_gets_a_new_one(
    open_segments: OpenSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def failing(fd: int) -> None:
        synced.append(fd)
        if len(synced) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fdatasync", failing)
    async with open_segments() as blobs:
        first = await blobs.put(HEAD, b"first", b"")
        with pytest.raises(OSError, match="Input/output") as failure:
            await blobs.put(HEAD, b"lost", b"")
        assert not isinstance(failure.value, StoreFull)
        assert len(synced) == 2
        (segment,) = segments(folder)
        assert is_sealed(segment)
        third = await blobs.put(HEAD, b"third", b"")
        assert Reference.parse(third).file != segment.name
        assert await blobs.read(first) == HEAD + b"first"
        assert await blobs.read(third) == HEAD + b"third"


async def test_every_caller_of_a_failed_group_is_told(
    open_segments: OpenSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    async with open_segments() as blobs:
        results = await asyncio.gather(
            *(blobs.put(HEAD, b"x", b"") for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(result, OSError) for result in results)


async def test_segments_in_which_nothing_was_ever_kept_are_removed(
    open_segments: OpenSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fdatasync", failing)
    async with open_segments() as blobs:
        for _ in range(5):
            with pytest.raises(StoreFull):
                await blobs.put(HEAD, b"x", b"")
        assert segments(folder) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the failure")
async def test_a_real_sync_that_fails_is_survived(
    open_segments: OpenSegments, folder: Path, tmp_path: Path
) -> None:
    trace = ["strace", "-f", "-qq", "-o", str(tmp_path / "strace"), "-e", "trace=fdatasync"]
    inject = ["-e", "inject=fdatasync:error=EIO:when=3"]
    writer = subprocess.run(
        [*trace, *inject, sys.executable, "-c", WRITER, str(folder), "1000"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert writer.returncode == 1
    assert "OSError: [Errno 5]" in writer.stderr
    lines = writer.stdout.splitlines()
    assert len(lines) >= 2
    await assert_all_readable(open_segments, lines)
    assert any(is_sealed(path) for path in segments(folder))


async def test_the_last_megabytes_of_the_disk_are_not_for_new_mail(open_segments: OpenSegments) -> None:
    async with open_segments(keep_free=1 << 60) as blobs:
        with pytest.raises(StoreFull, match="MB are free"):
            await blobs.put(HEAD, b"x", b"")
        with pytest.raises(StoreFull, match="MB are free"):
            await blobs.spool()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; needs root, as the suite has in CI."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_disk_that_fills_in_spite_of_the_guard_keeps_what_was_answered(
    open_segments: OpenSegments, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = os.statvfs("/")
    monkeypatch.setattr(
        os, "statvfs", lambda path: elsewhere
    )  # as if somebody else took the space after we asked
    kept: list[str] = []
    async with open_segments(small_disk) as blobs:

        async def put_until_full() -> None:
            for _ in range(100):
                kept.append(await blobs.put(HEAD, bytes(50_000), b""))

        with pytest.raises(StoreFull, match="No space"):
            await put_until_full()
        spool = await blobs.spool()
        await spool.write(bytes(5_000_000))
        with pytest.raises(StoreFull):
            await spool.keep(HEAD, b"")
        await spool.discard()
        assert len(kept) > 10
        for reference in kept:
            assert await blobs.read(reference) == HEAD + bytes(50_000)
    assert not list(small_disk.glob("*.part"))


def test_a_group_larger_than_one_system_call_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwritev

    def short(fd: int, buffers: list[bytes], offset: int) -> int:
        assert len(buffers) <= 1024
        return real(fd, [b"".join(buffers)[:1000]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    buffers = [bytes([number % 251]) * (number % 7) for number in range(3000)]
    with (tmp_path / "file").open("w+b") as file:
        write_all(file.fileno(), buffers, 10)
        assert file.read() == bytes(10) + b"".join(buffers)


async def test_a_scan_gives_references_and_what_reindex_needs(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        references = [await blobs.put(HEAD, bytes(number * 100), b"r%d" % number) for number in range(20)]
    (segment,) = segments(folder)
    found = records(segment)
    assert [str(record.reference) for record in found] == references
    assert [record.header.recovery for record in found] == [b"r%d" % number for number in range(20)]
    assert [record.header.body_size for record in found] == [number * 100 for number in range(20)]


async def test_recovery_bytes_beyond_the_limit_are_refused_alone(open_segments: OpenSegments) -> None:
    async with open_segments() as blobs:
        refused, kept = await asyncio.gather(
            blobs.put(HEAD, b"x", bytes(2 << 20)), blobs.put(HEAD, b"x", b""), return_exceptions=True
        )
        assert isinstance(refused, ValueError)
        assert await blobs.read(str(kept)) == HEAD + b"x"


async def test_however_long_a_segment_is_only_its_tail_is_read_before_it_is_continued(
    open_segments: OpenSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_segments() as blobs:
        references = [await blobs.put(HEAD, bytes(200_000), b"r") for _ in range(60)]
    octets = 0
    real = os.pread

    def counted(fd: int, size: int, at: int) -> bytes:
        nonlocal octets
        found = real(fd, size, at)
        octets += len(found)
        return found

    monkeypatch.setattr(os, "pread", counted)
    async with open_segments() as blobs:
        assert octets == 0  # nothing at all until something is written
        new = Reference.parse(await blobs.put(HEAD, b"new", b""))
        last = Reference.parse(references[-1])
        assert (new.file, new.offset) == (last.file, last.offset + last.skip + last.length)
        assert 0 < octets <= 4 * TAIL


async def test_headers_within_a_message_can_only_end_a_segment_early(
    open_segments: OpenSegments, folder: Path
) -> None:
    """What is written by a stranger looks like records; none of it is taken for one in a whole segment."""
    async with open_segments() as blobs:
        await blobs.put(HEAD, b"x", b"")
    liar = segments(folder)[0].read_bytes()
    async with open_segments() as blobs:
        outer = await blobs.put(HEAD, liar * 4_000, b"")
        assert len(liar) * 4_000 < TAIL
        await blobs.put(HEAD, bytes(TAIL), b"")
    async with open_segments() as blobs:
        after = await blobs.put(HEAD, b"after", b"")
        assert await blobs.read(outer) == HEAD + liar * 4_000
        assert await blobs.read(after) == HEAD + b"after"
    assert sum(len(records(path)) for path in segments(folder)) == 4
