"""Where the bytes of messages lie.

A blob is a header block and a body, immutable, named by an opaque reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from hub.mail.message import BodyFile


class BlobGone(LookupError):
    """The reference names bytes that are not there, or not whole."""


class StoreFull(OSError):
    """Nothing more is taken in: no space, quota of the disk, or too few megabytes left. Says 452 4.3.1."""


@dataclass(frozen=True, slots=True)
class BlobRecord:
    """One blob as its store knows it, without the index. size: octets of header block and body.

    time: when it was put, in seconds since the epoch. recovery: as it was given to `put`.
    """

    reference: str
    head_size: int
    size: int
    time: float
    recovery: bytes


@dataclass(frozen=True, slots=True)
class BlobUse:
    """What the rows of the index say of a blob; sizes as in BlobRecord."""

    reference: str
    head_size: int
    size: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection of garbage has done, or would do.

    blobs: without rows, and removed. moved: blobs that were written anew, since their neighbours went.
    freed: octets given back. left: octets of garbage that stay for now, not yet worth the work or in a file
    whose writer may still give them rows. damaged: what could not be moved, and why; it stays where it is.
    """

    blobs: int = 0
    moved: int = 0
    freed: int = 0
    left: int = 0
    damaged: tuple[str, ...] = ()


LAST_REFERENCE: Final = "\x7f"
"""Behind every reference, which are of printable ASCII."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called on the event loop now and then: how much of how much is done, in whatever is counted."""


def no_progress(done: int, total: int) -> None:
    """Nobody looks on."""


class References(Protocol):
    """The index as a collection of garbage sees it; every `Storage` is one."""

    async def references(
        self, after: str = "", before: str = LAST_REFERENCE, limit: int = 1000
    ) -> Sequence[BlobUse]:
        """What any row refers to between the two, neither included; by the octets of the reference.

        Two entries for one reference say that rows disagree about it.
        """

    async def move_references(self, moved: Mapping[str, str]) -> None:
        """Every row that refers to a key refers to its value from now on, all in one change.

        Clients see no change: no modseq is taken, nothing is logged. What is copied at the same time refers
        to one of the two.
        """


class Spool(Protocol):
    """A large body on its way in: written as it arrives to a file of its own, which becomes the blob."""

    @property
    def size(self) -> int:
        """Octets written so far."""

    async def write(self, chunk: bytes) -> None:
        """Append to the body; returns when there is room for more. StoreFull, OSError."""

    async def body(self) -> BodyFile:
        """What was written, readable by plugins until the spool is kept or discarded."""

    async def keep(self, head: bytes, recovery: bytes) -> str:
        """Put the header block before the body; durable when this returns the blob's reference."""

    async def discard(self) -> None:
        """Forget it; does nothing after `keep`."""


class Blobs(Protocol):
    """The choose-one service of message bytes, entered by the hub as an async context manager."""

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        """Store a message, durable when this returns its reference (text, of up to 255 octets, that names
        this store).

        recovery: what `reindex` needs to deliver the message anew, kept in the record's header. Concurrent
        calls share one sync. StoreFull, OSError.
        """

    async def spool(self) -> Spool:
        """Begin a large message. StoreFull, OSError."""

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        """Octets of the header block and body as one piece, from `offset`, to the end without `length`.

        BlobGone.
        """

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        """The first octets of each blob, so many as stand beside its reference or all for None, in order.

        What lies side by side is read in one go. All of it is in memory at once: the caller sees to how much.
        """

    def stream(self, reference: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of at most 256 KiB, so that a large message never is in memory whole.

        BlobGone.
        """

    # -- looking after the store

    async def status(self) -> Mapping[str, object]:
        """A few figures for `hub status`: driver, and what its bytes lie in."""

    def settle(self, reference: str) -> None:
        """What `put` or `keep` gave has all its rows by now, or will never have any.

        Until then it is no garbage, however long that takes, while this process has the store open. Costs
        nothing; a reference that is not this process's is none of its business.
        """

    async def inspect(self, references: Sequence[str], *, deep: bool) -> Sequence[BlobRecord | BlobGone]:
        """What is known of each of them, or what is wrong with it, in their order.

        deep: with the checksums of the message itself, which is read whole.
        """

    def records(self, progress: Progress = no_progress) -> AsyncIterator[BlobRecord | BlobGone]:
        """Every whole blob, about the oldest first, and what is damaged where none can be read.

        All is read and verified, with or without rows, also what was already given up or is being moved; so
        the same message may come twice. progress: in octets.
        """

    async def collect(
        self,
        index: References,
        *,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> Collected:
        """Give back the space of blobs without rows; safe beside any number of readers, writers and others
        that collect.

        force: though little is to be gained. dry_run: only find out. progress: in octets.
        """
