"""What a client has missed: changes since a modseq, and the UIDs that have vanished (RFC 7162 §3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Final

from hub.imap.enabled import Enabled
from hub.imap.replies import UID_REQUIRED, Refused, bad
from hub.imap.session import ImapSession
from hub.imap.sets import STAR, Ranges, compress, merge, render_set
from hub.imap.snapshot import within
from hub.imap.tokens import Reader
from hub.imap.updates import tell_states
from hub.imap.view import Selection, View
from hub.services.log import MailboxHistory

MAX_MODSEQ: Final = 1 << 63
_ALL: Final = ((1, STAR - 1),)


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a mailbox. known: its UIDs, ascending. numbers, uids: some of its sequence
    numbers and the UIDs of the same messages, as ranges."""

    uidvalidity: int
    modseq: int
    known: Ranges
    numbers: Ranges
    uids: Ranges


def parse_resync(reader: Reader, session: ImapSession) -> Resync:
    """`(uidvalidity modseq [known-uids] [(numbers uids)])`, behind the word QRESYNC."""
    if Enabled.QRESYNC not in session.enabled:
        raise bad("QRESYNC is used after ENABLE QRESYNC (RFC 7162 3.2.5)")
    reader.space()
    reader.expect(b"(", "(, the UIDVALIDITY and a modseq")
    uidvalidity = reader.number("the UIDVALIDITY")
    reader.space()
    modseq = parse_modseq(reader)
    known: Ranges = _ALL
    numbers: Ranges = ()
    uids: Ranges = ()
    if reader.take(b" ") and reader.peek() != b"(":
        known = merge(_starless(reader))
        reader.take(b" ")
    if reader.take(b"("):
        if Enabled.UIDONLY in session.enabled:
            raise Refused(UID_REQUIRED)
        numbers = _starless(reader)
        reader.space()
        uids = _starless(reader)
        if _size(numbers) != _size(uids):
            raise bad("There are not as many known UIDs as sequence numbers")
        reader.expect(b")", ") behind the known UIDs")
    reader.expect(b")", ") at the end of what is known")
    return Resync(uidvalidity, modseq, known, numbers, uids)


def parse_modseq(reader: Reader, *, least: int = 1) -> int:
    """A modseq: a number of 63 bits."""
    modseq = reader.number("a modseq", MAX_MODSEQ)
    if modseq < least:
        raise bad(f"A modseq is {least} or more")
    return modseq


async def tell_missed(session: ImapSession, resync: Resync) -> None:
    """Bring a client that comes back up to date with the mailbox that it has just opened."""
    view = session.mailbox
    if resync.uidvalidity != view.uidvalidity:
        return
    history = await session.storage.history(view.id, resync.modseq)
    known = resync.known
    # Up to where they agree the client knows what there is, so that nothing can have vanished.
    unsure = _intersection(known, [(_agreed(view, resync) + 1, STAR - 1)])
    await tell_vanished(session, history, unsure)
    changed = newer(view, view.by_uids(_intersection(known, history.touched)), resync.modseq)
    indexes = [at for start, end in changed for at in range(start, end)]
    await tell_states(session, indexes, with_uid=True)


async def tell_vanished(session: ImapSession, history: MailboxHistory, among: Ranges) -> None:
    """Which of these UIDs have vanished. history: of the selected mailbox; among: ascending, disjoint."""
    gone = _without(_intersection(history.vanished, among), session.mailbox.uids)
    if gone:
        session.out.send(b"* VANISHED (EARLIER) %b\r\n" % render_set(gone))
        await session.out.flow()


def newer(view: View, selection: Selection, modseq: int) -> list[tuple[int, int]]:
    """Those of the messages that have changed since a modseq."""
    numbers = [
        number
        for start, end in selection
        for number, each in enumerate(view.modseqs[start:end], start + 1)
        if each > modseq
    ]
    return [(first - 1, last) for first, last in compress(numbers)]


def _starless(reader: Reader) -> Ranges:
    ranges = reader.sequence_set()
    if any(STAR in pair for pair in ranges):
        raise bad("What is known cannot be written with *")
    return ranges


def _size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _numbers(ranges: Ranges) -> Iterator[int]:
    return chain.from_iterable(range(low, high + 1) for low, high in ranges)


def _agreed(view: View, resync: Resync) -> int:
    """The highest UID with the sequence number that the client knows; 0 if there is none."""
    pairs = islice(zip(_numbers(resync.numbers), _numbers(resync.uids), strict=True), len(view))
    return max(
        (uid for number, uid in pairs if number <= len(view) and view.uids[number - 1] == uid), default=0
    )


def _intersection(some: Ranges, others: Ranges) -> list[tuple[int, int]]:
    """What is in both; each ascending and disjoint."""
    found: list[tuple[int, int]] = []
    mine, theirs = list(some), list(others)
    at = other = 0
    while at < len(mine) and other < len(theirs):
        low, high = max(mine[at][0], theirs[other][0]), min(mine[at][1], theirs[other][1])
        if low <= high:
            found.append((low, high))
        if mine[at][1] < theirs[other][1]:
            at += 1
        else:
            other += 1
    return found


def _without(ranges: Sequence[tuple[int, int]], uids: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges without UIDs that are there: what has vanished this moment is told in its turn."""
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        start, end = within(uids, low, high)
        edges = [low - 1, *uids[start:end], high + 1]
        found += [(one + 1, other - 1) for one, other in pairwise(edges) if one + 1 < other]
    return found
