"""What changes about items, of one or of ten thousand at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload


class ItemState(NamedTuple):
    """What changes about an item."""

    uid: int
    flags: frozenset[str]
    modseq: int


class States(Sequence[ItemState]):
    """States by UID, kept as columns, which whoever takes them in copies and compares as a whole.

    uids: ascending; flags, modseqs: in step with them. None of the three is changed. Equal to every sequence
    of the same states.
    """

    __slots__ = ("flags", "modseqs", "uids")

    def __init__(self, uids: array[int], flags: Sequence[frozenset[str]], modseqs: array[int]) -> None:
        self.uids = uids
        self.flags = flags
        self.modseqs = modseqs

    @classmethod
    def of(cls, states: Iterable[ItemState]) -> States:
        """Those that are there one by one."""
        columns = tuple(zip(*states, strict=True)) or ((), (), ())
        return cls(array("I", columns[0]), columns[1], array("Q", columns[2]))

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[ItemState]:
        return map(ItemState, self.uids, self.flags, self.modseqs)

    @overload
    def __getitem__(self, at: int) -> ItemState: ...

    @overload
    def __getitem__(self, at: slice) -> States: ...

    def __getitem__(self, at: int | slice) -> ItemState | States:
        if isinstance(at, slice):
            return States(self.uids[at], self.flags[at], self.modseqs[at])
        return ItemState(self.uids[at], self.flags[at], self.modseqs[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]  # as a list, which it is but for its columns

    def __repr__(self) -> str:
        return f"States.of({list(self)!r})"


def _same(one: object, other: object) -> bool:
    return one == other


NO_STATES = States.of(())


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody remembers of a mailbox: all its items, as they were when this was its highest modseq."""

    modseq: int
    states: States
