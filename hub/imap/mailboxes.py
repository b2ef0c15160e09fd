"""CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS (RFC 3501 §6.3), NAMESPACE (RFC 2342): the tree
of mailboxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub.imap.command import Command, State
from hub.imap.names import SEPARATOR, check_new, matcher
from hub.imap.places import place
from hub.imap.replies import ALREADY_EXISTS, NO_SUCH_MAILBOX, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.services.log import ChangeKind
from hub.services.storage import Mailbox, MailboxExists, MailboxMissing

_STATUS_ITEMS = (b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN")


async def _create(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox().removesuffix(SEPARATOR)  # RFC 3501 §6.3.3: names below it will follow
    reader.end()
    _check_new(name)
    try:
        mailbox = await session.storage.create_mailbox(session.account, name)
    except MailboxExists:
        raise Refused(ALREADY_EXISTS) from None
    session.changed(mailbox.name, ChangeKind.CREATED)
    return ok(b"Created")


async def _delete(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    if name == "INBOX":
        raise no(b"INBOX cannot be deleted (RFC 3501 6.3.4)", b"CANNOT")
    try:
        await session.storage.delete_mailbox(session.account, name)
    except MailboxMissing:
        raise Refused(NO_SUCH_MAILBOX) from None
    except MailboxExists as error:
        raise no(_sentence(error), b"CANNOT") from None
    session.changed(name, ChangeKind.DELETED)
    return ok(b"Deleted")


async def _rename(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    old = reader.mailbox()
    reader.space()
    new = reader.mailbox().removesuffix(SEPARATOR)
    reader.end()
    _check_new(new)
    try:
        await session.storage.rename_mailbox(session.account, old, new)
    except MailboxMissing:
        raise Refused(NO_SUCH_MAILBOX) from None
    except MailboxExists as error:
        if await session.storage.mailbox(session.account, new) is not None:
            raise Refused(ALREADY_EXISTS) from None
        raise no(_sentence(error), b"CANNOT") from None
    view = session.view
    if view is not None and view.name != "INBOX" and (view.name + SEPARATOR).startswith(old + SEPARATOR):
        view.name = new + view.name[len(old) :]
    session.changed(new, ChangeKind.RENAMED)
    if view is not None:
        view.stale = True  # INBOX was emptied
    return ok(b"Renamed")


async def _subscribe(session: ImapSession, reader: Reader) -> Reply:
    return await _set_subscription(session, reader, subscribed=True)


async def _unsubscribe(session: ImapSession, reader: Reader) -> Reply:
    return await _set_subscription(session, reader, subscribed=False)


async def _set_subscription(session: ImapSession, reader: Reader, *, subscribed: bool) -> Reply:
    reader.space()
    name = reader.mailbox().removesuffix(SEPARATOR)
    reader.end()
    if subscribed:
        _check_new(name)
    await session.storage.subscribe(session.account, name, subscribed)
    session.changed(name, ChangeKind.SUBSCRIBED if subscribed else ChangeKind.UNSUBSCRIBED)
    return ok(b"Subscribed" if subscribed else b"Unsubscribed")


async def _list(session: ImapSession, reader: Reader) -> Reply:
    reference, pattern = _list_arguments(reader)
    out = session.out
    if not pattern:  # RFC 3501 §6.3.8: what is the separator, and the root of the reference
        out.send(b'* LIST (\\Noselect) "/" ""\r\n')
        return ok(b"Listed")
    mailboxes = {mailbox.name: mailbox for mailbox in await session.storage.mailboxes(session.account)}
    parents = _parents(mailboxes)
    matches = matcher(reference + pattern)
    for name in sorted({*mailboxes, *parents}):
        if matches(name):
            out.send(_list_line(session, b"LIST", _attributes(mailboxes.get(name), name in parents), name))
            await out.flow()
    return ok(b"Listed")


async def _lsub(session: ImapSession, reader: Reader) -> Reply:
    reference, pattern = _list_arguments(reader)
    names = set(await session.storage.subscriptions(session.account))
    matches = matcher(reference + pattern)
    found = {name: b"" for name in names if matches(name)}
    if "%" in pattern:  # RFC 3501 §6.3.9: who matches % is shown for the sake of what lies below it
        for name in _parents(names):
            if name not in names and matches(name):
                found[name] = b"\\Noselect"
    for name in sorted(found):
        session.out.send(_list_line(session, b"LSUB", found[name], name))
        await session.out.flow()
    return ok(b"Listed")


def _list_arguments(reader: Reader) -> tuple[str, str]:
    reader.space()
    reference = reader.mailbox()
    reader.space()
    pattern = reader.list_mailbox()
    reader.end()
    return reference, pattern


def _parents(names: Iterable[str]) -> set[str]:
    """Every name that lies above one of these."""
    parents: set[str] = set()
    for name in names:
        at = name.rfind(SEPARATOR)
        while at > 0 and name[:at] not in parents:
            parents.add(name[:at])
            at = name.rfind(SEPARATOR, 0, at)
    return parents


def _attributes(mailbox: Mailbox | None, has_children: bool) -> bytes:
    """RFC 3348, RFC 6154; a name that exists only because something lies below it cannot be selected."""
    words = [] if mailbox is not None else [b"\\Noselect"]
    words.append(b"\\HasChildren" if has_children else b"\\HasNoChildren")
    if mailbox is not None and mailbox.special_use:
        words.append(mailbox.special_use.encode("ascii"))
    return b" ".join(words)


def _list_line(session: ImapSession, word: bytes, attributes: bytes, name: str) -> bytes:
    return b'* %b (%b) "/" %b\r\n' % (word, attributes, session.name(name))


async def _status(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.space()
    items = _status_items(reader)
    reader.end()
    mailbox = (await place(session, name, "r")).mailbox
    values = dict(
        zip(
            _STATUS_ITEMS,
            (mailbox.messages, 0, mailbox.uidnext, mailbox.uidvalidity, mailbox.unseen),
            strict=True,
        )
    )
    pairs = b" ".join([b"%b %d" % (item, values[item]) for item in items])
    session.out.send(b"* STATUS %b (%b)\r\n" % (session.name(name), pairs))
    return ok(b"That is how it stands")


def _status_items(reader: Reader) -> Sequence[bytes]:
    reader.expect(b"(", "a list of items in parentheses")
    items: list[bytes] = []
    while not reader.take(b")"):
        item = reader.word("one of " + b" ".join(_STATUS_ITEMS).decode())
        if item not in _STATUS_ITEMS:
            raise bad(f"STATUS has no item {item.decode()[:40]}; it has {b' '.join(_STATUS_ITEMS).decode()}")
        if item not in items:
            items.append(item)
        if reader.peek() == b" ":
            reader.space()
    if not items:
        raise bad("STATUS wants at least one item")
    return items


async def _namespace(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.out.send(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return ok(b"There is one")


def _check_new(name: str) -> None:
    try:
        check_new(name)
    except ValueError as error:
        raise no(_sentence(error), b"CANNOT") from None


def _sentence(error: Exception) -> bytes:
    text = str(error).splitlines()[0] if str(error) else "That name cannot be had"
    return text.encode("ascii", "replace")


COMMANDS = (
    Command("CREATE", _create, State.AUTHENTICATED),
    Command("DELETE", _delete, State.AUTHENTICATED),
    Command("RENAME", _rename, State.AUTHENTICATED),
    Command("SUBSCRIBE", _subscribe, State.AUTHENTICATED),
    Command("UNSUBSCRIBE", _unsubscribe, State.AUTHENTICATED),
    Command("LIST", _list, State.AUTHENTICATED),
    Command("LSUB", _lsub, State.AUTHENTICATED),
    Command("STATUS", _status, State.AUTHENTICATED),
    Command("NAMESPACE", _namespace, State.AUTHENTICATED),
)
