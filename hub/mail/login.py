"""Who somebody says they are, and who they are: the vocabulary of `authenticate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from hub.mail.address import Address


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account's name inside the store: the directory's opaque key, unique within a tenant."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class Password:
    """A plain-text login; mechanism is the SASL name, or LOGIN for IMAP's own command."""

    username: str
    password: str = field(repr=False)
    mechanism: str = "PLAIN"


Credentials: TypeAlias = Password


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has logged in. login: the name as the directory spells it; address.

    Their primary address.
    """

    account: AccountRef
    login: str
    address: Address


@dataclass(frozen=True, slots=True)
class Refuse:
    """Wrong credentials. reason goes to the log.

    The client never learns whether name or password was wrong.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What SCRAM-SHA-256 (RFC 7677) needs of an account: no password, and nothing that logs in elsewhere."""

    identity: Identity
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int = 4096
