"""One conversation with one server (RFC 4511): asyncio carries the octets, sansldap reads and writes them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

from sansldap import (
    BindResponse,
    ExtendedOperations,
    ExtendedResponse,
    LDAPClient,
    LDAPFilter,
    LDAPMessage,
    LDAPResultCode,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    SearchScope,
)

from hub_plugin_auth_ldap.framing import take_message
from hub_plugin_auth_ldap.settings import DEFAULT_PORTS

MAX_ENTRIES: Final = 1000
MAX_ANSWER: Final = 4 << 20
"""Octets of all that answers one question."""
GOODBYE: Final = 1.0
"""Seconds that a server has to close a connection after us."""
_NOT_YOU: Final = frozenset(
    {
        LDAPResultCode.CONSTRAINT_VIOLATION,  # locked, in 389 Directory Server
        LDAPResultCode.NO_SUCH_OBJECT,
        LDAPResultCode.INVALID_DN_SYNTAX,
        LDAPResultCode.INAPPROPRIATE_AUTHENTICATION,  # without a password
        LDAPResultCode.INVALID_CREDENTIALS,
        LDAPResultCode.INSUFFICIENT_ACCESS_RIGHTS,
        LDAPResultCode.UNWILLING_TO_PERFORM,  # deactivated, in 389 Directory Server
    }
)
"""What a server answers to who may not log in; anything else says that it cannot tell."""


class LdapError(Exception):
    """A server gave no answer that could be used, and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a search has found. attributes: by lower-case name, without options."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]


