"""Another process on the same store, for the contract of `Storage`: does what JSON says, and answers in it.

python -m hub.testing.contracts.storage_peer '{"driver": "module:Class", "folder": "…", "do": "deliver", …}'
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from hub.hooks.plugin import Plugin
from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn
from hub.mail.login import AccountRef
from hub.services.log import LogEntry
from hub.services.storage import Acceptance, Delivery, Storage
from hub.testing.clock import START, ManualClock
from hub.testing.scopes import make_scope


def acceptance(
    message_id: str,
    *accounts: AccountRef,
    mailbox: str = "INBOX",
    queue: Sequence[Address] = (),
    sender: AccountRef | None = None,
    flags: frozenset[str] = frozenset(),
    size: int = 4000,
    dsn: Dsn = NO_DSN,
    requires_tls: bool = False,
) -> Acceptance:
    """A message to one mailbox of each account."""
    lines = b"Return-Path: <sender@example.test>\r\n"
    return Acceptance(
        id=message_id,
        blob=f"store:{message_id}",
        head_size=500,
        size=size,
        received_at=START,
        reverse_path=Address("sender", "example.test"),
        deliveries=tuple(Delivery(account, mailbox, lines, flags) for account in accounts),
        queue=tuple(queue),
        sender=sender,
        dsn=dsn,
        requires_tls=requires_tls,
    )


@asynccontextmanager
async def open_driver(
    driver: str, folder: Path, settings: Mapping[str, object], clock: ManualClock | None = None
) -> AsyncIterator[Storage]:
    """The driver `module:Class` on a folder. settings: its plugin's table."""
    module, _, name = driver.partition(":")
    plugin = module.partition(".")[0].removeprefix("hub_plugin_").replace("_", "-")
    scope = make_scope(plugin, folder, clock or ManualClock(), settings)
    build = cast(
        "Callable[[Plugin], AbstractAsyncContextManager[Storage]]", getattr(import_module(module), name)
    )
    async with build(scope) as storage:
        yield storage
    await scope.close()


async def _deliver(storage: Storage, task: Mapping[str, Any]) -> None:
    """Accept messages for the accounts in turn, several at a time, and tell of each that was answered."""
    accounts = [AccountRef("default", key) for key in task["accounts"]]
    numbers = iter(range(task["count"]))

    async def one_after_another() -> None:
        for number in numbers:
            account = accounts[number % len(accounts)]
            message_id = f"{task['prefix']}-{number}"
            (placed,) = await storage.accept(acceptance(message_id, account))
            _tell(id=message_id, account=account.key, uid=placed.uid)

    await asyncio.gather(*[one_after_another() for _ in range(task["at_once"])])


async def _watch(storage: Storage, task: Mapping[str, Any]) -> None:
    """Tell of every entry of the log, until there were so many."""
    seen: asyncio.Queue[LogEntry] = asyncio.Queue()

    def told(entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            seen.put_nowait(entry)

    storage.watch(told)
    _tell(watching=True)
    for _ in range(task["count"]):
        entry = await seen.get()
        _tell(position=entry.position, kind=entry.kind.value, id=entry.message_id)


async def _increment(storage: Storage, task: Mapping[str, Any]) -> None:
    """Add one to a number in the key-value space, again and again, losing no addition of anybody."""
    kv = storage.kv("contract")
    for _ in range(task["count"]):
        while True:
            value = await kv.get("number")
            if await kv.compare_and_set("number", value, str(int(value or b"0") + 1).encode()):
                break


async def _count(storage: Storage, task: Mapping[str, Any]) -> None:
    """Count, and leave, which brings the counter to the store."""
    for _ in range(task["count"]):
        storage.kv("contract").count("hits", window=3600)


_ACTIONS = {"deliver": _deliver, "watch": _watch, "increment": _increment, "count": _count}


def _tell(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def _main(task: Mapping[str, Any]) -> None:
    async with open_driver(task["driver"], Path(task["folder"]), task["settings"]) as storage:
        await _ACTIONS[task["do"]](storage, task)


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
