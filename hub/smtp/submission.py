"""What a submission server does to a message and asks of it (RFC 6409)."""

from __future__ import annotations

from hub.delivery.headers import date, message_id
from hub.mail.address import Address, AddressError
from hub.mail.envelope import Envelope
from hub.mail.headers import Headers, addresses
from hub.mail.login import Identity
from hub.mail.mailboxes import Mailbox
from hub.services.directory import Directory


async def may_use_from(directory: Directory, identity: Identity, headers: Headers) -> bool:
    """Whether every address in every From field is one that the account may use; true without a field."""
    for value in headers.raw_all("From"):
        for mailbox in addresses(value):
            if mailbox.is_group_mark:
                continue
            address = _address(mailbox)
            if address is None or not await directory.may_send_as(identity.account, address):
                return False
    return True


def missing_fields(
    headers: Headers, identity: Identity, envelope: Envelope, hostname: str, seconds: float
) -> bytes:
    """Date, From and Message-ID lines for a message that lacks them (RFC 6409 §8)."""
    lines = b""
    if "Date" not in headers:
        lines += f"Date: {date(seconds)}\r\n".encode()
    if "From" not in headers:
        lines += f"From: {envelope.reverse_path or identity.address}\r\n".encode()
    if "Message-ID" not in headers:
        lines += message_id(envelope, hostname)
    return lines


def _address(mailbox: Mailbox) -> Address | None:
    try:
        return Address((mailbox.local or b"").decode(), (mailbox.host or b"").decode())
    except (UnicodeDecodeError, AddressError):
        return None
