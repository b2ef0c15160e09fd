"""The end of a message, dots, line ends and limits, however the octets arrive."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.delivery.accept import Content
from hub.services.blobs import StoreFull
from hub.smtp import replies
from hub.smtp.incoming import END, IN_MEMORY, PIECE, Incoming, split
from hub.smtp.replies import Reply
from tests.conftest import MemoryBlobs

LIMIT = 10_000_000
AFTER = b"QUIT\r\n"


async def receive(
    blobs: MemoryBlobs, chunks: list[bytes], limit: int = LIMIT, spent: bool = False
) -> tuple[Content | Reply, bytes]:
    """Feed chunks as the protocol does; the result and what is left in the buffer."""
    buffer = bytearray()
    incoming = Incoming(blobs, limit, buffer)
    for chunk in chunks:
        buffer += chunk
        piece = incoming.take_last(buffer)
        if piece is not None:
            rest = bytes(buffer)
            return await incoming.finish(piece), rest + b"".join(chunks[chunks.index(chunk) + 1 :])
        piece = incoming.take_piece(buffer, spent)
        if piece is not None:
            await incoming.write(piece)
    raise AssertionError("the message has not ended")


def whole(content: Content | Reply) -> bytes:
    """The octets of what was received."""
    assert isinstance(content, Content), content
    body = content.body if isinstance(content.body, bytes) else bytes(content.body.written)  # type: ignore[attr-defined]
    return content.head + body


def stuffed(message: bytes) -> bytes:
    """What a client sends for a message (RFC 5321 §4.5.2): reference code, line by line."""
    lines = message.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


MESSAGES = [
    b"Subject: a\r\n\r\nbody\r\n",
    b"Subject: a\r\n\r\n.\r\n..\r\n...x\r\n\r\n.\r\n",
    b".: dot\r\n\r\n\r\n\r\n",
    b"A: b\r\n\r\n",
    b"A: b\r\n\r\n\x00\xff\r\n.MAIL FROM:<x@y.example>\r\n",
]


@pytest.mark.parametrize("message", MESSAGES)
async def test_message_is_the_same_wherever_it_is_cut(message: bytes, tmp_path: Path) -> None:
    sent = stuffed(message) + AFTER
    for first in range(len(sent) + 1):
        for second in range(first, min(first + 6, len(sent) + 1)):
            chunks = [sent[:first], sent[first:second], sent[second:]]
            content, rest = await receive(MemoryBlobs(tmp_path), chunks)
            assert whole(content) == message
            assert rest == AFTER


async def test_message_is_the_same_octet_by_octet(tmp_path: Path) -> None:
    for message in MESSAGES:
        sent = stuffed(message) + AFTER
        content, rest = await receive(MemoryBlobs(tmp_path), [bytes([octet]) for octet in sent])
        assert whole(content) == message
        assert rest.endswith(AFTER)


@pytest.mark.parametrize("at", range(-8, 9))
async def test_large_message_is_the_same_wherever_a_piece_ends(at: int, tmp_path: Path) -> None:
    blobs = MemoryBlobs(tmp_path)
    filler = b"x" * 70 + b"\r\n"
    head = b"Subject: large\r\n\r\n"
    body = filler * ((IN_MEMORY - len(head)) // len(filler))
    body += b"y" * (IN_MEMORY - len(head) - len(body)) + b"\r\n.\r\n..\r\n" + filler * 2000 + b".\r\n"
    sent = stuffed(head + body) + AFTER
    cut = IN_MEMORY + at  # within what looks like the end of the message
    chunks = [sent[:cut], *[sent[i : i + 5000] for i in range(cut, len(sent), 5000)]]
    content, rest = await receive(blobs, chunks)
    assert whole(content) == head + body
    assert rest == AFTER
    (spool,) = blobs.spools
    assert spool.size == len(body)


@given(
    message=st.lists(st.sampled_from([b"\r\n", b".", b"a", b": ", b"\r\n.", b"zz"]), max_size=30).map(
        b"".join
    ),
    cuts=st.lists(st.integers(0, 80), max_size=5),
)
@settings(max_examples=300, deadline=None)
async def test_any_message_comes_through(message: bytes, cuts: list[int]) -> None:
    message = message + b"\r\n"
    sent = stuffed(message) + AFTER
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    chunks = [sent[a:b] for a, b in itertools.pairwise(edges)]
    content, rest = await receive(MemoryBlobs(Path("/nonexistent")), chunks)
    head, body = split(message)
    assert whole(content) == head + body
    assert rest.endswith(AFTER)


@pytest.mark.proves("mail: strict line ends, so that no message is smuggled inside another")
@pytest.mark.parametrize(
    "octets", [b"\n", b"\r", b"\n\r", b"\r\r\n", b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n"]
)
async def test_line_end_of_another_kind_is_refused(octets: bytes, tmp_path: Path) -> None:
    sent = b"A: b\r\n\r\nbody" + octets + b"more\r\n.\r\n"
    for at in range(len(sent)):
        content, rest = await receive(MemoryBlobs(tmp_path), [sent[:at], sent[at:] + AFTER])
        assert content == replies.BARE_LINE_END
        assert rest == AFTER


async def test_bare_line_feed_far_into_a_large_message_is_refused(tmp_path: Path) -> None:
    blobs = MemoryBlobs(tmp_path)
    sent = b"A: b\r\n\r\n" + b"x" * IN_MEMORY + b"\r\n" + b"y" * PIECE + b"\n" + b"z" * PIECE + b"\r\n.\r\n"
    content, _ = await receive(blobs, [sent[i : i + 10_000] for i in range(0, len(sent), 10_000)])
    assert content == replies.BARE_LINE_END
    assert [spool.ended for spool in blobs.spools] == ["discarded"]


@pytest.mark.parametrize("size", [999, 1000, 1001, 400_000])
async def test_size_is_enforced_to_the_octet(size: int, tmp_path: Path) -> None:
    blobs = MemoryBlobs(tmp_path)
    message = (b"A: b\r\n\r\n" + b"x" * size)[: size - 2] + b"\r\n"
    sent = stuffed(message)
    content, _ = await receive(blobs, [sent[i : i + 700] for i in range(0, len(sent), 700)], limit=1000)
    if size <= 1000:
        assert whole(content) == message
    else:
        assert content == replies.TOO_LARGE
    assert blobs.spools == []


async def test_refused_message_takes_no_memory(tmp_path: Path) -> None:
    buffer = bytearray()
    incoming = Incoming(MemoryBlobs(tmp_path), 1000, buffer)
    for _ in range(1000):
        buffer += b"x" * 10_000
        assert incoming.take_last(buffer) is None
        piece = incoming.take_piece(buffer, False)
        if piece is not None:
            await incoming.write(piece)
        assert len(buffer) <= IN_MEMORY + 10_000
    assert len(buffer) <= PIECE + 10_000


async def test_header_block_has_a_limit(tmp_path: Path) -> None:
    sent = b"A: b\r\n" * 50_000 + b"\r\nbody\r\n.\r\n"
    content, _ = await receive(MemoryBlobs(tmp_path), [sent[i : i + 9999] for i in range(0, len(sent), 9999)])
    assert content == replies.HEAD_TOO_LARGE


async def test_full_store_is_said_at_the_end_of_the_message(tmp_path: Path) -> None:
    blobs = MemoryBlobs(tmp_path)
    blobs.failures.append(StoreFull("no space"))
    sent = b"A: b\r\n\r\n" + b"x" * (2 * IN_MEMORY) + b"\r\n.\r\n"
    content, _ = await receive(blobs, [sent[i : i + 9999] for i in range(0, len(sent), 9999)])
    assert content == replies.STORE_FULL


async def test_spent_budget_sends_bodies_to_disk_early(tmp_path: Path) -> None:
    blobs = MemoryBlobs(tmp_path)
    sent = b"A: b\r\n\r\n" + b"x" * (2 * PIECE) + b"\r\n.\r\n"
    content, _ = await receive(blobs, [sent[:-5], sent[-5:]], spent=True)
    assert whole(content) == sent[:-3]
    assert len(blobs.spools) == 1


@pytest.mark.parametrize(
    ("message", "head", "body"),
    [
        (b"A: b\r\n\r\nbody", b"A: b\r\n\r\n", b"body"),
        (b"A: b\r\n", b"A: b\r\n\r\n", b""),
        (b"\r\nbody", b"\r\n", b"body"),
        (b"", b"\r\n", b""),
        (b"no header here\r\n\r\nbody", b"\r\n", b"no header here\r\n\r\nbody"),
        (b" folded: first\r\n\r\nbody", b"\r\n", b" folded: first\r\n\r\nbody"),
        (b"Obsolete : blank\r\n\r\nbody", b"Obsolete : blank\r\n\r\n", b"body"),
    ],
)
def test_every_message_has_a_header_block(message: bytes, head: bytes, body: bytes) -> None:
    assert split(message) == (head, body)


def test_end_is_what_the_rfc_says() -> None:
    assert END == b"\r\n.\r\n"
