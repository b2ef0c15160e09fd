"""The envelope of one SMTP transaction (RFC 5321 §2.3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn
from hub.mail.stash import Stash

Body: TypeAlias = Literal["7BIT", "8BITMIME", "BINARYMIME"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One transaction, from MAIL to its end.

    id: the message's id everywhere. reverse_path: None is the null reverse-path `<>`. recipients: those
    accepted so far, in order. size: octets as declared by SIZE= (RFC 1870), None if it was not. body: the
    BODY= keyword (RFC 6152, RFC 3030). smtputf8: the SMTPUTF8 parameter (RFC 6531) was given. stash: what
    plugins keep for this transaction. dsn: what the sender wants to hear (RFC 3461). requires_tls: the
    REQUIRETLS parameter (RFC 8689) was given.
    """

    id: str
    reverse_path: Address | None
    recipients: tuple[Address, ...] = ()
    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False
    stash: Stash = field(default_factory=Stash, compare=False)
    dsn: Dsn = NO_DSN
    requires_tls: bool = False
