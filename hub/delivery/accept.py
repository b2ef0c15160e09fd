"""One message, one commit: the bytes first, then every mailbox row and every queue row at once.

head + body ──► blobs: durable, with what `reindex` needs ──► storage: all rows of the message ──► the answer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from typing import Final

import orjson

from hub.delivery.headers import delivery_lines
from hub.delivery.priority import priority_of
from hub.delivery.returned import tell_returned
from hub.dispatch.verdicts import Place
from hub.hooks.delivery import message_accepted, message_delivered
from hub.hooks.session import Session
from hub.loading.generation import Pin
from hub.loading.kernel import Kernel
from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn, RecipientDsn, without_success
from hub.mail.envelope import Envelope
from hub.mail.login import AccountRef
from hub.services.blobs import Spool, StoreFull
from hub.services.directory import Resolution
from hub.services.queue import PERSONAL
from hub.services.storage import Acceptance, Delivery, Placed, Storage
from hub.trace.record import Trace

MAILBOXES: Final = MappingProxyType({"inbox": "INBOX", "junk": "\\Junk", "quarantine": "Quarantine"})
"""Where a decision puts a message; a name with a backslash is a special use (RFC 6154)."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """An accepted recipient and where it leads; mail for elsewhere forwards to the address itself.

    place: what a message that is delivered here goes into.
    """

    address: Address
    resolution: Resolution
    place: Place = "inbox"


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be kept: the header block, with the lines that the hub puts before it, and the body.

    A body that is a spool lies in its file already.
    """

    head: bytes
    body: bytes | Spool

    @property
    def size(self) -> int:
        """Octets of header block and body."""
        return len(self.head) + (len(self.body) if isinstance(self.body, bytes) else self.body.size)


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """What was committed. placed: the mailbox rows; queued: how many queue rows."""

    placed: Sequence[Placed]
    queued: int


async def accept(
    kernel: Kernel,
    pin: Pin,
    session: Session,
    trace: Trace,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    content: Content,
    headers: Sequence[tuple[str, str]],
    reports: Sequence[Acceptance] = (),
) -> AcceptResult:
    """Keep a message for all its recipients, or for none; whoever gets an answer from here may say 250.

    headers: (name, value) pairs that are put on top of it. reports: mail of the hub's own on this one, kept
    in the same commit.
    The facts `message_accepted` and `message_delivered` are told. StoreFull when there is no room, OSError or
    whatever else the drivers raise: then nothing of it is kept.
    """
    began = perf_counter()
    sender = session.identity.account if session.identity else None
    try:
        acceptance = await keep(kernel, envelope, recipients, content, headers, sender=sender)
    except BaseException:
        _settle(kernel, *reports)
        raise
    blob, size = acceptance.blob, acceptance.size
    try:
        placed = await commit(kernel.services.storage, acceptance, reports)
    except Exception:  # what was only cancelled may still be committed
        _settle(kernel, acceptance, *reports)
        raise
    _settle(kernel, acceptance, *reports)
    trace.add("commit", blob, "durable", seconds=perf_counter() - began, detail=f"{size} octets")
    _tell(pin, session, trace, envelope, size, placed, acceptance.queue)
    if envelope.reverse_path is None and isinstance(content.body, bytes):
        await tell_returned(kernel, pin, session, envelope, content.head, content.body)
    return AcceptResult(placed, len(acceptance.queue))


async def keep(
    kernel: Kernel,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    content: Content,
    headers: Sequence[tuple[str, str]] = (),
    *,
    sender: AccountRef | None,
) -> Acceptance:
    """Make the bytes durable; gives the rows that make them mail. Who has committed them settles the blob.

    StoreFull, OSError or whatever else the driver raises.
    """
    received_at = kernel.services.clock.time()
    deliveries = _deliveries(envelope, recipients)
    queue = tuple(dict.fromkeys(address for each in recipients for address in each.resolution.forwards))
    head = b"".join([f"{name}: {value}\r\n".encode() for name, value in headers]) + content.head
    dsn = _queued_dsn(envelope.dsn, recipients) if queue else NO_DSN
    priority = priority_of(head, envelope.reverse_path, len(queue)) if queue else PERSONAL
    recovery = _recovery(envelope, received_at, deliveries, queue, sender, dsn, priority)
    size = content.size + len(head) - len(content.head)
    if isinstance(content.body, bytes):
        blob = await kernel.services.blobs.put(head, content.body, recovery)
    else:
        blob = await content.body.keep(head, recovery)
    return Acceptance(
        envelope.id,
        blob,
        len(head),
        size,
        received_at,
        envelope.reverse_path,
        deliveries,
        queue,
        sender,
        dsn,
        priority,
        envelope.requires_tls,
    )


