"""Searches whose results a client is kept up to date with (RFC 5267 §4.3): which there are in a selected
mailbox, and what a change does to them.

A change is looked at by itself: the criteria are asked about the messages that it touches and no
others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from hub.imap.attributes import Attribute
from hub.imap.criteria import Indexes, Node
from hub.imap.fetch import fetch_selection
from hub.imap.kept import Found, Kept, Piece, Sorted
from hub.imap.searched import Searched, searched
from hub.imap.session import ImapSession
from hub.imap.sets import compress, render_list
from hub.imap.view import Update
from hub.log import get_logger

MAX_CONTEXTS: Final = 16
"""In one session; each looks at every change."""
MAX_KEPT: Final = 200_000
"""Results of all of them together."""

_log = get_logger(area="imap")

Entries: TypeAlias = Callable[[Searched, Sequence[int]], Awaitable[Sequence[Any]]]
"""What messages, by their indexes, are entered by into results that are sorted."""


@dataclass(slots=True)
class Context:
    """One search. correlator: what its responses begin with, without the parentheses. attributes: of new
    messages that it finds (RFC 5465 §7). by_last: the criteria have a `*`, which another message may come to
    be. entries: of what is sorted, None for what stays in the mailbox's order.
    """

    correlator: bytes
    criteria: Node
    by_uid: bool
    by_last: bool = False
    attributes: tuple[Attribute, ...] = ()
    entries: Entries | None = None
    kept: Kept = field(default_factory=Found)

    async def fill(self, mailbox: Searched, order: Sequence[int]) -> None:
        """These are its results. order: indexes."""
        entries = await self.enter(mailbox, order)
        self.kept = Found(entries) if self.entries is None else Sorted(entries)

    async def enter(self, mailbox: Searched, order: Sequence[int]) -> Sequence[Any]:
        """What the messages are entered by."""
        if self.entries is not None:
            return await self.entries(mailbox, order)
        return [mailbox.uids[at] for at in order]


class Contexts:
    """Those of one selected mailbox, by the tag of the command that asked for each."""

    __slots__ = ("_by_tag", "_changed")

    def __init__(self) -> None:
        self._by_tag: dict[bytes, Context] = {}
        self._changed: set[int] = set()

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._by_tag

    def has_room(self, results: int) -> bool:
        """Whether one with that many results can be kept beside those that there are; the first always can
        (RFC 5267 §4.3.1)."""
        if not self._by_tag:
            return True
        kept = sum(len(context.kept) for context in self._by_tag.values())
        return len(self._by_tag) < MAX_CONTEXTS and kept + results <= MAX_KEPT

    def keep(self, tag: bytes, context: Context) -> None:
        """From now on its changes are told."""
        self._by_tag[tag] = context

    def cancel(self, tag: bytes) -> None:
        """No longer."""
        del self._by_tag[tag]

    def note(self, uids: Sequence[int]) -> None:
        """The session has changed these itself; that is told when all else is."""
        if self._by_tag:
            self._changed.update(uids)

    async def tell_expunged(self, session: ImapSession, update: Update) -> None:
        """Before the client is told of it: its sequence numbers still hold (RFC 5267 §4.3.4)."""
        if not self._by_tag or not update.expunged:
            return
        numbers = dict(zip(update.expunged_uids, (at + 1 for at in update.expunged), strict=True))
        for context in self._by_tag.values():
            pieces = context.kept.remove(update.expunged_uids)
            _send(session, context, [(b"REMOVEFROM", pieces)], numbers)
            await session.out.flow()

    async def tell_changed(self, session: ImapSession, update: Update) -> None:
        """After the client was told of it: it knows the new messages (RFC 5267 §4.3.3, RFC 5465 §7)."""
        changed, self._changed = self._changed, set()
        if not self._by_tag:
            return
        view, count = session.mailbox, len(session.mailbox)
        fresh = range(count - update.added, count)
        touched = {*update.touched, *view.indexes(sorted(changed)), *fresh}
        ends = (
            {at for at in (fresh.start - 1, count - 1) if at >= 0} if update.added or update.expunged else ()
        )
        for tag, context in list(self._by_tag.items()):
            among = touched.union(ends) if context.by_last else touched
            if among:
                await self._look(session, tag, context, among, fresh)

    async def _look(
        self, session: ImapSession, tag: bytes, context: Context, among: Indexes, fresh: Sequence[int]
    ) -> None:
        try:
            await _tell(session, context, among, fresh)
        except ConnectionResetError:
            raise
        except Exception:
            _log.error("a search cannot be kept up to date", exc_info=True)
            del self._by_tag[tag]
            tell_refused(session, tag, b"The results cannot be kept up to date any longer")


async def _tell(session: ImapSession, context: Context, among: Indexes, fresh: Sequence[int]) -> None:
    view, kept = session.mailbox, context.kept
    mailbox = searched(session, view)
    found = await mailbox.find(context.criteria, among)
    uids = view.uids
    gone = [uids[at] for at in sorted(among - found) if uids[at] in kept]
    came = [at for at in sorted(found) if uids[at] not in kept]
    if context.attributes and (arrived := [at + 1 for at in came if at in fresh]):
        spans = [(first - 1, last) for first, last in compress(arrived)]
        await fetch_selection(session, spans, context.attributes)
    entries = await context.enter(mailbox, came)
    changes = [(b"REMOVEFROM", kept.remove(gone)), (b"ADDTO", kept.add(entries))]
    numbers = {uids[at]: at + 1 for at in among}
    _send(session, context, changes, numbers)
    await session.out.flow()


def _send(
    session: ImapSession,
    context: Context,
    changes: Sequence[tuple[bytes, Sequence[Piece]]],
    numbers: Mapping[int, int],
) -> None:
    """numbers: UID → sequence number."""
    data = []
    for word, pieces in changes:
        if pieces:
            sets = [uids if context.by_uid else [numbers[uid] for uid in uids] for _, uids in pieces]
            pairs = [b"%d %b" % (at, render_list(each)) for (at, _), each in zip(pieces, sets, strict=True)]
            data.append(b" %b (%b)" % (word, b" ".join(pairs)))
    if data:
        uid = b" UID" if context.by_uid else b""
        session.out.send(b"* ESEARCH (%b)%b%b\r\n" % (context.correlator, uid, b"".join(data)))


def tell_refused(session: ImapSession, tag: bytes, reason: bytes) -> None:
    """The results of that command are not kept up to date (RFC 5267 §4.3.1)."""
    session.out.send(b'* NO [NOUPDATE "%b"] %b\r\n' % (tag, reason))
