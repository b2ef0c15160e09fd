"""Which mailboxes an ESEARCH looks into (RFC 7377 §2.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from hub.imap.filters import NAMED, Filter, is_below, read_filter
from hub.imap.place import Place
from hub.imap.places import find_place, visible_places
from hub.imap.replies import NEEDS_MAILBOX, Refused, bad, no
from hub.imap.session import ImapSession
from hub.imap.shared import is_foreign
from hub.imap.tokens import Reader

MAX_MAILBOXES: Final = 1000
"""That one command names, and that it looks into."""


@dataclass(frozen=True, slots=True)
class Source:
    """Some of the mailboxes. names: for those that are named."""

    filter: Filter
    names: tuple[str, ...] = ()


def read_sources(reader: Reader) -> tuple[Source, ...]:
    """`IN (…)` and the space behind it; the selected mailbox if that is not there. BAD."""
    if not reader.take_word(b"IN"):
        return (Source(Filter.SELECTED),)
    reader.space()
    reader.expect(b"(", "where to search in parentheses")
    sources = [Source(*read_filter(reader, delayed=False))]
    while not reader.take(b")"):
        reader.space()
        if reader.peek() == b"(":
            raise bad("There are no scope options (RFC 7377 4)")
        sources.append(Source(*read_filter(reader, delayed=False)))
    reader.space()
    if sum(len(source.names) for source in sources) > MAX_MAILBOXES:
        raise no(b"More than %d mailboxes are named" % MAX_MAILBOXES, b"LIMIT")
    return tuple(sources)


async def places_of(session: ImapSession, sources: tuple[Source, ...]) -> list[Place]:
    """The mailboxes, each once, in the order in which they are asked for. Refused.

    What may not be read is passed over like what is not there, and what is not named must be visible, too.
    """
    if session.view is None and any(source.filter is Filter.SELECTED for source in sources):
        raise Refused(NEEDS_MAILBOX)
    found: dict[int, Place] = {}
    async for each in _Looking(session).places(sources):
        if "r" in each.rights:
            found.setdefault(each.mailbox.id, each)
    if len(found) > MAX_MAILBOXES:
        raise no(b"More than %d mailboxes are to be searched; name some of them" % MAX_MAILBOXES, b"LIMIT")
    return list(found.values())


class _Looking:
    """What there is, read when it is first asked for."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._own: list[Place] | None = None
        self._all: list[Place] | None = None

    async def places(self, sources: tuple[Source, ...]) -> AsyncIterator[Place]:
        """Of every source, one after the other."""
        for source in sources:
            if source.filter in NAMED:
                async for each in self._named(source):
                    yield each
            elif source.filter is Filter.SELECTED:
                assert self._session.view is not None
                yield self._session.view.place
            else:
                for each in await self._unnamed(source.filter):
                    yield each

    async def _named(self, source: Source) -> AsyncIterator[Place]:
        for name in source.names:
            place = await find_place(self._session, name)
            if place is not None:
                yield place
        if source.filter is Filter.MAILBOXES:
            return
        roots, one_level = frozenset(source.names), source.filter is Filter.SUBTREE_ONE
        for each in await self._visible(foreign=any(map(is_foreign, source.names))):
            if is_below(each.name, roots, one_level=one_level):
                yield each

    async def _unnamed(self, which: Filter) -> list[Place]:
        if which is Filter.SUBSCRIBED:
            names = set(await self._session.storage.subscriptions(self._session.account))
            places = await self._visible(foreign=any(map(is_foreign, names)))
            return [each for each in places if each.name in names]
        own = await self._visible(foreign=False)
        if which is Filter.PERSONAL:
            return own
        return [each for each in own if each.name == "INBOX" or each.mailbox.special_use == "\\Junk"]

    async def _visible(self, *, foreign: bool) -> list[Place]:
        """What LIST tells of."""
        if foreign:
            if self._all is None:
                self._all = list((await visible_places(self._session, foreign=True)).values())
            return self._all
        if self._own is None:
            self._own = list((await visible_places(self._session, foreign=False)).values())
        return self._own
