"""Conversations kept as text in tests/dialogues/imap: `C:` is sent, `S:` must come back, `...` stands for
anything.

`C2:` and `S2:` are a second connection. A line that begins with `#` is a comment. What a line begins with
is written as it is; `\\x` escapes stand for octets.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.imap.conftest import ImapHub

FOLDER = Path(__file__).parents[1] / "dialogues" / "imap"
LINE = re.compile(r"([CS])(\d?): ?(.*)")


def _octets(text: str) -> bytes:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())


def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(b".*".join(re.escape(part) for part in _octets(text).split(b"...")), re.DOTALL)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
async def test_the_conversation_goes_as_written(imap: ImapHub, path: Path) -> None:
    connections: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
    try:
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not text or text.startswith("#"):
                continue
            found = LINE.fullmatch(text)
            assert found, f"{path.name}:{number}: neither C: nor S:"
            side, which, rest = found.groups()
            if which not in connections:
                connections[which] = await asyncio.open_connection("127.0.0.1", imap.port)
            reader, writer = connections[which]
            if side == "C":
                writer.write(_octets(rest) + b"\r\n")
                continue
            try:
                async with asyncio.timeout(10):
                    line = (await reader.readline()).removesuffix(b"\r\n")
            except TimeoutError:
                pytest.fail(f"{path.name}:{number}: nothing comes, wanted {rest!r}")
            assert _pattern(rest).fullmatch(line), f"{path.name}:{number}: {line!r} is not {rest!r}"
    finally:
        for _, writer in connections.values():
            writer.close()
