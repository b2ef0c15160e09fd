"""Conversations as text; see tests/dialogues/README.md."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.config.model import TlsTable
from hub.tls.context import server_context
from tests.conftest import Client, World

DIALOGUES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.txt"))


@dataclass(frozen=True)
class Line:
    """One line of a dialogue. mark: `C:`, `C>`, `C!`, `S:`, `S!` or `listener`."""

    number: int
    mark: str
    text: str


def lines(text: str) -> Iterator[Line]:
    """Every line that says something."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        mark, _, said = line.partition(" ")
        assert mark in ("C:", "C>", "C!", "S:", "S!", "listener"), f"line {number}: {line}"
        yield Line(number, mark, said)


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_conversation_goes_as_written(path: Path, world: World, certificate: TlsTable) -> None:
    said = list(lines(path.read_text()))
    listener = said.pop(0).text.split() if said[0].mark == "listener" else ["smtp"]
    context = server_context(certificate)
    port = (
        await world.listen(listener[0], tls=listener[1], context=context)
        if listener[1:]
        else (await world.listen(listener[0]))
    )
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    for line in said:
        try:
            await play(client, line, certificate)
        except AssertionError as error:
            pytest.fail(f"{path.name}:{line.number}: {line.text}\n{error}")
    await client.close()


async def play(client: Client, line: Line, certificate: TlsTable) -> None:
    """Say, or hear, one line."""
    match line.mark:
        case "C:":
            await client.send(line.text.encode() + b"\r\n")
        case "C>":
            await client.send(line.text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        case "C!":
            trusting = ssl.create_default_context(cafile=certificate.certificate)
            await client.writer.start_tls(trusting, server_hostname="mx.example.test")
        case "S:":
            heard = (await asyncio.wait_for(client.reader.readline(), 20)).decode()
            wanted = ".*".join(re.escape(part) for part in line.text.split("…"))
            assert re.fullmatch(wanted + "\r\n", heard), f"the server says {heard!r}"
        case "S!":
            assert await asyncio.wait_for(client.reader.read(), 20) == b""
