"""The outbox in both databases: which events can be sent, and how many are kept."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import hub_plugin_webhooks
import pytest
from hub_plugin_webhooks import outbox
from hub_plugin_webhooks.outbox import METADATA, NewEvent, Tally

from hub import Tables
from hub.testing.contracts.storage_peer import open_driver

MIGRATIONS = Path(hub_plugin_webhooks.__file__).parent / "migrations"


def event(number: int, lane: str, endpoint: str = "crm") -> NewEvent:
    return NewEvent(endpoint, f"evt_{number}", "delivered", lane, "{}")


async def due(tables: Tables, now: float, *busy: str, most: int = 10) -> list[str]:
    found = await tables.read(partial(outbox.due, endpoint="crm", now=now, busy=busy, most=most))
    return [each.event for each in found]


class OutboxContract:
    async def test_one_event_of_each_lane_is_due_in_order(self, tables: Tables) -> None:
        rows = [event(1, "a"), event(2, "a"), event(3, "b"), event(4, "c"), event(5, "d", "other")]
        assert await tables.write(partial(outbox.add, rows=rows, now=0, most=10)) == 0
        assert await tables.write(partial(outbox.add, rows=rows[:3], now=0, most=10)) == 0  # they are there
        assert await due(tables, 0) == ["evt_1", "evt_3", "evt_4"]
        assert await due(tables, 0, most=1) == ["evt_1"]
        assert await due(tables, 0, "a") == ["evt_3", "evt_4"]
        (first, *_) = await tables.read(partial(outbox.due, endpoint="crm", now=0, busy=(), most=1))
        await tables.write(partial(outbox.taken, id_=first.id))
        assert await due(tables, 0) == ["evt_2", "evt_3", "evt_4"]

    async def test_one_that_failed_holds_up_its_lane_for_a_while(self, tables: Tables) -> None:
        rows = [event(1, "a"), event(2, "a"), event(3, "b")]
        await tables.write(partial(outbox.add, rows=rows, now=0, most=10))
        for now, again in ((0, 5), (5, 100)):
            (first, _) = await tables.read(partial(outbox.due, endpoint="crm", now=now, busy=(), most=2))
            fail = partial(outbox.failed, event=first, answer="500", due=again, holds=now + 20, dead=False)
            await tables.write(fail)
        assert await due(tables, 19) == ["evt_3"]
        assert await due(tables, 20) == ["evt_2", "evt_3"]  # the first failure counts, not the second
        assert await due(tables, 100) == ["evt_1", "evt_3"]

    async def test_what_is_too_much_is_dead_and_the_oldest_of_those_go(self, tables: Tables) -> None:
        for number in range(6):
            dropped = await tables.write(partial(outbox.add, rows=[event(number, "a")], now=number, most=2))
            assert dropped == (number >= 4)
        assert await tables.read(outbox.tallies) == {"crm": Tally(2, 2, 0)}
        listed = await tables.read(partial(outbox.listed, endpoint="crm", limit=10))
        assert [each.event for each in listed] == ["evt_4", "evt_5", "evt_0", "evt_1"]
        assert [each.answer for each in listed] == [outbox.FULL, outbox.FULL, "", ""]
        replay = partial(outbox.replay, endpoint=None, events=["evt_4", "evt_0"], now=9)
        assert await tables.write(replay) == 1
        assert await due(tables, 9, most=1) == ["evt_0"]
        assert await tables.write(partial(outbox.drop, endpoint="other", events=["evt_5"])) == 0
        assert await tables.write(partial(outbox.drop, endpoint="crm", events=(), waiting=True)) == 4
        assert await tables.read(outbox.tallies) == {}


class TestInSqlite(OutboxContract):
    @pytest.fixture
    async def tables(self, tmp_path: Path) -> AsyncIterator[Tables]:
        async with open_driver("hub_plugin_storage_sql:SqlStorage", tmp_path, {}) as storage:
            yield await storage.tables("webhooks", METADATA, str(MIGRATIONS))


class TestInPostgres(OutboxContract):
    @pytest.fixture
    async def tables(self, postgres_url: str, tmp_path: Path) -> AsyncIterator[Tables]:
        settings = {"url": postgres_url}
        async with open_driver("hub_plugin_storage_sql:SqlStorage", tmp_path, settings) as storage:
            yield await storage.tables("webhooks", METADATA, str(MIGRATIONS))
