"""The driver that the hub enters: lookups with a short memory, changes, logins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from hub import (
    Account,
    AccountRef,
    Address,
    AddressError,
    Alias,
    AppPassword,
    Cache,
    Identity,
    Password,
    Plugin,
    Refuse,
    Resolution,
    ScramKeys,
    StashKey,
    TotpSecret,
)
from hub_plugin_directory_sql import changes, factors, lookup
from hub_plugin_directory_sql.login import GUESS_WINDOW, Logins, Stored
from hub_plugin_directory_sql.lookup import AddressKey, Credential
from hub_plugin_directory_sql.passwords import Hasher, checked_hash
from hub_plugin_directory_sql.tables import METADATA

T = TypeVar("T")

_REMEMBERED: Final = 2.0  # seconds: how late a change by another process is seen
_CACHE_SIZE: Final = 10_000


DIRECTORY: Final[StashKey[SqlDirectory]] = StashKey()


class Settings(BaseModel):
    """`[plugins.directory-sql]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hash_memory: int = Field(default=19_456, ge=1024, description="KiB that argon2 uses for one hash")
    hash_passes: int = Field(default=2, ge=1, description="argon2's passes over that memory")
    hash_threads: int = Field(default=2, ge=1, description="how many passwords are hashed at the same time")


class SqlDirectory:
    """`DirectoryAdmin` and `SecondFactors` over tables in the hub's database."""

    def __init__(self, plugin: Plugin) -> None:
        settings = plugin.settings(Settings)
        self._plugin = plugin
        self._threads = ThreadPoolExecutor(settings.hash_threads, "directory-hash")
        hasher = Hasher(memory_kib=settings.hash_memory, passes=settings.hash_passes)
        stored = Stored(
            self._replace_secrets, self._find_app_password, self._touch, self._use_code, self._count_guess
        )
        self._logins = Logins(hasher, self._threads, plugin.clock, plugin.log, stored)
        self._cache: Cache[Hashable, object] = Cache(plugin.clock, seconds=_REMEMBERED, size=_CACHE_SIZE)

    async def __aenter__(self) -> SqlDirectory:
        self._tables = await self._plugin.tables(METADATA)
        self._plugin.stash[DIRECTORY] = self
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- Directory ----------------------------------------------------------------------------

    async def is_local(self, domain: str) -> bool:
        """One row by key."""
        try:
            key = lookup.domain_id(domain)
        except AddressError:
            return False
        return await self._remembered(("domain", key), lambda: self._domain(key)) is not None

    async def resolve(self, address: Address) -> Resolution | None:
        """One row by key for an account's own address; anything else is followed in a reader thread."""
        key = lookup.key_of(address)
        return None if key is None else await self._remembered(key, lambda: self._resolve(address, key))

    async def account(self, login: str) -> Account | None:
        """By address; the local part is enough where the hub has one domain."""
        credential = await self._credential(login)
        return None if credential is None else credential.account

    async def account_of(self, ref: AccountRef) -> Account | None:
        """One row by key."""
        if "\0" in ref.tenant + ref.key:
            return None  # PostgreSQL does not even take the question
        return await self._remembered(ref, lambda: self._account_of(ref))

    async def may_send_as(self, account: AccountRef, address: Address) -> bool:
        """Whether mail for the address reaches the account: whoever gets the answers may ask."""
        resolution = await self.resolve(address)
        return resolution is not None and any(found.ref == account for found in resolution.accounts)

    # -- login --------------------------------------------------------------------------------

    async def authenticate(self, credentials: Password, protocol: str) -> Identity | Refuse | None:
        """None for an unknown name, after the same time. protocol: the session's."""
        scope = factors.SCOPE_OF.get(protocol, protocol)
        return await self._logins.check(await self._credential(credentials.username), credentials, scope)

    async def scram_keys(self, username: str) -> ScramKeys | None:
        """None as long as we have seen nothing of a password but a foreign hash, and where a code has to
        follow the password, which SCRAM has no place for.
        """
        found = await self._credential(username)
        return found.scram if found is not None and found.account.enabled and found.totp is None else None

    # -- DirectoryAdmin -----------------------------------------------------------------------

    async def domains(self) -> Sequence[tuple[str, str]]:
        """(domain, tenant), by name."""
        return await self._tables.read(lookup.list_domains)

    async def add_domain(self, domain: str, tenant: str = "default") -> None:
        """ValueError if it is one already."""
        await self._change(lambda connection: changes.add_domain(connection, domain, tenant))

    async def remove_domain(self, domain: str) -> None:
        """ValueError while something hangs on it."""
        await self._change(lambda connection: changes.remove_domain(connection, domain))

    async def accounts(self, domain: str | None = None) -> Sequence[Account]:
        """LookupError for a domain that is not ours."""
        return await self._tables.read(
            lambda connection: lookup.list_accounts(connection, _wanted(connection, domain))
        )

    async def add_account(
        self,
        address: Address,
        password: str | None,
        *,
        name: str = "",
        quota: int | None = None,
        message_quota: int | None = None,
        password_hash: str | None = None,
    ) -> Account:
        """LookupError without its domain, ValueError if the address is taken."""
        if password is not None and password_hash is not None:
            raise ValueError("an account has a password or a hash of one, not both")
        if password is not None:
            kept = await self._logins.make(password)
        else:
            kept = changes.Secrets(None if password_hash is None else checked_hash(password_hash))
        return await self._change(
            lambda connection: changes.add_account(
                connection, address, name=name, quota=quota, message_quota=message_quota, secrets_=kept
            )
        )

    async def set_password(self, address: Address, password: str) -> None:
        """LookupError without the account, ValueError for a password that cannot be used."""
        kept = await self._logins.make(password)
        await self._change(lambda connection: changes.change_account(connection, address, kept.columns()))

    async def change_account(
        self,
        address: Address,
        *,
        name: str | None = None,
        quota: int | None = None,
        enabled: bool | None = None,
        message_quota: int | None = None,
    ) -> Account:
        """LookupError without the account."""
        columns = changes.account_changes(
            name=name, quota=quota, message_quota=message_quota, enabled=enabled
        )
        return await self._change(lambda connection: changes.change_account(connection, address, columns))

    async def remove_account(self, address: Address) -> None:
        """LookupError without the account."""
        await self._change(lambda connection: changes.remove_account(connection, address))

    async def aliases(self, domain: str | None = None) -> Sequence[Alias]:
        """LookupError for a domain that is not ours."""
        return await self._tables.read(
            lambda connection: lookup.list_aliases(connection, _wanted(connection, domain))
        )

    async def add_alias(self, alias: Alias) -> None:
        """LookupError without its domain, ValueError where an account is."""
        await self._change(lambda connection: changes.add_alias(connection, alias))

    async def remove_alias(self, address: Address) -> None:
        """LookupError without the alias."""
        await self._change(lambda connection: changes.remove_alias(connection, address))

    # -- SecondFactors ------------------------------------------------------------------------

    async def add_app_password(self, address: Address, name: str, scopes: Sequence[str]) -> str:
        """LookupError without the account, ValueError for a name that is taken."""
        password, now = factors.make_app_password(), self._plugin.clock.time()
        digest = factors.app_digest(password)
        assert digest is not None

        def add(connection: Connection) -> None:
            number = changes.account_number(connection, address)
            factors.add_app_password(connection, number, name, scopes, digest, now)

        await self._change(add)
        return password

    async def app_passwords(self, address: Address) -> Sequence[AppPassword]:
        """LookupError without the account."""
        return await self._tables.read(
            lambda connection: factors.app_passwords(connection, changes.account_number(connection, address))
        )

    async def remove_app_password(self, address: Address, name: str) -> None:
        """LookupError without it."""

        def remove(connection: Connection) -> None:
            factors.remove_app_password(connection, changes.account_number(connection, address), name)

        await self._change(remove)

    async def new_totp(self, address: Address, secret: str | None = None) -> TotpSecret:
        """LookupError without the account, ValueError for a secret that cannot be one."""
        await self._tables.read(lambda connection: changes.require_account(connection, address))
        return factors.new_totp(address, secret)

    async def enable_totp(self, address: Address, secret: str, code: str) -> None:
        """ValueError if the code is not of this secret and this moment."""
        secret = factors.new_totp(address, secret).secret
        step = factors.step_of(secret, code.strip(), self._plugin.clock.time())
        if step is None:
            raise ValueError("that is not the code of this moment; are both clocks right?")
        await self._change(
            lambda connection: factors.enable_totp(
                connection, changes.account_number(connection, address), secret, step
            )
        )

    async def disable_totp(self, address: Address) -> None:
        """LookupError if it was not enabled."""

        def disable(connection: Connection) -> None:
            if not factors.disable_totp(connection, changes.account_number(connection, address)):
                raise LookupError(f"{address} has no TOTP")

        await self._change(disable)

    # -- underneath ---------------------------------------------------------------------------

    async def _account_of(self, ref: AccountRef) -> Account | None:
        rows = await self._tables.rows(lookup.FIND_BY_REF, k=ref.key, t=ref.tenant)
        return lookup.account_of(rows[0]) if rows else None

    async def _remembered(self, key: Hashable, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """An answer of the last seconds; that there is none is asked anew every time."""
        known = self._cache.get(key)
        if known is not None:
            return cast(T, known)
        changes_before = self._cache.changes
        answer = await ask()
        if answer is not None and changes_before == self._cache.changes:
            self._cache.put(key, answer)
        return answer

    async def _domain(self, key: str) -> tuple[str, str] | None:
        rows = await self._tables.rows(lookup.FIND_DOMAIN, d=key)
        return (rows[0][0], rows[0][1]) if rows else None

    async def _resolve(self, address: Address, key: AddressKey) -> Resolution | None:
        rows = await self._tables.rows(lookup.FIND_ACCOUNT, d=key.domain, l=key.local)
        account = lookup.account_of(rows[0]) if rows else None
        if account is not None and account.enabled:
            return Resolution((account,))
        return await self._tables.read(lambda connection: lookup.resolve(connection, address))

    async def _credential(self, login: str) -> Credential | None:
        key = await self._login_key(login)
        if key is None:
            return None
        rows = await self._tables.rows(lookup.FIND_CREDENTIAL, d=key.domain, l=key.local)
        return lookup.credential_of(rows[0]) if rows else None

    async def _login_key(self, login: str) -> AddressKey | None:
        """None for what can be nobody's name."""
        try:
            encoded = login.encode()
        except UnicodeEncodeError:
            return None
        if b"\0" in encoded:
            return None  # PostgreSQL does not even take the question
        if "@" not in login:
            domains = await self._tables.rows(lookup.FIND_DOMAINS)
            return AddressKey(lookup.local_id(login), domains[0][0]) if len(domains) == 1 else None
        try:
            return lookup.key_of(Address.parse(login))
        except AddressError:
            return None

    async def _change(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._tables.write(work)
        finally:
            self._cache.clear()

    async def _replace_secrets(self, account: int, old_hash: str, kept: changes.Secrets) -> None:
        await self._tables.write(
            lambda connection: changes.replace_secrets(connection, account, old_hash, kept)
        )

    async def _find_app_password(self, account: int, digest: bytes) -> factors.FoundPassword | None:
        return await self._tables.point(
            lambda connection: factors.find_app_password(connection, account, digest)
        )

    async def _touch(self, number: int) -> None:
        now = self._plugin.clock.time()
        await self._tables.write(lambda connection: factors.touch_app_password(connection, number, now))

    async def _use_code(self, account: int, step: int) -> bool:
        return await self._tables.write(lambda connection: factors.use_code(connection, account, step))

    def _count_guess(self, account: int, amount: int) -> int:
        return self._plugin.kv.count(f"totp:{account}", amount, window=GUESS_WINDOW)


def _wanted(connection: Connection, domain: str | None) -> str | None:
    return None if domain is None else changes.require_domain(connection, domain)
