"""What became of a message."""

from __future__ import annotations

from hub.hooks.markers import NOTIFY, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.address import Address
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
