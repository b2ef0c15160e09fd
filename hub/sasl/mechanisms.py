"""The server's side of SASL (RFC 4422): what may be offered on a session, and the exchanges themselves.

Nothing here knows base64, continuation lines or cancellation (`*`): those are the protocol's.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

from hub.hooks import login as hooks
from hub.hooks.session import Session
from hub.loading.kernel import Kernel
from hub.mail.login import (
    BEARER_MECHANISMS,
    CERTIFICATE_MECHANISMS,
    PASSWORD_MECHANISMS,
    Certificate,
    Identity,
    Password,
)
from hub.sasl.bearer import BearerExchange
from hub.sasl.login import MALFORMED, LoginContext, Refused, Unavailable, authenticate, failed
from hub.sasl.scram import MECHANISM as SCRAM
from hub.sasl.scram import PLUS, ScramExchange

Step: TypeAlias = bytes | Identity | Refused | Unavailable

MAX_RESPONSE: Final = 12288
"""Octets of base64 in one line of an exchange that a protocol has to take (RFC 4954 §4)."""


class Exchange(Protocol):
    """One login under way."""

    async def step(self, response: bytes | None) -> Step:
        """A challenge for the client, or the end of the exchange.

        response: what the client sent, decoded; None in the first step without an initial response.
        """


def mechanisms(kernel: Kernel, session: Session) -> tuple[str, ...]:
    """What this session may use now: nothing in the clear from elsewhere, and what some plugin answers."""
    if is_exposed(session):
        return ()
    plans = kernel.generations.current.plans
    scram = _scram(session) if plans[hooks.resolve_scram_keys.__name__] else ()
    served: set[str] = set()
    for step in plans[hooks.authenticate.__name__].steps:
        served.update(step.mechanisms or PASSWORD_MECHANISMS)
    shown = session.tls is not None and session.tls.certificate is not None
    known = (CERTIFICATE_MECHANISMS if shown else ()) + BEARER_MECHANISMS + PASSWORD_MECHANISMS
    return scram + tuple(name for name in known if name in served)


def _scram(session: Session) -> tuple[str, ...]:
    return (PLUS, SCRAM) if session.tls is not None and session.tls.bindings else (SCRAM,)


def start(mechanism: str, login: LoginContext) -> Exchange:
    """Begin an exchange; LookupError for a mechanism that `mechanisms` does not name."""
    offered = mechanisms(login.kernel, login.session)
    if mechanism not in offered:
        raise LookupError(mechanism)
    if mechanism in (PLUS, SCRAM):
        return ScramExchange(login, mechanism, offers_plus=PLUS in offered)
    if mechanism in CERTIFICATE_MECHANISMS:
        return ExternalExchange(login)
    if mechanism in BEARER_MECHANISMS:
        return BearerExchange(login, mechanism)
    return PlainExchange(login) if mechanism == "PLAIN" else LoginExchange(login)


def is_exposed(session: Session) -> bool:
    """Whether a password or a token on this session could be read on its way."""
    return session.tls is None and not is_loopback(session.peer[0])


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether an address is on this machine; an IPv4 address inside an IPv6 one counts as what it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class ExternalExchange:
    """EXTERNAL (RFC 4422 Appendix A): the certificate was shown in the handshake; who they want to be."""

    def __init__(self, login: LoginContext) -> None:
        self._login = login

    async def step(self, response: bytes | None) -> Step:
        """Ask for the name, which may be empty, or decide."""
        if response is None:
            return b""
        tls = self._login.session.tls
        try:
            username = response.decode()
        except UnicodeDecodeError:
            return failed(self._login, _shown(response), "EXTERNAL", "not UTF-8")
        if tls is None or tls.certificate is None or "\0" in username:
            return failed(self._login, _shown(response), "EXTERNAL", MALFORMED)
        credentials = Certificate(username, tls.certificate)
        return await authenticate(self._login.kernel, self._login.session, self._login.trace, credentials)


class PlainExchange:
    """PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in one response."""

    def __init__(self, login: LoginContext) -> None:
        self._login = login

    async def step(self, response: bytes | None) -> Step:
        """Ask for the response, or decide on it."""
        if response is None:
            return b""
        fields = response.split(b"\0")
        if len(fields) != 3:
            return failed(self._login, "", "PLAIN", MALFORMED)
        if fields[0] not in (b"", fields[1]):
            return failed(self._login, _shown(fields[1]), "PLAIN", "asked to act as somebody else")
        return await _decide(self._login, "PLAIN", fields[1], fields[2])


class LoginExchange:
    """LOGIN, never standardised: the name and the password, each in a response of its own."""

    def __init__(self, login: LoginContext) -> None:
        self._login = login
        self._username: bytes | None = None

    async def step(self, response: bytes | None) -> Step:
        """Ask for the name, then for the password, then decide."""
        if response is None:
            return b"Username:"
        if self._username is None:
            self._username = response
            return b"Password:"
        return await _decide(self._login, "LOGIN", self._username, response)


async def _decide(
    login: LoginContext, mechanism: str, username: bytes, password: bytes
) -> Identity | Refused | Unavailable:
    try:
        credentials = Password(username.decode(), password.decode(), mechanism)
    except UnicodeDecodeError:
        return failed(login, _shown(username), mechanism, "not UTF-8")
    if not username or not password or b"\0" in username + password:
        return failed(login, credentials.username, mechanism, MALFORMED)
    return await authenticate(login.kernel, login.session, login.trace, credentials)


def _shown(username: bytes) -> str:
    return username.decode("utf-8", "replace")
