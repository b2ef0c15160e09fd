"""What the parts of the contract share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from hub.mail.login import AccountRef
from hub.services.states import ItemState
from hub.services.storage import Mailbox, NewItem, Storage
from hub.testing.clock import START, ManualClock
from hub.testing.contracts.storage_peer import open_driver

OpenStorage: TypeAlias = Callable[[], AbstractAsyncContextManager[Storage]]

ALICE: Final = AccountRef("default", "alice")
BOB: Final = AccountRef("default", "bob")
FIRST_MAILBOXES: Final = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
ALL: Final = [(1, (1 << 32) - 1)]
SEEN: Final = frozenset({"\\Seen"})
DELETED: Final = frozenset({"\\Deleted"})


def new_item(number: int, flags: frozenset[str] = frozenset()) -> NewItem:
    """A message of 1,000 octets that a client appends."""
    return NewItem(f"item-{number}", f"store:{number}", 100, 1000, int(START) - number, flags)


async def inbox(storage: Storage, account: AccountRef = ALICE) -> Mailbox:
    """An account's INBOX as it stands."""
    found = await storage.mailbox(account, "INBOX")
    assert found is not None
    return found


async def filled(storage: Storage, count: int, flags: frozenset[str] = frozenset()) -> int:
    """Alice's INBOX with so many new items; its id."""
    await storage.ensure_account(ALICE)
    mailbox = (await inbox(storage)).id
    await storage.append(ALICE, mailbox, [new_item(number, flags) for number in range(count)])
    return mailbox


def flags_by_uid(states: Sequence[ItemState]) -> dict[int, set[str]]:
    """The states without their modseqs, to compare."""
    return {state.uid: set(state.flags) for state in states}


class StorageFixtures:
    """A store to test. `driver` is `module:Class`, so that other processes can build it too."""

    @pytest.fixture
    def driver(self) -> str:
        raise NotImplementedError("the contract is inherited, with a fixture of its own")

    @pytest.fixture
    def settings(self) -> Mapping[str, object]:
        """The driver's table; other processes get the same, so it is made of what JSON has."""
        return {}

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def clock(self, manual_clock: ManualClock) -> ManualClock:
        return manual_clock

    @pytest.fixture
    def open_storage(
        self, driver: str, settings: Mapping[str, object], folder: Path, clock: ManualClock
    ) -> OpenStorage:
        return lambda: open_driver(driver, folder, settings, clock)

    @pytest.fixture
    async def storage(self, open_storage: OpenStorage) -> AsyncIterator[Storage]:
        async with open_storage() as storage:
            yield storage
