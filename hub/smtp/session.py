"""What is known about one SMTP connection, and the transaction that it is in."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.delivery.accept import Recipient
from hub.hooks.session import TlsInfo
from hub.loading.generation import Pin
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.login import Identity
from hub.mail.stash import Stash
from hub.smtp.replies import Reply


@dataclass(slots=True)
class SmtpSession:
    """The `Session` of SMTP's hooks. extended: the client said EHLO, not HELO."""

    id: str
    protocol: str
    listener: str
    peer: tuple[str, int]
    local: tuple[str, int]
    tls: TlsInfo | None = None
    greeting: str | None = None
    identity: Identity | None = None
    extended: bool = False
    peer_name: str | None = None
    stash: Stash = field(default_factory=Stash)

    @property
    def is_submission(self) -> bool:
        """Whether mail is taken from users who log in (RFC 6409), not from other servers."""
        return self.protocol in ("submission", "submissions")


@dataclass(slots=True)
class Transaction:
    """From MAIL to its end, with the generation that it began with.

    order: in LMTP, every RCPT that was accepted; refused: who of them does not get the message.
    """

    pin: Pin
    envelope: Envelope
    recipients: dict[Address, Recipient] = field(default_factory=dict)
    order: tuple[Address, ...] = ()
    refused: dict[Address, Reply] | None = None
