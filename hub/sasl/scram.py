"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) on scramp, whose callback for keys cannot wait
and so is asked twice. Channel binding is done here: scramp knows neither authzid nor tls-exporter.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from scramp import ScramException, ScramMechanism

from hub.mail.login import Identity, Refuse, ScramKeys
from hub.sasl.login import NOBODY_KNOWS, LoginContext, Refused, Unavailable, failed, scram_keys, succeeded

MECHANISM: Final = "SCRAM-SHA-256"
PLUS: Final = "SCRAM-SHA-256-PLUS"
FAKE_ITERATIONS: Final = ScramKeys.__dataclass_fields__["iterations"].default
SALT_SIZE: Final = 32  # what scramp makes for an account that is there
_KV_NAMESPACE: Final = "hub.sasl"
_KV_KEY: Final = "scram-fake-salt"


class ScramExchange:
    """client-first → server-first, client-final → server-final, and an empty response (RFC 4422 §5).

    mechanism: with or without PLUS. offers_plus: whether this session was told of the one with it.
    """

    def __init__(self, login: LoginContext, mechanism: str = MECHANISM, *, offers_plus: bool = False) -> None:
        self._login = login
        self._mechanism = mechanism
        self._offers_plus = offers_plus
        self._server: _Server | None = None
        self._username = ""
        self._keys: ScramKeys | None = None
        self._done = False

    async def step(self, response: bytes | None) -> bytes | Identity | Refused | Unavailable:
        """The next message of the exchange; a name that nobody knows fails only at its end."""
        if response is None:
            return b""
        if self._done:
            return succeeded(self._login, self._identity, self._mechanism)
        try:
            text = response.decode()
            if self._server is None:
                return await self._first(text)
            return self._final(self._server, text)
        except (ScramException, UnicodeDecodeError) as error:
            return failed(self._login, self._username, self._mechanism, f"{type(error).__name__}: {error}")

    @property
    def _identity(self) -> Identity:
        assert self._keys is not None
        return self._keys.identity

    async def _first(self, message: str) -> bytes | Refused | Unavailable:
        flag, header, message = _split_header(message)
        self._username = _username(message)
        if header is None:
            return failed(self._login, self._username, self._mechanism, "asked to act as somebody else")
        bound = self._bound(flag)
        if isinstance(bound, str):
            return failed(self._login, self._username, self._mechanism, bound)
        # Before the keys are looked for, so that the time it takes says nothing about the name.
        salt = await fake_salt(self._login, self._username)
        keys = await scram_keys(self._login, self._username)
        if isinstance(keys, Unavailable):
            return keys
        if isinstance(keys, Refuse):
            return failed(self._login, self._username, self._mechanism, keys.reason)
        self._keys = keys
        self._server = _Server(keys or salt)
        return self._server.first(message, header.encode() + bound)

    def _bound(self, flag: str) -> bytes | str:
        """What the client has to know of the connection, or why it may not go on (RFC 5802 §6)."""
        if self._mechanism == MECHANISM:
            if flag.startswith("p="):
                return "channel binding belongs to the mechanism with PLUS"
            if flag == "y" and self._offers_plus:
                return "somebody has hidden from the client that channel binding is offered"
            return b""
        name = flag.removeprefix("p=")
        if name == flag:
            return "the mechanism with PLUS wants channel binding"
        tls = self._login.session.tls
        found = tls.bindings.get(name) if tls is not None else None
        return found if found is not None else f"there is no channel binding {name[:40]!r} here"

    def _final(self, server: _Server, message: str) -> bytes | Refused:
        if self._keys is None:
            return failed(self._login, self._username, self._mechanism, NOBODY_KNOWS)
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

    def first(self, message: str, bound: bytes) -> bytes:
        """server-first; bound: what the client's `c=` must be in client-final (RFC 5802 §7)."""
        self._exchange.set_client_first(message)
        self._exchange.gs2_header = _Header(bound)
        return str(self._exchange.get_server_first()).encode()

    def final(self, message: str) -> bytes:
        """server-final; ScramException if the proof does not fit."""
        self._exchange.set_client_final(message)
        return str(self._exchange.get_server_final()).encode()


class _Header:
    """In place of scramp's own."""

    def __init__(self, bound: bytes) -> None:
        self._bound = bound

    def make_cbind_input(self, channel_binding: object) -> bytes:
        """What client-final repeats: the header, and behind it the channel binding if there is one."""
        return self._bound


def _split_header(client_first: str) -> tuple[str, str | None, str]:
    """The flag of channel binding, the gs2-header as it was sent, and the message as scramp wants it: with
    neither flag nor authzid.

    None for the header if the authzid is not the name that logs in: GNU SASL always sends that one.
    """
    flag, _, rest = client_first.partition(",")
    if flag not in ("n", "y") and not flag.startswith("p="):
        return flag, flag, client_first  # scramp says what is wrong with it
    authzid, _, bare = rest.partition(",")
    is_own = not authzid.startswith("a=") or bare.startswith(f"n={authzid[2:]},")
    plain = "" if authzid.startswith("a=") else authzid
    return flag, f"{flag},{authzid}," if is_own else None, f"n,{plain},{bare}"


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
