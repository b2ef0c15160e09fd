"""What a client wants to be told of without asking (RFC 5465), and what there is to tell."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hub.imap.filters import OF_SELECTED, Filter, is_below
from hub.services.log import ChangeKind, LogEntry

if TYPE_CHECKING:
    from hub.imap.attributes import Attribute

MAX_PENDING: Final = 1000
"""Mailboxes and names that may be waiting for a client that does not read."""


class Event(enum.Enum):
    """The value is the word in NOTIFY, in capitals."""

    MESSAGE_NEW = b"MESSAGENEW"
    MESSAGE_EXPUNGE = b"MESSAGEEXPUNGE"
    FLAG_CHANGE = b"FLAGCHANGE"
    MAILBOX_NAME = b"MAILBOXNAME"
    SUBSCRIPTION_CHANGE = b"SUBSCRIPTIONCHANGE"
    MAILBOX_METADATA = b"MAILBOXMETADATACHANGE"
    SERVER_METADATA = b"SERVERMETADATACHANGE"


OF_MESSAGES: Final = frozenset((Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE, Event.FLAG_CHANGE))
OF_METADATA: Final = frozenset((Event.MAILBOX_METADATA, Event.SERVER_METADATA))
_EVENTS: Final[Mapping[ChangeKind, Event]] = MappingProxyType(
    {
        ChangeKind.DELIVERED: Event.MESSAGE_NEW,
        ChangeKind.APPENDED: Event.MESSAGE_NEW,
        ChangeKind.EXPUNGED: Event.MESSAGE_EXPUNGE,
        ChangeKind.FLAGGED: Event.FLAG_CHANGE,
        ChangeKind.CREATED: Event.MAILBOX_NAME,
        ChangeKind.RENAMED: Event.MAILBOX_NAME,
        ChangeKind.DELETED: Event.MAILBOX_NAME,
        ChangeKind.SUBSCRIBED: Event.SUBSCRIPTION_CHANGE,
        ChangeKind.UNSUBSCRIBED: Event.SUBSCRIPTION_CHANGE,
    }
)


@dataclass(frozen=True, slots=True)
class Group:
    """Which events of which mailboxes. names: for filters that have some. attributes: of new messages in the
    selected mailbox."""

    filter: Filter
    names: frozenset[str]
    events: frozenset[Event]
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """One thing to tell. name: of a mailbox, as this user writes it. old: its name until now."""

    event: Event
    name: str
    old: str = ""


@dataclass(slots=True)
class Known:
    """Names as the client was told them last. own: id → name of the account's mailboxes, foreign: of those
    of others that NOTIFY has named. inboxes: where mail is delivered to."""

    own: dict[int, str]
    foreign: Mapping[int, str]
    subscribed: set[str]
    inboxes: frozenset[str]


class Notification:
    """What NOTIFY SET has asked for, and what has happened since and is not told yet.

    selected: the group of the selected mailbox, if there is one. fetch_new: answers with the attributes that
    new messages there are told with, from an index on.
    """

    def __init__(self, groups: Sequence[Group], known: Known, is_selected: Callable[[int], bool]) -> None:
        self._groups = [group for group in groups if group.filter not in OF_SELECTED]
        self._known = known
        self._is_selected = is_selected
        self.selected = next((group for group in groups if group.filter in OF_SELECTED), None)
        self.fetch_new: Callable[[int], Awaitable[None]] | None = None
        self.ends: list[Callable[[], None]] = []
        self.pending: dict[Pending, None] = {}
        self.overflown = False

    def end(self) -> None:
        """Hear of nothing any more."""
        for end in self.ends:
            end()
        self.ends.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.pending) or self.overflown

    def tells(self, event: Event) -> bool:
        """Whether an event of the selected mailbox is told when it happens."""
        return self.selected is not None and event in self.selected.events

    def events(self, name: str) -> frozenset[Event]:
        """What is told of a mailbox of that name: whatever any of the groups that have it asks for (RFC 5465
        §6)."""
        return frozenset[Event]().union(*[group.events for group in self._groups if self._has(group, name)])

    def has(self, event: Event) -> bool:
        """Whether the event is asked for of any mailbox but the selected one."""
        return any(event in group.events for group in self._groups)

    def hear(self, entries: Sequence[LogEntry]) -> None:
        """What the log has told of the account, or of a mailbox of somebody else."""
        for entry in entries:
            event = _EVENTS.get(entry.kind)
            found = None if event is None else self._pending(event, entry)
            if found is not None:
                self.pending[found] = None
        if len(self.pending) > MAX_PENDING:
            self.pending.clear()
            self.overflown = True

    def _pending(self, event: Event, entry: LogEntry) -> Pending | None:
        name = self._known.foreign.get(entry.collection or 0) or entry.name or ""
        if event is Event.SUBSCRIPTION_CHANGE:
            return self._subscription(name, subscribed=entry.kind is ChangeKind.SUBSCRIBED)
        if event is Event.MAILBOX_NAME:
            return self._name(name, entry)
        if self._is_selected(entry.collection or 0) or event not in self.events(name):
            return None
        return Pending(Event.MESSAGE_NEW, name)  # however it has changed, STATUS says how it stands

    def _subscription(self, name: str, *, subscribed: bool) -> Pending | None:
        wanted = Event.SUBSCRIPTION_CHANGE in self.events(name)
        (self._known.subscribed.add if subscribed else self._known.subscribed.discard)(name)
        wanted = wanted or Event.SUBSCRIPTION_CHANGE in self.events(name)
        return Pending(Event.SUBSCRIPTION_CHANGE, name) if wanted else None

    def _name(self, name: str, entry: LogEntry) -> Pending | None:
        assert entry.collection is not None
        old = self._known.own.pop(entry.collection, "")
        if entry.kind is not ChangeKind.DELETED:
            self._known.own[entry.collection] = name
        if Event.MAILBOX_NAME not in self.events(name) | (self.events(old) if old else frozenset()):
            return None
        return Pending(Event.MAILBOX_NAME, name, old if entry.kind is ChangeKind.RENAMED else "")

    def _has(self, group: Group, name: str) -> bool:
        match group.filter:
            case Filter.PERSONAL:
                return name not in self._known.foreign.values()
            case Filter.INBOXES:
                return name in self._known.inboxes
            case Filter.SUBSCRIBED:
                return name in self._known.subscribed
            case Filter.MAILBOXES:
                return name in group.names
            case which:
                one_level = which is Filter.SUBTREE_ONE
                return name in group.names or is_below(name, group.names, one_level=one_level)
