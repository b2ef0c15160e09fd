"""Conversations as text; see tests/dialogues/README.md."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from hub.config.tables.tls import TlsTable
from hub.testing.conversation import read
from tests.conftest import World, engine

DIALOGUES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_conversation_goes_as_written(path: Path, world: World, certificate: TlsTable) -> None:
    conversation = read(path)
    protocol, *tls = conversation.listener
    port = (
        await world.listen(protocol, tls=tls[0], context=engine(certificate))
        if tls
        else await world.listen(protocol)
    )
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    await conversation.play(port, trusting=trusting)
