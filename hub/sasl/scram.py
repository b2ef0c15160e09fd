"""SCRAM-SHA-256 (RFC 5802, RFC 7677) on scramp, whose callback for keys cannot wait and so is asked twice."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from scramp import ScramException, ScramMechanism

from hub.mail.login import Identity, Refuse, ScramKeys
from hub.sasl.login import NOBODY_KNOWS, LoginContext, Refused, Unavailable, failed, scram_keys, succeeded

MECHANISM: Final = "SCRAM-SHA-256"
FAKE_ITERATIONS: Final = ScramKeys.__dataclass_fields__["iterations"].default
SALT_SIZE: Final = 32  # what scramp makes for an account that is there
_KV_NAMESPACE: Final = "hub.sasl"
_KV_KEY: Final = "scram-fake-salt"


class ScramExchange:
    """client-first → server-first, client-final → server-final, and an empty response (RFC 4422 §5)."""

    def __init__(self, login: LoginContext) -> None:
        self._login = login
        self._server: _Server | None = None
        self._username = ""
        self._keys: ScramKeys | None = None
        self._done = False

    async def step(self, response: bytes | None) -> bytes | Identity | Refused | Unavailable:
        """The next message of the exchange; a name that nobody knows fails only at its end."""
        if response is None:
            return b""
        if self._done:
            return succeeded(self._login, self._identity, MECHANISM)
        try:
            text = response.decode()
            if self._server is None:
                return await self._first(text)
            return self._final(self._server, text)
        except (ScramException, UnicodeDecodeError) as error:
            return failed(self._login, self._username, MECHANISM, f"{type(error).__name__}: {error}")

    @property
    def _identity(self) -> Identity:
        assert self._keys is not None
        return self._keys.identity

    async def _first(self, message: str) -> bytes | Refused | Unavailable:
        header, message = _split_header(message)
        self._username = _username(message)
        if header is None:
            return failed(self._login, self._username, MECHANISM, "asked to act as somebody else")
        # Before the keys are looked for, so that the time it takes says nothing about the name.
        salt = await fake_salt(self._login, self._username)
        keys = await scram_keys(self._login, self._username)
        if isinstance(keys, Unavailable):
            return keys
        if isinstance(keys, Refuse):
            return failed(self._login, self._username, MECHANISM, keys.reason)
        self._keys = keys
        self._server = _Server(keys or salt)
        return self._server.first(message, header)

    def _final(self, server: _Server, message: str) -> bytes | Refused:
        if self._keys is None:
            return failed(self._login, self._username, MECHANISM, NOBODY_KNOWS)
        answer = server.final(message)
        self._done = True
        return answer


class _Server:
    """scramp's exchange with the keys at hand, or with a salt and no keys that could ever fit."""

    def __init__(self, keys: ScramKeys | bytes) -> None:
        if isinstance(keys, bytes):
            found = (keys, secrets.token_bytes(32), secrets.token_bytes(32), FAKE_ITERATIONS)
        else:
            found = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
        self._exchange = ScramMechanism(MECHANISM).make_server(lambda username: found)

    def first(self, message: str, header: str) -> bytes:
        """server-first; header: what the client's `c=` must be in client-final (RFC 5802 §7)."""
        self._exchange.set_client_first(message)
        self._exchange.gs2_header = _Header(header)
        return str(self._exchange.get_server_first()).encode()

    def final(self, message: str) -> bytes:
        """server-final; ScramException if the proof does not fit."""
        self._exchange.set_client_final(message)
        return str(self._exchange.get_server_final()).encode()


class _Header:
    """In place of scramp's own, which knows no authzid."""

    def __init__(self, header: str) -> None:
        self._header = header

    def make_cbind_input(self, channel_binding: object) -> bytes:
        """What client-final repeats; without channel binding that is the header alone."""
        return self._header.encode()


def _split_header(client_first: str) -> tuple[str | None, str]:
    """The gs2-header as it was sent, and the message without the authzid in it, as scramp wants it.

    None for the header if the authzid is not the name that logs in: GNU SASL always sends that one.
    """
    flag, _, rest = client_first.partition(",")
    authzid, _, bare = rest.partition(",")
    header = f"{flag},{authzid},"
    if not authzid.startswith("a="):
        return header, client_first
    return header if bare.startswith(f"n={authzid[2:]},") else None, f"{flag},,{bare}"


def _username(client_first: str) -> str:
    """The name in a client-first message, prepared (RFC 4013); ScramException if the message is malformed."""
    asked: list[str] = []

    def note(username: str) -> None:
        asked.append(username)

    try:
        ScramMechanism(MECHANISM).make_server(note).set_client_first(client_first)
    except ScramException:
        if not asked:
            raise
    return asked[0]


async def fake_salt(login: LoginContext, username: str) -> bytes:
    """A salt for a name that nobody has keys for: always the same, whichever worker is asked."""
    kv = login.kernel.services.storage.kv(_KV_NAMESPACE)
    secret = await kv.get(_KV_KEY)
    while secret is None:
        await kv.compare_and_set(_KV_KEY, None, secrets.token_bytes(32))
        secret = await kv.get(_KV_KEY)
    return hmac.digest(secret, username.encode(), "sha256")[:SALT_SIZE]
