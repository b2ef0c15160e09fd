"""What a client is told of what others note down (RFC 5464 §4.4.2, RFC 5465 §5.6, §5.7): the names of entries
that have changed.

The log says where something was noted down, not what. That is found by comparing with what was there before,
and so nobody is told of entries that are not theirs to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from hub.imap.enabled import Enabled
from hub.imap.entries import changed_response, may_read, noted
from hub.imap.events import OF_METADATA, Event
from hub.imap.place import Place
from hub.imap.places import find_place, visible_places
from hub.imap.session import ImapSession
from hub.imap.wakeups import Key
from hub.services.log import ChangeKind, LogEntry
from hub.services.storage import MailboxMissing

SERVER: Final = ""
"""What METADATA calls the server."""

Digests: TypeAlias = Mapping[str, int]
"""By entry, what tells its values from one another."""


class Annotated:
    """What a session knows to be noted down of each mailbox that it may see, by the mailbox's id, and of the
    server, which is 0 here."""

    __slots__ = ("_changed", "_ends", "_foreign", "_known")

    def __init__(self) -> None:
        self._known: dict[int, Digests] = {}
        self._foreign: dict[int, str] = {}
        self._changed: set[int] = set()
        self._ends: list[Callable[[], None]] = []

    async def begin(self, session: ImapSession) -> None:
        """Hear of what changes from now on, and learn what is there."""
        watch = session.mirrors.wakeups.watch
        places = list((await visible_places(session, foreign=True)).values())
        self._foreign = {place.mailbox.id: place.name for place in places if place.viewer is not None}

        def heard(entries: Sequence[LogEntry]) -> None:
            self._changed.update(e.collection or 0 for e in entries if e.kind is ChangeKind.ANNOTATED)
            session.notice()

        keys: tuple[Key, ...] = (session.account, *self._foreign)
        self._ends = [watch(key, heard) for key in keys]
        self._known[0] = await _digests(session, None)
        for place in places:
            self._known[place.mailbox.id] = await _digests(session, place)
            await session.out.flow()

    def end(self) -> None:
        """Hear of nothing any more."""
        for end in self._ends:
            end()
        self._ends.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._changed)

    def learn(self, mailbox: int, values: Mapping[str, bytes | None]) -> None:
        """The client has noted this down itself, of which it is told nothing (RFC 5465 §5)."""
        known = dict(self._known.get(mailbox, {}))
        for entry, value in values.items():
            known.pop(entry, None)
            if value is not None:
                known[entry] = hash(value)
        self._known[mailbox] = known

    async def tell(self, session: ImapSession, is_wanted: Callable[[str], bool]) -> None:
        """Tell which entries have changed, of those mailboxes whose name is wanted."""
        changed, self._changed = self._changed, set()
        for mailbox, place in (await self._places(session, changed)).items():
            now = await _digests(session, place)
            before = self._known.get(mailbox, {})
            self._known[mailbox] = now
            entries = sorted(entry for entry in {**before, **now} if before.get(entry) != now.get(entry))
            name = SERVER if place is None else place.name
            if entries and is_wanted(name):
                session.out.send(changed_response(session, name, entries))
                await session.out.flow()

    async def _places(self, session: ImapSession, mailboxes: set[int]) -> dict[int, Place | None]:
        """Those that may still be read about; None for the server."""
        found: dict[int, Place | None] = {0: None} if 0 in mailboxes else {}
        if mailboxes - found.keys():
            for mailbox in await session.storage.mailboxes(session.account):
                if mailbox.id in mailboxes:
                    found[mailbox.id] = Place(mailbox.name, mailbox, session.account)
            for each in mailboxes & self._foreign.keys():
                place = await find_place(session, self._foreign[each])
                if place is not None and place.mailbox.id == each:
                    found[each] = place
        return {each: place for each, place in found.items() if place is None or may_read(place)}


async def _digests(session: ImapSession, place: Place | None) -> Digests:
    """Nothing of a mailbox that has gone, or that may not be read about."""
    if place is not None and not may_read(place):
        return {}
    try:
        return {entry: hash(value) for entry, value in (await noted(session, place)).items()}
    except MailboxMissing:
        return {}


async def watch_annotations(session: ImapSession) -> None:
    """From now on the session knows of what others note down, if it did not before."""
    if session.annotated is None:
        session.annotated = Annotated()
        await session.annotated.begin(session)


def is_wanted(session: ImapSession, name: str) -> bool:
    """Whether the client wants to know of what is noted down about a mailbox, or about the server."""
    if Enabled.METADATA in session.enabled:
        return True
    notification = session.notification
    if notification is None:
        return False
    if name == SERVER:
        return notification.has(Event.SERVER_METADATA)
    return Event.MAILBOX_METADATA in notification.events(name)


def has_annotations(session: ImapSession) -> bool:
    """Whether there may be some to tell to a client that has no command under way."""
    if session.annotated is None or not session.annotated.is_waiting:
        return False
    if session.idling is not None and Enabled.METADATA in session.enabled:
        return True
    notification = session.notification
    return notification is not None and any(map(notification.has, OF_METADATA))


async def tell_annotations(session: ImapSession) -> None:
    """Tell which entries others have changed."""
    if session.annotated is not None:
        await session.annotated.tell(session, lambda name: is_wanted(session, name))