async def commit(
    storage: Storage, acceptance: Acceptance, reports: Sequence[Acceptance] = ()
) -> Sequence[Placed]:
    """Commit, and once more if the outcome is unknown: the store takes an id only once."""
    try:
        return await storage.accept(acceptance, reports)
    except StoreFull:
        raise
    except Exception:
        return await storage.accept(acceptance, reports)


def _settle(kernel: Kernel, *acceptances: Acceptance) -> None:
    for each in acceptances:
        kernel.services.blobs.settle(each.blob)


def _deliveries(envelope: Envelope, recipients: Sequence[Recipient]) -> tuple[Delivery, ...]:
    """One copy for each account, however many of the recipients lead to it; it names the first one."""
    found: dict[AccountRef, Delivery] = {}
    for recipient in recipients:
        for account in recipient.resolution.accounts:
            if account.ref not in found:
                address = recipient.address if recipient.address.domain else account.address
                found[account.ref] = Delivery(
                    account.ref,
                    MAILBOXES[recipient.place],
                    delivery_lines(envelope.reverse_path, address),
                )
    return tuple(found.values())


def _queued_dsn(dsn: Dsn, recipients: Sequence[Recipient]) -> Dsn:
    """The same parameters for the addresses that recipients lead to (RFC 3461 §5.2.7).

    Where one leads to several, success was told of by `expanded` and is not told of once more.
    """
    if not dsn.recipients:
        return dsn
    found: dict[Address, RecipientDsn] = {}
    for recipient in recipients:
        if parameters := dsn.recipients.get(recipient.address):
            resolution = recipient.resolution
            if len(resolution.accounts) + len(resolution.forwards) > 1:
                parameters = without_success(parameters)
            for address in resolution.forwards:
                found.setdefault(address, parameters)
    return Dsn(dsn.ret, dsn.envid, found)


def _recovery(
    envelope: Envelope,
    received_at: float,
    deliveries: Sequence[Delivery],
    queue: Sequence[Address],
    sender: AccountRef | None,
    dsn: Dsn,
    priority: int,
) -> bytes:
    """The Acceptance as JSON, so that an index can be made anew out of the blobs."""
    fields: dict[str, object] = {
        "id": envelope.id,
        "received_at": received_at,
        "reverse_path": None if envelope.reverse_path is None else str(envelope.reverse_path),
        "deliveries": [
            [each.account.tenant, each.account.key, each.mailbox, each.lines.decode()] for each in deliveries
        ],
        "queue": [str(address) for address in queue],
        "sender": sender and [sender.tenant, sender.key],
        "priority": priority,
    }
    if envelope.requires_tls:
        fields["requires_tls"] = True
    if dsn is not NO_DSN:
        fields["dsn"] = {
            "ret": dsn.ret,
            "envid": dsn.envid,
            "recipients": [
                [str(address), each.notify, each.original] for address, each in dsn.recipients.items()
            ],
        }
    return orjson.dumps(fields)


def _tell(
    pin: Pin,
    session: Session,
    trace: Trace,
    envelope: Envelope,
    size: int,
    placed: Sequence[Placed],
    queue: Sequence[Address],
) -> None:
    for each in placed:
        trace.add("delivery", each.mailbox, "delivered", detail=f"{each.account.key} uid {each.uid}")
    for address in queue:
        trace.add("delivery", str(address), "queued")
    accepted, delivered = pin.notify(message_accepted), pin.notify(message_delivered)
    if accepted:
        accepted(session=session, envelope=envelope, size=size)
    if delivered:
        for each in placed:
            delivered(message_id=envelope.id, account=each.account, mailbox=each.mailbox, uid=each.uid)
