"""Open files, and what is cached or not."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias, cast

import pytest
from hub_plugin_blobs_segment import SegmentBlobs

OpenSegments: TypeAlias = Callable[..., SegmentBlobs]

HEAD = b"Subject: one\r\n\r\n"


async def test_only_so_many_files_stay_open(open_segments: OpenSegments) -> None:
    async with open_segments(segment_size=4096, open_files=3) as blobs:
        references = [await blobs.put(HEAD, bytes([number]) * 5_000, b"") for number in range(12)]
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(2):
            read = await asyncio.gather(*map(blobs.read, references))
            assert read == [HEAD + bytes([number]) * 5_000 for number in range(12)]
        assert len(os.listdir("/proc/self/fd")) <= before + 3


async def test_what_is_not_cached_is_read_in_a_thread(
    open_segments: OpenSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, bytes(10_000), b"")
        for error in (errno.EAGAIN, errno.EOPNOTSUPP):

            def refusing(*arguments: object, error: int = error) -> int:
                raise OSError(error, os.strerror(error))

            monkeypatch.setattr(os, "preadv", refusing)
            assert await blobs.read(reference) == HEAD + bytes(10_000)
        monkeypatch.setattr(os, "preadv", lambda *arguments: 100)  # only the first page is cached
        assert await blobs.read(reference) == HEAD + bytes(10_000)


async def test_a_stream_that_is_left_lets_go_of_its_file(open_segments: OpenSegments) -> None:
    async with open_segments() as blobs:
        reference = await blobs.put(HEAD, bytes(1 << 20), b"")
        before = len(os.listdir("/proc/self/fd"))
        stream = cast("AsyncGenerator[bytes]", blobs.stream(reference))
        await anext(stream)
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    await stream.aclose()
    assert len(os.listdir("/proc/self/fd")) < before