class Connection(asyncio.Protocol):
    """One question at a time; whoever gives one up closes the connection, for its answer may still come."""

    def __init__(self, open_: set[Connection]) -> None:
        """open_: where it stands as long as its socket is open."""
        self._open = open_
        self._client = LDAPClient()
        self._transport: asyncio.Transport | None = None
        self._inbox: list[LDAPMessage] = []
        self._buffer = bytearray()  # what is no whole message yet
        self._heard = 0  # octets since the question
        self._failure: Exception | None = None
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()

    # -- questions ------------------------------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        """Encrypt from here on (RFC 4511 §4.14); what came before it in the clear is forgotten."""
        self._client.extended_request(ExtendedOperations.LDAP_START_TLS.value)
        answer = await self._answer()
        if not isinstance(answer, ExtendedResponse) or answer.result.result_code:
            raise LdapError(f"the server refuses StartTLS: {_said(answer)}")
        await self.encrypt(context, hostname)
        self._client = LDAPClient()
        self._inbox.clear()
        self._buffer.clear()

    async def encrypt(self, context: ssl.SSLContext, hostname: str) -> None:
        """Shake hands. OSError if the certificate is not that host's, or of nobody who is trusted."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(self._transport, self, context, server_hostname=hostname)
        except BaseException:
            self.abort()
            self.connection_lost(None)  # which asyncio only says after a handshake that went well
            raise
        if encrypted is None:
            raise ConnectionError("the server closed the connection during the handshake")
        self._transport = encrypted

    async def bind(self, dn: str, password: str) -> str | None:
        """None if the password is that entry's, otherwise what the server says of it. LdapError.

        ValueError without a name or password: such a bind succeeds and proves nothing (RFC 4513 §5.1.2).
        """
        if not dn or not password:
            raise ValueError("a bind without a name or a password is anonymous")
        self._client.bind_simple(dn, password)
        answer = await self._answer()
        if not isinstance(answer, BindResponse):
            raise LdapError(f"the server answers a bind with {type(answer).__name__}")
        if answer.result.result_code and answer.result.result_code not in _NOT_YOU:
            raise LdapError(f"the server does not decide on a login: {_said(answer)}")
        return _said(answer) if answer.result.result_code else None

    async def search(
        self,
        base: str,
        question: LDAPFilter,
        attributes: Sequence[str],
        *,
        limit: int = MAX_ENTRIES,
        scope: SearchScope = SearchScope.SUBTREE,
    ) -> list[Entry] | None:
        """What is there, no more than `limit`; None if there is no such base.

        Referrals are not followed: what they lead to is not there.
        """
        self._client.search_request(
            base, scope, size_limit=limit, filter=question, attributes=list(attributes) or ["1.1"]
        )
        found: list[Entry] = []
        while not isinstance(answer := await self._answer(), SearchResultDone):
            if isinstance(answer, SearchResultEntry):
                found.append(_entry(answer))
            elif not isinstance(answer, SearchResultReference):
                raise LdapError(f"the server answers a search with {type(answer).__name__}")
            if len(found) > limit:
                raise LdapError(f"the server gives more than the {limit} entries that were asked for")
        code = answer.result.result_code
        if code in (LDAPResultCode.NO_SUCH_OBJECT, LDAPResultCode.REFERRAL):
            return None
        if code not in (LDAPResultCode.SUCCESS, LDAPResultCode.SIZE_LIMIT_EXCEEDED):
            raise LdapError(f"the server does not search below {base!r}: {_said(answer)}")
        return found

    async def _answer(self) -> LDAPMessage:
        assert self._transport is not None
        question = self._client.data_to_send()
        if question:
            self._heard = 0
            self._transport.write(question)
        while not self._inbox:
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.pop(0)

    # -- the connection itself ------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it may be asked something: nothing is known to be wrong, and nothing came unasked."""
        return self._failure is None and not self._inbox and not self._buffer

    def close(self) -> None:
        """Say goodbye, if the server listens, and close."""
        if self._transport is None:
            return
        if self.is_open:
            self._client.unbind()
            self._transport.write(self._client.data_to_send())
            self._transport.close()
        else:
            self._transport.abort()
        self._fail(ConnectionError("the connection is closed"))

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._fail(ConnectionError("the connection was given up"))
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when its socket is closed, which is soon."""
        try:
            async with asyncio.timeout(GOODBYE):
                await self._lost.wait()
        except TimeoutError:
            self.abort()
        await asyncio.sleep(0)

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._arrived.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """Whole messages go to who waits; whatever else this may be ends the conversation."""
        if self._failure is not None:
            return
        self._buffer += data
        self._heard += len(data)
        try:
            while (message := take_message(self._buffer)) is not None:
                self._inbox += self._client.receive(message)
            if self._heard > MAX_ANSWER:
                raise ValueError("it does not end")
        except Exception as error:  # whatever a reader of untrusted octets runs into
            self._fail(LdapError(f"what the server says is no answer: {error}"))
            self.abort()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._fail(ConnectionError(f"the server closed the connection{f': {exc}' if exc else ''}"))
        self._open.discard(self)
        self._lost.set()


async def connect(url: str, context: ssl.SSLContext, open_: set[Connection], *, starttls: bool) -> Connection:
    """A connection to `ldap://host` or `ldaps://host`, encrypted as it should be. OSError, LdapError."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(open_), parts.hostname, port)
    try:
        if parts.scheme == "ldaps":
            await connection.encrypt(context, parts.hostname)
        elif starttls:
            await connection.start_tls(context, parts.hostname)
    except BaseException:
        connection.abort()
        raise
    return connection


def _entry(message: SearchResultEntry) -> Entry:
    attributes: dict[str, list[bytes]] = {}
    for attribute in message.attributes:
        name, _, options = attribute.name.lower().partition(";")
        if "range=" in options:  # Active Directory's way to give some values of many
            raise LdapError(f"{message.object_name} has more values of {name} than the server gives at once")
        attributes.setdefault(name, []).extend(attribute.values)
    return Entry(message.object_name, attributes)


def _said(message: LDAPMessage) -> str:
    result = getattr(message, "result", None)
    if result is None:
        return type(message).__name__
    text = result.diagnostics_message
    shown = "".join(char if char.isprintable() else "?" for char in text[:200])
    return f"{result.result_code.name.lower()}{f' ({shown})' if shown else ''}"
