"""Any sequence of appends, flags, copies, moves, expunges and undeletes leaves what a model says."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from hub_plugin_storage_sql import SqlStorage
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import AccountRef, FlagMode, NewItem, Usage
from hub.testing.clock import ManualClock
from hub.testing.scopes import make_scope

ALICE = AccountRef("default", "alice")
Range: TypeAlias = tuple[int, int]

FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged", "$Work"]))


def ranges() -> st.SearchStrategy[list[Range]]:
    """Ascending, disjoint ranges over the UIDs that a test gets to, and a little beyond."""
    bounds = st.lists(st.integers(1, 40), unique=True, max_size=6).map(sorted)
    return bounds.map(lambda found: list(zip(found[::2], found[1::2], strict=False)))


@dataclass(frozen=True)
class Append:
    flags: list[frozenset[str]]


@dataclass(frozen=True)
class Store:
    uids: list[Range]
    mode: FlagMode
    flags: frozenset[str]
    since: int | None  # how many changes ago the client last looked


@dataclass(frozen=True)
class Copy:
    uids: list[Range]
    into_itself: bool


@dataclass(frozen=True)
class Move:
    uids: list[Range]
    into_itself: bool


@dataclass(frozen=True)
class Undelete:
    newest: int  # how many of what was expunged last


@dataclass(frozen=True)
class Expunge:
    uids: list[Range] | None


Change: TypeAlias = Append | Store | Copy | Move | Expunge | Undelete
CHANGES = st.lists(
    st.one_of(
        st.builds(Append, st.lists(FLAGS, min_size=1, max_size=5)),
        st.builds(Store, ranges(), st.sampled_from(FlagMode), FLAGS, st.none() | st.integers(0, 3)),
        st.builds(Copy, ranges(), st.booleans()),
        st.builds(Move, ranges(), st.booleans()),
        st.builds(Expunge, st.none() | ranges()),
        st.builds(Undelete, st.integers(1, 4)),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class Box:
    """One mailbox in memory. items: UID → flags and modseq; vanished: UID → the modseq of its end."""

    items: dict[int, tuple[frozenset[str], int]] = field(default_factory=dict)
    vanished: dict[int, int] = field(default_factory=dict)
    uidnext: int = 1
    highest: int = 0

    def add(self, flags: Iterable[frozenset[str]], modseq: int) -> None:
        for each in flags:
            self.items[self.uidnext] = each, modseq
            self.uidnext += 1
            self.highest = modseq

    def among(self, uids: Sequence[Range] | None) -> list[int]:
        return [uid for uid in self.items if uids is None or any(a <= uid <= b for a, b in uids)]


@dataclass
class Model:
    """Two mailboxes of one account; every change that changes anything takes the next modseq."""

    inbox: Box
    other: Box
    modseq: int
    kept: list[frozenset[str]] = field(default_factory=list)

    def append(self, change: Append) -> None:
        self.modseq += 1
        self.inbox.add(change.flags, self.modseq)

    def store(self, change: Store, ceiling: int | None) -> list[int]:
        combined: dict[FlagMode, Callable[[frozenset[str]], frozenset[str]]] = {
            FlagMode.SET: lambda old: change.flags,
            FlagMode.ADD: lambda old: old | change.flags,
            FlagMode.REMOVE: lambda old: old - change.flags,
        }
        chosen = [
            uid
            for uid in self.inbox.among(change.uids)
            if ceiling is None or self.inbox.items[uid][1] <= ceiling
        ]
        after = {uid: combined[change.mode](self.inbox.items[uid][0]) for uid in chosen}
        changed = {uid: flags for uid, flags in after.items() if flags != self.inbox.items[uid][0]}
        if changed:
            self.modseq += 1
            self.inbox.highest = self.modseq
            self.inbox.items |= {uid: (flags, self.modseq) for uid, flags in changed.items()}
        return chosen

    def copy(self, change: Copy | Move) -> list[Range]:
        target = self.inbox if change.into_itself else self.other
        chosen = self.inbox.among(change.uids)
        if chosen:
            self.modseq += 1
        first = target.uidnext
        target.add([self.inbox.items[uid][0] for uid in chosen], self.modseq)
        return [(uid, first + place) for place, uid in enumerate(chosen)]

    def move(self, change: Move) -> list[Range]:
        pairs = self.copy(change)
        self._remove([uid for uid, _ in pairs])
        return pairs

    def undelete(self, change: Undelete) -> list[int]:
        back = self.kept[-change.newest :]
        del self.kept[-change.newest :]
        first = self.inbox.uidnext
        if back:
            self.modseq += 1
            self.inbox.add([flags - {"\\Deleted"} for flags in back], self.modseq)
        return list(range(first, self.inbox.uidnext))

    def expunge(self, change: Expunge) -> list[int]:
        gone = [uid for uid in self.inbox.among(change.uids) if "\\Deleted" in self.inbox.items[uid][0]]
        if gone:
            self.modseq += 1
            self.kept += [self.inbox.items[uid][0] for uid in gone]
            self._remove(gone)
        return gone

    def _remove(self, gone: Sequence[int]) -> None:
        if gone:
            self.inbox.highest = self.modseq
        for uid in gone:
            del self.inbox.items[uid]
            self.inbox.vanished[uid] = self.modseq


async def check(storage: SqlStorage, box_id: int, name: str, box: Box, marks: Sequence[int]) -> None:
    """Everything that can be read of a mailbox is what the model has, from whichever modseq one asks."""
    states = await storage.states(box_id)
    assert {state.uid: (state.flags, state.modseq) for state in states} == box.items
    mailbox = await storage.mailbox(ALICE, name)
    assert mailbox is not None
    assert (mailbox.uidnext, mailbox.messages, mailbox.size) == (
        box.uidnext,
        len(box.items),
        100 * len(box.items),
    )
    assert mailbox.unseen == sum("\\Seen" not in flags for flags, _ in box.items.values())
    for since in marks:
        changes = await storage.changes(box_id, since)
        assert {state.uid: (state.flags, state.modseq) for state in changes.changed} == {
            uid: each for uid, each in box.items.items() if each[1] > since
        }
        vanished = {uid for first, last in changes.vanished for uid in range(first, last + 1)}
        assert vanished == {uid for uid, modseq in box.vanished.items() if modseq > since}


async def play(storage: SqlStorage, changes: Sequence[Change]) -> None:
    await storage.ensure_account(ALICE)
    inbox, other = [await storage.mailbox(ALICE, name) for name in ("INBOX", "Archive")]
    assert inbox is not None
    assert other is not None
    model = Model(Box(highest=1), Box(highest=1), 1)
    marks = [0, 1]
    for number, change in enumerate(changes):
        match change:
            case Append():
                model.append(change)
                items = [
                    NewItem(f"{number}-{place}", "store:1", 10, 100, 0, flags)
                    for place, flags in enumerate(change.flags)
                ]
                await storage.append(ALICE, inbox.id, items)
            case Store():
                ceiling = None if change.since is None else marks[max(0, len(marks) - 1 - change.since)]
                states = await storage.store_flags(
                    inbox.id, change.uids, change.mode, change.flags, unchanged_since=ceiling
                )
                assert [state.uid for state in states] == model.store(change, ceiling)
                assert all(model.inbox.items[each.uid] == (each.flags, each.modseq) for each in states)
            case Copy():
                copied = await storage.copy(
                    inbox.id, change.uids, inbox.id if change.into_itself else other.id
                )
                assert list(copied.pairs) == model.copy(change)
            case Move():
                moved = await storage.move(
                    inbox.id, change.uids, inbox.id if change.into_itself else other.id
                )
                assert list(moved.pairs) == model.move(change)
            case Undelete():
                kept = [each.id for each in await storage.expunged(ALICE)]
                placed = await storage.undelete(ALICE, kept[-change.newest :])
                assert [each.uid for each in placed] == model.undelete(change)
            case Expunge():
                assert await storage.expunge(inbox.id, change.uids) == model.expunge(change)
        marks.append(model.modseq)
    await check(storage, inbox.id, "INBOX", model.inbox, marks)
    await check(storage, other.id, "Archive", model.other, marks)
    messages = len(model.inbox.items) + len(model.other.items)
    assert await storage.usage(ALICE) == Usage(100 * messages, messages)
    assert [each.item.flags for each in await storage.expunged(ALICE)] == model.kept
    assert await storage.check(ALICE) == []


@given(CHANGES)
@settings(max_examples=60, deadline=None)
def test_a_mailbox_is_what_the_model_says(changes: list[Change]) -> None:
    async def run(folder: Path) -> None:
        async with SqlStorage(make_scope("storage-sql", folder, ManualClock())) as storage:
            await play(storage, changes)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
