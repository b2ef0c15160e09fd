"""Messages that have a file of their own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hub_plugin_blobs_segment import SegmentBlobs
from hub_plugin_blobs_segment.scanning import Record, scan

OpenSegments: TypeAlias = Callable[..., SegmentBlobs]

HEAD = b"Subject: one\r\n\r\n"


def is_sealed(path: Path) -> bool:
    return not path.stat().st_mode & 0o222


async def test_a_large_message_is_one_file_that_describes_itself(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        spool = await blobs.spool()
        await spool.write(bytes(3_000_000))
        assert len(list(folder.glob("*.part"))) == 1
        reference = await spool.keep(HEAD, b"recovery")
    (file,) = folder.glob("*.blob")
    assert is_sealed(file)
    assert not list(folder.glob("*.part"))
    (record,) = scan(file)
    assert isinstance(record, Record)
    assert str(record.reference) == reference
    assert (record.header.head_size, record.header.body_size) == (len(HEAD), 3_000_000)
    assert record.header.recovery == b"recovery"


async def test_a_part_whose_writer_is_gone_is_removed_and_one_being_written_is_not(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        name = (folder / "store").read_text().strip()
        left = folder / f"{name}-000000000001-00000000.part"
        left.write_bytes(b"half a message")
        spool = await blobs.spool()
        await spool.write(b"x")
        async with open_segments():
            assert not left.exists()
        assert await blobs.read(await spool.keep(HEAD, b"")) == HEAD + b"x"


async def test_a_spool_nobody_kept_is_removed_when_the_store_closes(
    open_segments: OpenSegments, folder: Path
) -> None:
    async with open_segments() as blobs:
        spool = await blobs.spool()
        await spool.write(bytes(2 << 20))
    assert not list(folder.glob("*.part"))


async def test_a_spool_whose_sync_fails_leaves_nothing(
    open_segments: OpenSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with open_segments() as blobs:
        spool = await blobs.spool()
        await spool.write(b"x")
        monkeypatch.setattr(os, "fdatasync", failing)
        with pytest.raises(OSError, match="Input/output"):
            await spool.keep(HEAD, b"")
        await spool.discard()
        with pytest.raises(ValueError, match="kept or discarded"):
            await spool.keep(HEAD, b"")
    assert [path.name for path in folder.iterdir()] == ["store"]
