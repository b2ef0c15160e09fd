"""Plugins send mail of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import Address
from hub.testing.running import running_hub

MAIL = b"From: robot@example.test\r\nSubject: Of my own\r\n\r\nHello.\r\n"
ALICE, NOBODY, ANN = (
    Address.parse(each) for each in ("alice@example.test", "nobody@example.test", "ann@far.example")
)


async def test_what_a_plugin_submits_is_delivered_here_and_queued_for_elsewhere(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        plugin = hub.plugin("storage-sql")
        identity = await plugin.submit(ALICE, [ALICE, ANN], MAIL)
        (found,) = await hub.mailbox()
        assert found.startswith(b"Return-Path: <alice@example.test>\r\n")
        assert found.endswith(MAIL)
        (row,) = await hub.hub.kernel.services.storage.queue()
        assert (row.message_id, row.recipient, row.sender) == (identity, ANN, None)


async def test_what_cannot_be_submitted_is_not_kept(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        plugin = hub.plugin("storage-sql")
        with pytest.raises(LookupError, match=r"nobody@example\.test"):
            await plugin.submit(None, [ALICE, NOBODY], MAIL)
        for content, recipients in ((b"no header", [ALICE]), (MAIL, [])):
            with pytest.raises(ValueError, match="recipients"):
                await plugin.submit(None, recipients, content)
        assert await hub.mailbox() == []
