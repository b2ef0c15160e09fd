"""Logging in: passwords are verified in threads, a few at once, and remembered for a short time."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hub import Cache, Clock, Identity, Logger, Password, Refuse
from hub_plugin_directory_sql.changes import Secrets
from hub_plugin_directory_sql.lookup import Credential, identity_of
from hub_plugin_directory_sql.passwords import Hasher, prepare

_REMEMBERED: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class _Verified:
    """A login that was right, for as long as the account's hash is still this one."""

    account: int
    password_hash: str


class Logins:
    """Verifies passwords against what the directory keeps.

    replace: writes an account's new secrets in place of the hash it had.
    """

    def __init__(
        self,
        hasher: Hasher,
        threads: ThreadPoolExecutor,
        clock: Clock,
        log: Logger,
        replace: Callable[[int, str, Secrets], Awaitable[None]],
    ) -> None:
        self._hasher = hasher
        self._threads = threads
        self._log = log
        self._replace = replace
        self._key = secrets.token_bytes(32)
        self._verified: Cache[bytes, _Verified] = Cache(clock, seconds=_REMEMBERED, size=10_000)
        self._dummy = ""

    async def start(self) -> None:
        """Make the hash that logins of unknown users are verified against, which takes as long."""
        self._dummy = (await self.make(secrets.token_hex(16))).password_hash or ""

    async def make(self, password: str) -> Secrets:
        """ValueError for a password that cannot be used."""
        prepared = prepare(password)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.make, prepared)

    async def check(self, credential: Credential | None, login: Password) -> Identity | Refuse | None:
        """Who it is; Refuse for a wrong password, None for a name that is not ours."""
        if credential is None or credential.password_hash is None:
            await self._verify(self._dummy, login.password, ours=True)
            return None if credential is None else Refuse("the account has no password")
        account = credential.account
        shown = f"{account.ref.key}\0{login.password}".encode("utf-8", "surrogatepass")
        mark = hmac.digest(self._key, shown, "sha256")
        verified = _Verified(credential.id, credential.password_hash)
        if self._verified.get(mark) != verified:
            ours = credential.scram is not None
            if not await self._verify(credential.password_hash, login.password, ours=ours):
                return Refuse("wrong password")
            if not ours or self._hasher.is_outdated(credential.password_hash):
                await self._renew(credential, login.password)
            self._verified.put(mark, verified)
        return identity_of(account) if account.enabled else Refuse("the account is disabled")

    async def _verify(self, text: str, password: str, *, ours: bool) -> bool:
        def work() -> bool:
            return self._hasher.verify(text, password, ours=ours)

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _renew(self, credential: Credential, password: str) -> None:
        """Replace a foreign or weaker hash by our own and SCRAM keys; the login does not depend on it."""
        assert credential.password_hash is not None
        try:
            await self._replace(credential.id, credential.password_hash, await self.make(password))
        except Exception as error:
            self._log.warning("hash not renewed", account=str(credential.account.address), reason=str(error))
