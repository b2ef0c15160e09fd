"""Stores as large as it takes, made through the services: mail by mail over SMTP would take hours.

Runs in a process of its own, `python -m bench.filling CONFIG {messages|accounts} COUNT`, as a verb of `hub`
does: what it imports and sets, its umask for one, is not ours.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from bench.server import DOMAIN, MAILBOX, ROOT, NotStarted, environment
from hub.cli.opening import services
from hub.config.load import load
from hub.mail.address import Address
from hub.services.chosen import Services
from hub.services.directory import DirectoryAdmin
from hub.services.storage import NewItem

T = TypeVar("T")

ITEMS_AT_ONCE: Final = 10_000
ACCOUNTS_AT_ONCE: Final = 500
HEAD: Final = f"From: <sender@client.{DOMAIN}>\r\nTo: <{MAILBOX}>\r\nSubject: filling\r\n\r\n".encode()
BODY: Final = b"x" * 70 + b"\r\n"


def fill_mailbox(config: Path, count: int) -> None:
    """Put messages into the INBOX of the reader of a hub that does not run; they share a body. NotStarted."""
    _run(config, "messages", count)


def add_accounts(config: Path, count: int) -> None:
    """Make accounts, with their mailboxes, in a hub that does not run. NotStarted."""
    _run(config, "accounts", count)


def account(number: int) -> str:
    """The address of the account of that number, from 0."""
    return f"account-{number}@{DOMAIN}"


def _run(config: Path, what: str, count: int) -> None:
    command = [sys.executable, "-m", "bench.filling", str(config), what, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    if done.returncode:
        raise NotStarted(f"its store could not be filled: {done.stderr.strip()[-2000:]}")


# -- in the process that fills


async def _make(config: Path, what: str, count: int) -> None:
    async with services(load(config, environ={}, cwd=config.parent)) as opened:
        await (_fill if what == "messages" else _add)(opened, count)


async def _fill(opened: Services, count: int) -> None:
    reader = await opened.directory.account(MAILBOX)
    assert reader is not None
    await opened.storage.ensure_account(reader.ref)
    inbox = await opened.storage.mailbox(reader.ref, "INBOX")
    assert inbox is not None
    blob = await opened.blobs.put(HEAD, BODY, b"")
    now = int(time.time())
    for batch in _batches(range(count), ITEMS_AT_ONCE):
        items = [
            NewItem(f"filling-{number:012}", blob, len(HEAD), len(HEAD) + len(BODY), now) for number in batch
        ]
        await opened.storage.append(reader.ref, inbox.id, items)


async def _add(opened: Services, count: int) -> None:
    directory = opened.directory
    assert isinstance(directory, DirectoryAdmin)
    for batch in _batches(range(count), ACCOUNTS_AT_ONCE):
        made = await asyncio.gather(
            *(directory.add_account(Address.parse(account(number)), None) for number in batch)
        )
        await asyncio.gather(*(opened.storage.ensure_account(each.ref) for each in made))


def _batches(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch


if __name__ == "__main__":
    asyncio.run(_make(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
