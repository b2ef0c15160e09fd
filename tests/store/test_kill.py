"""Nothing that was answered is lost, however often and whenever the hub is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from hub.cli.opening import services
from hub.services.storage import FlagMode
from hub.testing.load import MailLoad, mail_load
from tests.crew import until
from tests.soak import Soak
from tests.store.killable import Killable, ended, kill_group, killable

SESSIONS = 8
SIZE = 700
LARGE = 300_000
"""Octets of a body that goes into a file of its own."""


def text_of(size: int) -> str:
    return ("x" * 70 + "\r\n") * (size // 72)


async def assert_nothing_lost(hub: Killable, load: MailLoad, size: int) -> None:
    """Every answered message is there once and whole, and nothing that was refused."""
    found = await hub.items()
    assert set(load.accepted) - set(found) == set()
    assert set(found) - set(load.accepted) <= load.unanswered
    assert [number for number, (_, body) in found.items() if body != text_of(size)] == []


@pytest.mark.soak
@pytest.mark.proves("store: killed at any moment, nothing that was answered is lost, doubled or half there")
async def test_a_hub_that_is_killed_again_and_again_loses_nothing(tmp_path: Path, soak: Soak) -> None:
    chance = random.Random(3)
    rounds = soak.times(40, soak=800)
    async with killable(tmp_path) as hub:
        async with mail_load(hub.port, sessions=SESSIONS, size=SIZE) as load:
            for number in range(rounds):
                await hub.start()
                # Some mail, then any moment: within a sync, between the commits, while answers are sent.
                await load.until_accepted(chance.randrange(1, 40))
                await asyncio.sleep(chance.random() * 0.02)
                await hub.kill()
                if number % 20 == 19:
                    await hub.assert_clean(deep=False)
            await hub.start()
            await load.until_accepted(1)
        await hub.stop()
        await hub.assert_clean(deep=True)
        await assert_nothing_lost(hub, load, SIZE)
    soak.found("killed hubs, one process", f"{rounds} kills, {len(load.accepted):,} messages, none lost")


@pytest.mark.soak
async def test_two_workers_killed_together_or_one_by_one_lose_nothing(tmp_path: Path, soak: Soak) -> None:
    chance = random.Random(4)
    rounds = soak.times(6, soak=160)
    async with killable(tmp_path, workers=2) as hub:

        async def workers() -> list[int]:
            return hub.workers()

        async with mail_load(hub.port, sessions=SESSIONS, size=SIZE) as load:
            for number in range(rounds):
                await hub.start()
                await load.until_accepted(chance.randrange(1, 40))
                if number % 2:
                    os.kill(chance.choice(await until(workers)), signal.SIGKILL)
                    await load.until_accepted(20)
                await hub.kill()
            await hub.start()
            await load.until_accepted(1)
        await hub.stop()
        await hub.assert_clean(deep=True)
        await assert_nothing_lost(hub, load, SIZE)
    soak.found("killed hubs, two workers", f"{rounds} kills, {len(load.accepted):,} messages, none lost")


@pytest.mark.soak
async def test_large_messages_of_a_killed_hub_are_whole_or_not_there(tmp_path: Path, soak: Soak) -> None:
    chance = random.Random(5)
    rounds = soak.times(4, soak=40)
    async with killable(tmp_path) as hub:
        async with mail_load(hub.port, sessions=3, size=LARGE) as load:
            for _ in range(rounds):
                await hub.start()
                await load.until_accepted(chance.randrange(1, 6))
                await asyncio.sleep(chance.random() * 0.02)
                await hub.kill()
            await hub.start()
            await load.until_accepted(1)
        await hub.stop()
        await hub.assert_clean(deep=True)
        await assert_nothing_lost(hub, load, LARGE)
    soak.found("killed hubs, large messages", f"{rounds} kills, {len(load.accepted):,} messages, none lost")


@pytest.mark.soak
async def test_a_compaction_that_is_killed_loses_nothing_while_mail_comes_in(
    tmp_path: Path, soak: Soak
) -> None:
    """Two of three messages are removed, again and again, and `hub store compact` is killed as often."""
    chance = random.Random(6)
    rounds = soak.times(10, soak=60)
    removed: set[int] = set()
    async with killable(tmp_path) as hub:
        await hub.start()
        async with mail_load(hub.port, sessions=SESSIONS, size=SIZE) as load:
            for number in range(rounds):
                await load.until_accepted(150)
                removed |= await remove_two_of_three(hub, removed)
                pid = hub.run("store", "compact")
                await asyncio.sleep(0.15 + chance.random() * 0.4)
                await kill_group(pid)
                if number % 5 == 4:
                    await hub.assert_clean(deep=True)  # while mail comes in
        await hub.stop()
        await hub.assert_clean(deep=True)
        before = await hub.items()
        assert set(load.accepted) - removed - set(before) == set()
        assert removed & set(before) == set()
        sizes = store_size(hub)
        await ended(hub.run("store", "compact"))
        await hub.assert_clean(deep=True)
        after = await hub.items()
        assert after.keys() == before.keys()
        assert [number for number, (_, body) in after.items() if body != text_of(SIZE)] == []
        assert store_size(hub) < sizes
        async with services(hub.config) as opened:
            left = await opened.blobs.collect(opened.storage, force=True, dry_run=True)
            assert (left.blobs, left.left) == (0, 0)
    soak.found("killed compactions", f"{rounds} kills beside {len(load.accepted):,} messages, none lost")


async def remove_two_of_three(hub: Killable, gone: set[int]) -> set[int]:
    """What it removed of what is there now."""
    found = await hub.items()
    chosen = {number: item.uid for number, (item, _) in found.items() if number % 3 and number not in gone}
    async with services(hub.config) as opened:
        mailbox = await opened.storage.mailbox(hub.account, "INBOX")
        assert mailbox is not None
        uids = [(uid, uid) for uid in sorted(chosen.values())]
        await opened.storage.store_flags(mailbox.id, uids, FlagMode.ADD, frozenset({"\\Deleted"}))
        assert sorted(await opened.storage.expunge(mailbox.id, uids)) == sorted(chosen.values())
    return set(chosen)


def store_size(hub: Killable) -> int:
    return sum(path.stat().st_size for path in hub.folder.rglob("*.seg"))
