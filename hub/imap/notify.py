"""NOTIFY (RFC 5465): the client says what it wants to be told of, in any mailbox, and is told when it
happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final

from hub.imap.annotated import has_annotations, tell_annotations, watch_annotations
from hub.imap.attributes import Attribute, parse_attributes, with_uid
from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.events import (
    OF_MESSAGES,
    OF_METADATA,
    Event,
    Group,
    Known,
    Notification,
    Pending,
)
from hub.imap.fetch import fetch_selection
from hub.imap.filters import OF_SELECTED, Filter, read_filter
from hub.imap.list import Listed, list_response
from hub.imap.places import find_place
from hub.imap.replies import Refused, Reply, bad, ok
from hub.imap.session import ImapSession
from hub.imap.status import status_response
from hub.imap.tokens import Reader
from hub.imap.updates import tell
from hub.imap.wakeups import Key

MAX_NAMES: Final = 1000
_WORDS: Final = MappingProxyType({each.value: each for each in Event})
_BAD_EVENT: Final = Reply(
    b"NO",
    b"There is no such event here",
    b"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange"
    b" ServerMetadataChange)",
)
_TOO_MANY: Final = Reply(b"NO", b"NOTIFY names more than %d mailboxes" % MAX_NAMES, b"NOTIFICATIONOVERFLOW")
_OVERFLOW: Final = b"* OK [NOTIFICATIONOVERFLOW] NOTIFY is over: too much has happened to tell it all\r\n"


async def _notify(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    word = reader.word("SET or NONE")
    if word == b"NONE":
        reader.end()
        session.set_notification(None)
        return ok(b"Nothing is told but what belongs to commands")
    if word != b"SET":
        raise bad("NOTIFY is followed by SET or NONE")
    reader.space()
    status = reader.peek() != b"("
    if status:
        if reader.word("STATUS or a group of events in parentheses") != b"STATUS":
            raise bad("NOTIFY SET is followed by STATUS or a group of events in parentheses")
        reader.space()
    groups = _groups(reader)
    notification = await _notification(session, groups)
    session.set_notification(notification)
    if any(map(notification.has, OF_METADATA)):
        await watch_annotations(session)
    if status:
        await _tell_status(session, notification)
    return ok(b"You will be told")


def _groups(reader: Reader) -> list[Group]:
    groups = [_group(reader)]
    while not reader.at_end():
        reader.space()
        groups.append(_group(reader))
    if sum(group.filter in OF_SELECTED for group in groups) > 1:
        raise bad("selected or selected-delayed stands in one group only (RFC 5465 6.1)")
    if sum(len(group.names) for group in groups) > MAX_NAMES:
        raise Refused(_TOO_MANY)
    return groups


def _group(reader: Reader) -> Group:
    reader.expect(b"(", "a group of events in parentheses")
    found, names = read_filter(reader, delayed=True)
    reader.space()
    events, attributes = _events(reader, found)
    reader.expect(b")", ") behind the events")
    return Group(found, frozenset(names), events, attributes)


def _events(reader: Reader, which: Filter) -> tuple[frozenset[Event], tuple[Attribute, ...]]:
    if not reader.take(b"("):
        if reader.word("NONE or events in parentheses") != b"NONE":
            raise bad("Events stand in parentheses; NONE stands alone")
        return frozenset(), ()
    events: set[Event] = set()
    attributes: tuple[Attribute, ...] = ()
    while True:
        event = _WORDS.get(reader.word("an event such as MessageNew"))
        if event is None:
            raise Refused(_BAD_EVENT)
        events.add(event)
        if event is Event.MESSAGE_NEW and reader.take(b" ("):
            reader.at -= 1
            attributes = parse_attributes(reader)
        if reader.take(b")"):
            break
        reader.space()
    _check_events(events, attributes, which)
    return frozenset(events), attributes


def _check_events(events: set[Event], attributes: tuple[Attribute, ...], which: Filter) -> None:
    """RFC 5465 §5: the events of messages go together, and names do not change in a selected mailbox."""
    of_messages = events & OF_MESSAGES
    if of_messages and not {Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE} <= events:
        raise bad("MessageNew, MessageExpunge and FlagChange want the first two of them (RFC 5465 5)")
    if which in OF_SELECTED and events - OF_MESSAGES:
        raise bad("The selected mailbox has events of messages only (RFC 5465 5)")
    if which not in OF_SELECTED and attributes:
        raise bad("Attributes of new messages belong to selected or selected-delayed (RFC 5465 5.2)")


async def _notification(session: ImapSession, groups: list[Group]) -> Notification:
    account, wakeups = session.account, session.mirrors.wakeups
    mailboxes = await session.storage.mailboxes(account)
    places = [await find_place(session, name) for group in groups for name in group.names]
    foreign = {
        place.mailbox.id: place.name for place in places if place is not None and place.account != account
    }
    known = Known(
        {mailbox.id: mailbox.name for mailbox in mailboxes},
        foreign,
        set(await session.storage.subscriptions(account)),
        frozenset(box.name for box in mailboxes if box.name == "INBOX" or box.special_use == "\\Junk"),
    )

    def is_selected(mailbox: int) -> bool:
        return session.view is not None and session.view.id == mailbox

    notification = Notification(groups, known, is_selected)
    if notification.selected is not None and notification.selected.attributes:
        notification.fetch_new = _fetching(session, notification.selected.attributes)

    keys: tuple[Key, ...] = (account, *foreign)
    for key in keys:
        notification.ends.append(wakeups.watch(key, session.hear))
    return notification


def _fetching(session: ImapSession, attributes: tuple[Attribute, ...]) -> Callable[[int], Awaitable[None]]:
    async def fetch(first: int) -> None:
        wanted = attributes if Enabled.UIDONLY in session.enabled else with_uid(attributes)
        await fetch_selection(session, [(first, len(session.mailbox))], wanted)

    return fetch


async def _tell_status(session: ImapSession, notification: Notification) -> None:
    """How each mailbox stands whose messages are watched (RFC 5465 §3.1)."""
    for mailbox in await session.storage.mailboxes(session.account):
        if notification.events(mailbox.name) & OF_MESSAGES:
            await _tell(session, notification, Pending(Event.MESSAGE_NEW, mailbox.name))
            await session.out.flow()


def has_news(session: ImapSession) -> bool:
    """Whether something is to be told to a client that has no command under way."""
    notification, view = session.notification, session.view
    if (notification is not None and notification.is_waiting) or has_annotations(session):
        return True
    waits = session.idling is not None or (notification is not None and notification.tells(Event.MESSAGE_NEW))
    return waits and view is not None and view.stale


async def tell_news(session: ImapSession) -> None:
    """Tell a client in IDLE, or one that has asked for it with NOTIFY, what there is to tell."""
    notification = session.notification
    if session.idling is not None:
        await tell(session, expunged=True)
    await tell_annotations(session)
    if notification is None:
        return
    if notification.selected is not None and notification.tells(Event.MESSAGE_NEW):
        await tell(session, expunged=notification.selected.filter is Filter.SELECTED)
    while notification.pending and not notification.overflown:
        pending = next(iter(notification.pending))
        del notification.pending[pending]
        await _tell(session, notification, pending)
        await session.out.flow()
    if notification.overflown:
        session.out.send(_OVERFLOW)
        session.set_notification(None)


async def _tell(session: ImapSession, notification: Notification, pending: Pending) -> None:
    place = await find_place(session, pending.name)
    if pending.event is Event.MESSAGE_NEW:
        if place is not None and "r" in place.rights:
            items = [b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY"]
            if Event.FLAG_CHANGE in notification.events(pending.name):
                items.append(b"UNSEEN")
            if Enabled.CONDSTORE in session.enabled:
                items.append(b"HIGHESTMODSEQ")
            session.out.send(await status_response(session, place, items))
        return
    attributes = [b"\\NonExistent"] if place is None else []
    if pending.event is Event.SUBSCRIPTION_CHANGE:
        subscribed = await session.storage.subscriptions(session.account)
        attributes += [b"\\Subscribed"] if pending.name in subscribed else []
    listed = Listed(pending.name, place, tuple(attributes), old=pending.old)
    session.out.send(list_response(session, listed))


COMMANDS = (Command("NOTIFY", _notify, State.AUTHENTICATED),)
