"""Who somebody says they are, and who they are: the vocabulary of `authenticate`."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hub.mail.address import Address

PASSWORD_MECHANISMS: Final = ("PLAIN", "LOGIN")
"""SASL mechanisms that show a `Password`."""
BEARER_MECHANISMS: Final = ("OAUTHBEARER", "XOAUTH2")
"""SASL mechanisms that show a `Bearer` (RFC 7628, and what was there before it)."""
CERTIFICATE_MECHANISMS: Final = ("EXTERNAL",)
"""SASL mechanisms that show a `Certificate` (RFC 4422 Appendix A)."""


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


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token in place of a password (RFC 6750).

    username: who the client says it is, empty if it leaves that to the token. token: empty from a client
    that only asks which tokens are taken (RFC 7628 §4.3).
    """

    username: str
    token: str = field(repr=False)
    mechanism: str = "OAUTHBEARER"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a client has shown, and proved to have the key of, in a TLS handshake.

    subject: its name, as RFC 4514 writes it. fingerprint: SHA-256 as openssl prints it. emails: the
    rfc822Names of its subjectAltName.
    """

    subject: str
    fingerprint: str
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in place of a password: SASL EXTERNAL (RFC 4422 Appendix A).

    username: who the client wants to be, empty if it leaves that to the certificate.
    """

    username: str
    certificate: ClientCertificate
    mechanism: str = "EXTERNAL"


Credentials: TypeAlias = Password | Bearer | Certificate


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has logged in. login: the name as the directory spells it; address.

    Their primary address.
    """

    account: AccountRef
    login: str
    address: Address


@dataclass(frozen=True, slots=True)
class BearerHelp:
    """What a client is told of a token that was refused (RFC 7628 §3.2.2), so that it can get a better one.

    status: of RFC 6750 §3.1, such as `insufficient_scope`. configuration: the address of the issuer's
    discovery document.
    """

    status: str = "invalid_token"
    scope: str = ""
    configuration: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Wrong credentials. reason goes to the log.

    The client never learns whether name or password was wrong. bearer: what it learns about its token.
    """

    reason: str
    bearer: BearerHelp | None = None


class LoginFailure(enum.Enum):
    """Why somebody is not logged in; clients get one constant text for each."""

    REFUSED = "wrong name or password"
    UNAVAILABLE = "nobody can decide now"
    EXPOSED = "what they would show could be read on its way"


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What SCRAM-SHA-256 (RFC 7677) needs of an account: no password, and nothing that logs in elsewhere."""

    identity: Identity
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int = 4096
