"""Logging in: passwords are verified in threads, a few at once, and remembered for a short time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Final

from hub import Cache, Clock, Identity, Logger, Password, Refuse
from hub_plugin_directory_sql.changes import Secrets
from hub_plugin_directory_sql.factors import FoundPassword, Totp, app_digest, split_code, step_of
from hub_plugin_directory_sql.lookup import Credential, identity_of
from hub_plugin_directory_sql.passwords import MAX_PASSWORD, Hasher, prepare

GUESS_WINDOW: Final = 900.0
"""Seconds in which so many wrong codes behind a right password are too many, wherever they come from."""
MAX_GUESSES: Final = 10
_REMEMBERED: Final = 60.0  # seconds
_TOUCHED: Final = 60.0  # seconds: how exactly it is known when an app password was used last
NOBODY: Final = 0  # no account has this number


@dataclass(frozen=True, slots=True)
class _Verified:
    """A login that was right, for as long as the account's hash is still this one."""

    account: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What logins ask of the tables.

    replace: writes an account's new secrets in place of the hash it had. find: an app password by account and
    digest. touch: an app password was used. use_code: whether the code of a time step was new. guesses: adds
    to the wrong codes of an account and gives their number.
    """

    replace: Callable[[int, str, Secrets], Awaitable[None]]
    find: Callable[[int, bytes], Awaitable[FoundPassword | None]]
    touch: Callable[[int], Awaitable[None]]
    use_code: Callable[[int, int], Awaitable[bool]]
    guesses: Callable[[int, int], int]


class Logins:
    """Verifies passwords against what the directory keeps."""

    def __init__(
        self, hasher: Hasher, threads: ThreadPoolExecutor, clock: Clock, log: Logger, stored: Stored
    ) -> None:
        self._hasher = hasher
        self._threads = threads
        self._clock = clock
        self._log = log
        self._stored = stored
        self._key = secrets.token_bytes(32)
        self._verified: Cache[bytes, _Verified] = Cache(clock, seconds=_REMEMBERED, size=10_000)
        self._under_way: dict[tuple[bytes, str], asyncio.Future[bool]] = {}
        self._dummy = hasher.unmatched()
        """What logins of unknown users are verified against, which takes as long."""

    async def make(self, password: str) -> Secrets:
        """ValueError for a password that cannot be used."""
        prepared = prepare(password)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.make, prepared)

    async def check(
        self, credential: Credential | None, login: Password, scope: str
    ) -> Identity | Refuse | None:
        """Who it is; Refuse for a wrong password, None for a name that is not ours.

        Whatever is wrong, and whether there is such an account, a password is hashed once, however often it
        is given for a name at one time; one that is too long is not, whoever's it is.
        """
        if len(login.password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD:
            return None if credential is None else Refuse("wrong password")
        found = await self._app_password(credential, login.password)
        if credential is not None and found is not None:
            return await self._by_app_password(credential, found, scope)
        if credential is None or credential.password_hash is None:
            mark = self._mark(login.username, login.password)
            await self._verify(mark, self._dummy, login.password, ours=True)
            return None if credential is None else Refuse("the account has no password")
        password, code = login.password, ""
        if credential.totp is not None:
            password, code = split_code(password)
        if not await self._fits(credential, credential.password_hash, password):
            return Refuse("wrong password")
        refusal = None if credential.totp is None else await self._code(credential.id, credential.totp, code)
        return refusal or _identity(credential)

    async def _fits(self, credential: Credential, password_hash: str, password: str) -> bool:
        mark = self._mark(credential.account.ref.key, password)
        verified = _Verified(credential.id, password_hash)
        if self._verified.get(mark) == verified:
            return True
        ours = credential.scram is not None
        if not await self._verify(mark, password_hash, password, ours=ours):
            return False
        is_first = self._verified.get(mark) != verified
        self._verified.put(mark, verified)
        if is_first and (not ours or self._hasher.is_outdated(password_hash)):
            await self._renew(credential, password_hash, password)
        return True

    def _mark(self, who: str, password: str) -> bytes:
        """What a password given for somebody is remembered by; only for who has the key."""
        given = f"{who}\0{password}".encode("utf-8", "surrogatepass")
        return blake2b(given, digest_size=32, key=self._key).digest()

    async def _app_password(self, credential: Credential | None, password: str) -> FoundPassword | None:
        """The tables are asked about a name that nobody has, too."""
        digest = app_digest(password)
        number = NOBODY if credential is None else credential.id
        return None if digest is None else await self._stored.find(number, digest)

    async def _by_app_password(
        self, credential: Credential, found: FoundPassword, scope: str
    ) -> Identity | Refuse:
        public = found.public
        if scope not in public.scopes:
            scopes = ", ".join(public.scopes)
            return Refuse(f"the app password {public.name!r} is for {scopes}, not for {scope}")
        if credential.account.enabled and self._clock.time() - (public.used or 0.0) >= _TOUCHED:
            try:
                await self._stored.touch(found.id)
            except Exception as error:
                self._log.warning("last use not noted", app_password=public.name, reason=str(error))
        return _identity(credential)

    async def _code(self, account: int, totp: Totp, code: str) -> Refuse | None:
        """Why the code behind a right password does not do."""
        if not code:
            return Refuse("the password takes a code behind it (TOTP), or an app password in its place")
        if self._stored.guesses(account, 0) >= MAX_GUESSES:
            return Refuse(f"more than {MAX_GUESSES} wrong codes within {GUESS_WINDOW:g} s")
        step = step_of(totp.secret, code, self._clock.time())
        if step is not None and step > totp.used and await self._stored.use_code(account, step):
            return None
        self._stored.guesses(account, 1)
        return Refuse("wrong code" if step is None else "the code was used before")

    async def _verify(self, mark: bytes, text: str, password: str, *, ours: bool) -> bool:
        """Those who give the same at one time share one hashing: a client opens many connections at once."""
        key = mark, text
        if (answer := self._under_way.get(key)) is None:
            work = partial(self._hasher.verify, text, password, ours=ours)
            answer = asyncio.get_running_loop().run_in_executor(self._threads, work)
            self._under_way[key] = answer
            answer.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(answer)

    async def _renew(self, credential: Credential, password_hash: str, password: str) -> None:
        """Replace a foreign or weaker hash by our own and SCRAM keys; the login does not depend on it."""
        try:
            await self._stored.replace(credential.id, password_hash, await self.make(password))
        except Exception as error:
            self._log.warning("hash not renewed", account=str(credential.account.address), reason=str(error))


def _identity(credential: Credential) -> Identity | Refuse:
    account = credential.account
    return identity_of(account) if account.enabled else Refuse("the account is disabled")
