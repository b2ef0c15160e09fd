"""What is counted for reports, in the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hub_plugin_mail_auth import reports
from hub_plugin_mail_auth.deciding import decide
from hub_plugin_mail_auth.judging import Hop, Judgement, judge
from hub_plugin_mail_auth.reports import DAY, Reports
from hub_plugin_mail_auth.settings import Settings
from hub_plugin_mail_auth.tables import METADATA, REPORT
from sqlalchemy import select

from hub import Address, Message, Tables
from hub.testing.clock import ManualClock
from hub.testing.running import running_hub
from hub.testing.zones import Zones

NOW = 1_700_000_000.0
ALICE = Address("alice", "example.org")


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[Tables]:
    async with running_hub(tmp_path, plugins=["mail-auth"], clock=ManualClock(NOW)) as hub:
        yield await hub.plugin("mail-auth").tables(METADATA)


async def judged() -> Judgement:
    dns = Zones({"_dmarc.example.org": ['TXT "v=DMARC1; p=none; rua=mailto:r@example.org"']})
    hop = Hop(ip_address("192.0.2.1"), ALICE, "x.test")
    message = Message(b"From: a@example.org\r\n\r\n", b"")
    return await judge(dns, hop, message, message_id="1", receiver="x", now=0, seconds=5)


async def counts(tables: Tables) -> dict[tuple[int, str], int]:
    rows = await tables.read(lambda db: list(db.execute(select(REPORT))))
    return {(row.day, row.source_ip): row.messages for row in rows}


async def test_counts_of_all_workers_add_up_and_are_forgotten(tables: Tables) -> None:
    clock, found = ManualClock(NOW), await judged()
    decision = decide(found, Settings())
    today = int(NOW) // DAY
    async with Reports(tables, clock, keep=2 * DAY) as one, Reports(tables, clock, keep=2 * DAY) as other:
        for each in (one, one, other):
            each.add("192.0.2.1", ALICE, found, decision)
        other.add("192.0.2.2", None, found, replace(decision, disposition="reject"))
        await one.flush()
        await one.flush()
        assert await counts(tables) == {(today, "192.0.2.1"): 2}
    assert await counts(tables) == {(today, "192.0.2.1"): 3, (today, "192.0.2.2"): 1}
    await clock.turn(2 * DAY)
    await one.forget()
    assert len(await counts(tables)) == 2
    await clock.turn(DAY)
    await one.forget()
    assert await counts(tables) == {}


async def test_what_a_flood_brings_is_bounded(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MAX_PENDING", 3)
    monkeypatch.setattr(reports, "MAX_ROWS", 2)
    found = await judged()
    decision = decide(found, Settings())
    counted = Reports(tables, ManualClock(NOW), keep=DAY)
    for number in (1, 2, 3, 4, 5, 1):
        counted.add(f"192.0.2.{number}", ALICE, found, decision)
    await counted.flush()
    assert sorted(dict(await counts(tables)).values()) == [1, 2]
