"""The connection as hooks see it, whatever its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.mail.login import ClientCertificate, Identity
from hub.mail.stash import Stash


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was agreed on in the handshake, in OpenSSL's names: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`.

    sni: the name that the client asked for. alpn: the protocol. certificate: the client's own, which some
    authority in the listener's `client_ca` has issued. bindings: what ties a login to this connection, by the
    name of the channel binding (RFC 5929 §4, RFC 9266).
    """

    version: str
    cipher: str
    sni: str | None = None
    alpn: str | None = None
    certificate: ClientCertificate | None = None
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


class Session(Protocol):
    """One connection from accept to close; plugins read it and write only to its stash."""

    @property
    def id(self) -> str:
        """A name for logs and traces, unique within this hub."""

    @property
    def protocol(self) -> str:
        """`smtp`, `submission`, `submissions`, `lmtp`, `imap`, `imaps`, or what a listener plugin adds."""

    @property
    def listener(self) -> str:
        """The listener's name in the config."""

    @property
    def peer(self) -> tuple[str, int]:
        """The client's address and port; `127.0.0.1` and 0 on a Unix socket."""

    @property
    def peer_name(self) -> str | None:
        """The client's host name in DNS, where a trusted relay has said it (XCLIENT); else None."""

    @property
    def local(self) -> tuple[str, int]:
        """Our address and port."""

    @property
    def tls(self) -> TlsInfo | None:
        """None on a plain connection."""

    @property
    def greeting(self) -> str | None:
        """What the client called itself in HELO or EHLO; None before that and in other protocols."""

    @property
    def identity(self) -> Identity | None:
        """Who logged in; None before that."""

    @property
    def stash(self) -> Stash:
        """What plugins keep for this connection."""
