"""Which mailboxes an ESEARCH looks into (RFC 7377 §2.2)."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hub.imap.names import SEPARATOR
from hub.imap.place import Place
from hub.imap.places import find_place, visible_places
from hub.imap.replies import NEEDS_MAILBOX, Refused, bad, no
from hub.imap.session import ImapSession
from hub.imap.shared import is_foreign
from hub.imap.tokens import Reader

MAX_MAILBOXES: Final = 1000
"""That one command names, and that it looks into."""


class Among(enum.Enum):
    """The value is the word behind IN, in capitals."""

    SELECTED = b"SELECTED"
    INBOXES = b"INBOXES"
    PERSONAL = b"PERSONAL"
    SUBSCRIBED = b"SUBSCRIBED"
    SUBTREE = b"SUBTREE"
    SUBTREE_ONE = b"SUBTREE-ONE"
    MAILBOXES = b"MAILBOXES"


_NAMED: Final = frozenset((Among.SUBTREE, Among.SUBTREE_ONE, Among.MAILBOXES))
_WORDS: Final = MappingProxyType({each.value: each for each in Among})


@dataclass(frozen=True, slots=True)
class Source:
    """Some of the mailboxes. names: for those that are named."""

    among: Among
    names: tuple[str, ...] = ()


def read_sources(reader: Reader) -> tuple[Source, ...]:
    """`IN (…)` and the space behind it; the selected mailbox if that is not there. BAD."""
    if not reader.take_word(b"IN"):
        return (Source(Among.SELECTED),)
    reader.space()
    reader.expect(b"(", "where to search in parentheses")
    sources = [_source(reader)]
    while not reader.take(b")"):
        reader.space()
        if reader.peek() == b"(":
            raise bad("There are no scope options (RFC 7377 4)")
        sources.append(_source(reader))
    reader.space()
    if sum(len(source.names) for source in sources) > MAX_MAILBOXES:
        raise no(b"More than %d mailboxes are named" % MAX_MAILBOXES, b"LIMIT")
    return tuple(sources)


def _source(reader: Reader) -> Source:
    word = reader.word("which mailboxes to search, such as personal")
    among = _WORDS.get(word)
    if among is None:
        raise bad(f"There is no source {word.decode()[:40]}; there is {b' '.join(_WORDS).decode().lower()}")
    if among not in _NAMED:
        return Source(among)
    reader.space()
    return Source(among, reader.mailboxes())


async def places_of(session: ImapSession, sources: tuple[Source, ...]) -> list[Place]:
    """The mailboxes, each once, in the order in which they are asked for. Refused.

    What may not be read is passed over like what is not there, and what is not named must be visible, too.
    """
    if session.view is None and any(source.among is Among.SELECTED for source in sources):
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
            if source.among in _NAMED:
                async for each in self._named(source):
                    yield each
            elif source.among is Among.SELECTED:
                assert self._session.view is not None
                yield self._session.view.place
            else:
                for each in await self._unnamed(source.among):
                    yield each

    async def _named(self, source: Source) -> AsyncIterator[Place]:
        for name in source.names:
            place = await find_place(self._session, name)
            if place is not None:
                yield place
        if source.among is Among.MAILBOXES:
            return
        below = _below(frozenset(source.names), one_level=source.among is Among.SUBTREE_ONE)
        for each in await self._visible(foreign=any(map(is_foreign, source.names))):
            if below(each.name):
                yield each

    async def _unnamed(self, among: Among) -> list[Place]:
        if among is Among.SUBSCRIBED:
            names = set(await self._session.storage.subscriptions(self._session.account))
            places = await self._visible(foreign=any(map(is_foreign, names)))
            return [each for each in places if each.name in names]
        own = await self._visible(foreign=False)
        if among is Among.PERSONAL:
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


def _below(roots: frozenset[str], *, one_level: bool) -> Callable[[str], bool]:
    """Whether a name lies below one of these; in as many steps as it has levels."""

    def below(name: str) -> bool:
        parent = name.rpartition(SEPARATOR)[0]
        if one_level:
            return parent in roots
        while parent and parent not in roots:
            parent = parent.rpartition(SEPARATOR)[0]
        return bool(parent)

    return below
