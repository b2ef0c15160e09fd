"""What became of a message."""

from __future__ import annotations

from hub.hooks.markers import NOTIFY, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.address import Address
from hub.mail.bounce import BounceClass
from hub.mail.envelope import Envelope
from hub.mail.login import AccountRef


@hookspec(NOTIFY)
async def recipient_refused(
    plugin: Plugin, session: Session, envelope: Envelope, recipient: Address | None, code: int, text: str
) -> None:
    """A recipient got an answer other than 250; `code` is the basic reply code, `text` the reply's first
    line after it.

    `recipient` is None when the whole transaction was refused at MAIL.
    """


@hookspec(NOTIFY)
async def message_refused(plugin: Plugin, session: Session, envelope: Envelope, code: int, text: str) -> None:
    """A whole message was refused after its last octet; nothing of it was kept."""


@hookspec(NOTIFY)
async def message_accepted(plugin: Plugin, session: Session, envelope: Envelope, size: int) -> None:
    """A message is durable: every mailbox row and every queue row of it is committed. `size`.

    Octets as stored.
    """


@hookspec(NOTIFY)
async def message_delivered(
    plugin: Plugin, message_id: str, account: AccountRef, mailbox: str, uid: int
) -> None:
    """One recipient's copy lies in a mailbox."""


@hookspec(NOTIFY)
async def bounce_received(
    plugin: Plugin,
    session: Session,
    envelope: Envelope,
    sender: Address,
    recipient: Address,
    code: int,
    enhanced: str,
    text: str,
    bounce: BounceClass,
) -> None:
    """Another server reports that it could not deliver what it had taken from us, and the report is kept.

    It came back to a reverse-path that the hub made for this `sender` and this `recipient` alone (`[relay]
    verp`), so nobody else can have sent it, and it need not name them. `enhanced` and `text` are the
    recipient's Status and Diagnostic-Code (RFC 3464 §2.3), `5.0.0` and empty where the report has none;
    `code` is the reply in it, or one that fits. Reports of delay and of success are not told.
    """
