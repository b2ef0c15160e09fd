"""What an entry of the change log says to the outside: a JSON document for each event."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hub import (
    AccountRef,
    ChangeKind,
    Headers,
    LogEntry,
    Plugin,
    QueuedMessage,
    StoredMessage,
    traceparent_of,
)

MAX_SUBJECT: Final = 1000
MAX_HEADERS: Final = 64 << 10
"""Characters of a message's header fields in one event."""
_ONE_EACH: Final = (ChangeKind.DELIVERED, ChangeKind.APPENDED)
_OF_A_RECIPIENT: Final = (ChangeKind.SENT, ChangeKind.DEFERRED, ChangeKind.BOUNCED)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. id: the same whenever it is told. lane: events of one are told in order.

    about: addresses in lower case, for the filters of endpoints. data: what JSON can hold. headers: those of
    its message. traceparent: the trace that its message is in, empty if it is about none.
    """

    id: str
    kind: str
    lane: str
    time: float
    about: frozenset[str]
    data: dict[str, object]
    headers: Headers | None = None
    traceparent: str = ""

    def body(self, *, headers: bool) -> str:
        """The document that is sent."""
        data = dict(self.data)
        if headers and self.headers is not None:
            data["headers"] = _fields(self.headers)
        document = {"type": self.kind, "timestamp": _iso(self.time), "data": data}
        return json.dumps(document, separators=(",", ":"), ensure_ascii=True)


async def events(plugin: Plugin, store: str, entry: LogEntry) -> AsyncIterator[Event]:
    """What an entry says; one event for each message that came, one for everything else.

    store: tells this hub's ids from another's.
    """
    address = await _address(plugin, entry.account)
    account = entry.account and {"tenant": entry.account.tenant, "key": entry.account.key, "address": address}
    mailbox = None if entry.collection is None else {"id": entry.collection, "name": entry.name}
    lane = f"{entry.account.tenant}/{entry.account.key}" if entry.account else f"/{entry.message_id}"

    def event(
        first: int,
        last: int,
        time: float,
        message: Mapping[str, object] | None,
        others: Iterable[str],
        headers: Headers | None,
    ) -> Event:
        about = frozenset(each.lower() for each in (address, *others) if each)
        data: dict[str, object] = {
            "position": entry.position,
            "account": account,
            "mailbox": mailbox,
            "uids": [first, last] if first else None,
            "message": message,
        }
        id_ = f"evt_{store}_{entry.position}_{first}"
        trace = traceparent_of(str(message["id"]), headers) if message else ""
        return Event(id_, entry.kind.value, lane, time, about, data, headers, trace)

    now = plugin.clock.time()
    if entry.kind is ChangeKind.QUEUED and entry.message_id is not None:
        queued = await plugin.queued(entry.message_id)
        if queued is None:
            yield event(0, 0, now, {"id": entry.message_id}, (), None)
        else:
            said, others = _queued(queued)
            yield event(0, 0, queued.rows[0].created_at, said, others, queued.headers)
        return
    if entry.kind in _OF_A_RECIPIENT:
        recipients = [entry.name] if entry.name else []
        yield event(0, 0, now, {"id": entry.message_id, "recipients": recipients}, recipients, None)
        return
    if entry.kind not in _ONE_EACH:
        yield event(entry.first_uid, entry.last_uid, now, None, (), None)
        return
    uid = entry.first_uid
    async for stored in plugin.messages(entry):
        for gone in range(uid, stored.item.uid):
            yield event(gone, gone, now, _gone(entry), (), None)
        uid = stored.item.uid + 1
        said, others = _stored(stored)
        yield event(uid - 1, uid - 1, stored.item.internal_date, said, others, stored.headers)
    for gone in range(uid, entry.last_uid + 1):
        yield event(gone, gone, now, _gone(entry), (), None)


async def _address(plugin: Plugin, ref: AccountRef | None) -> str | None:
    account = await plugin.directory.account_of(ref) if ref else None
    return str(account.address) if account else None


def _gone(entry: LogEntry) -> dict[str, object] | None:
    """All that is known of a message that was expunged before it could be told of."""
    return {"id": entry.message_id} if entry.message_id else None


def _stored(stored: StoredMessage) -> tuple[dict[str, object], Sequence[str]]:
    """Sender and recipient are the hub's own word: they stand in the lines that it put before the message."""
    own = Headers(stored.item.lines)
    path, recipients = own.get("Return-Path"), own.get_all("Delivered-To")
    said = _message(
        stored.item.message_id,
        None if path is None else path.strip("<>"),
        recipients,
        stored.item.internal_date,
        stored,
    )
    return {**said, "flags": sorted(stored.item.flags)}, recipients


def _queued(queued: QueuedMessage) -> tuple[dict[str, object], Sequence[str]]:
    first = queued.rows[0]
    sender = "" if first.reverse_path is None else str(first.reverse_path)
    recipients = [str(row.recipient) for row in queued.rows]
    return _message(first.message_id, sender, recipients, first.created_at, queued), [sender, *recipients]


def _message(
    id_: str,
    sender: str | None,
    recipients: Sequence[str],
    received: float,
    stored: StoredMessage | QueuedMessage,
) -> dict[str, object]:
    subject = stored.headers.get("Subject")
    message_id = stored.headers.get("Message-ID")
    return {
        "id": id_,
        "message_id": message_id and message_id[:MAX_SUBJECT],
        "sender": sender,
        "recipients": list(recipients),
        "subject": subject and subject[:MAX_SUBJECT],
        "size": stored.size,
        "received": _iso(received),
    }


def _fields(headers: Headers) -> list[list[str]]:
    """As many of the fields as there is room for, each [name, value], from the top."""
    found: list[list[str]] = []
    left = MAX_HEADERS
    for name, value in headers:
        field = [name.decode("ascii"), value.decode("utf-8", "replace").replace("\r\n", "").strip()]
        left -= len(field[0]) + len(field[1])
        if left < 0:
            break
        found.append(field)
    return found


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
