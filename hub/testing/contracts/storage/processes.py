"""Several processes on one store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from hub.mail.login import AccountRef
from hub.services.log import ChangeKind
from hub.testing.contracts.storage.fixtures import ALICE, OpenStorage, StorageFixtures, inbox
from hub.testing.contracts.storage_peer import acceptance

Answer: TypeAlias = dict[str, Any]
SECONDS = 60.0


class Peer:
    """A process that was given something to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> Answer | None:
        """Its next line, None at its end."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), SECONDS)
        # What a killed process left of its last line is no answer.
        return json.loads(line) if line.endswith(b"\n") else None

    async def answers(self) -> list[Answer]:
        """All its lines, when it has ended well."""
        found = await self.rest()
        assert await self._process.wait() == 0
        return found

    async def rest(self) -> list[Answer]:
        """All its lines, however it ends."""
        found = []
        while (answer := await self.answer()) is not None:
            found.append(answer)
        return found

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


StartPeer: TypeAlias = Callable[..., Any]


class ProcessContract(StorageFixtures):
    """What holds when other workers have the same store open."""

    @pytest.fixture
    async def start_peer(
        self, driver: str, folder: Path, settings: Mapping[str, object]
    ) -> AsyncIterator[StartPeer]:
        peers: list[Peer] = []

        async def start(do: str, **task: object) -> Peer:
            task |= {"driver": driver, "folder": str(folder), "settings": settings, "do": do}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hub.testing.contracts.storage_peer",
                json.dumps(task),
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            peers.append(Peer(process))
            return peers[-1]

        yield start
        for peer in peers:
            await peer.kill()

    @pytest.mark.proves("store: several processes deliver into one store")
    async def test_several_deliver_at_once_and_no_uid_is_lost_or_given_twice(
        self, start_peer: StartPeer, open_storage: OpenStorage
    ) -> None:
        # The store does not exist yet: they also race to make it.
        peers = [
            await start_peer("deliver", prefix=f"p{number}", count=200, at_once=20, accounts=["alice", "bob"])
            for number in range(4)
        ]
        answered = [answer for peer in peers for answer in await peer.answers()]
        assert len(answered) == 800
        async with open_storage() as storage:
            entries = [entry for entry in await storage.log(0, 10_000) if entry.message_id is not None]
            for key in ("alice", "bob"):
                mailbox = await inbox(storage, AccountRef("default", key))
                assert (mailbox.messages, mailbox.uidnext) == (400, 401)
                items = await storage.items(mailbox.id, [(1, 400)])
                told = {answer["uid"]: answer["id"] for answer in answered if answer["account"] == key}
                assert {item.uid: item.message_id for item in items} == told
                assert sorted(told) == list(range(1, 401))
                modseqs = [entry.modseq for entry in entries if entry.account == AccountRef("default", key)]
                assert modseqs == sorted(set(modseqs))
                assert [item.modseq for item in items] == modseqs

    async def test_a_watcher_is_told_of_another_processs_mail(
        self, start_peer: StartPeer, open_storage: OpenStorage
    ) -> None:
        async with open_storage() as storage:
            await storage.ensure_account(ALICE)
            watcher = await start_peer("watch", count=20)
            assert await watcher.answer() == {"watching": True}
            for number in range(20):
                await storage.accept(acceptance(f"m{number}", ALICE))
            told = await watcher.answers()
        assert [(answer["kind"], answer["id"]) for answer in told] == [
            (ChangeKind.DELIVERED.value, f"m{number}") for number in range(20)
        ]
        assert [answer["position"] for answer in told] == sorted({answer["position"] for answer in told})

    async def test_no_increment_of_a_shared_number_is_lost(
        self, start_peer: StartPeer, open_storage: OpenStorage
    ) -> None:
        peers = [await start_peer("increment", count=25) for _ in range(3)]
        for peer in peers:
            await peer.answers()
        async with open_storage() as storage:
            assert await storage.kv("contract").get("number") == b"75"

    async def test_counters_of_all_processes_add_up(
        self, start_peer: StartPeer, open_storage: OpenStorage
    ) -> None:
        peers = [await start_peer("count", count=100) for _ in range(3)]
        for peer in peers:
            await peer.answers()
        async with open_storage() as storage:
            assert storage.kv("contract").count("hits", 0, window=3600) == 300

    @pytest.mark.proves("store: what a killed process had answered is there")
    async def test_what_a_killed_process_had_answered_is_there(
        self, start_peer: StartPeer, open_storage: OpenStorage
    ) -> None:
        answered: dict[str, int] = {}
        for round_ in range(5):
            peer = await start_peer(
                "deliver", prefix=f"r{round_}", count=10**9, at_once=50, accounts=["alice"]
            )
            for _ in range(100 + 37 * round_):
                answer = await peer.answer()
                assert answer is not None
                answered[answer["id"]] = answer["uid"]
            await peer.kill()
            answered |= {answer["id"]: answer["uid"] for answer in await peer.rest()}
            async with open_storage() as storage:
                mailbox = await inbox(storage)
                items = {item.message_id: item.uid for item in await storage.items(mailbox.id, [(1, 10**9)])}
                assert answered.items() <= items.items()
                # Nothing half: the counters, the log and the items tell the same.
                assert sorted(items.values()) == list(range(1, mailbox.uidnext))
                assert mailbox.messages == len(items)
                delivered = [entry.first_uid for entry in await storage.log(0, 10**6) if entry.first_uid]
                assert delivered == list(range(1, mailbox.uidnext))
