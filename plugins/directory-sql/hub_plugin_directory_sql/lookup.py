"""Questions to the tables, as plain functions over a connection."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, bindparam, select

from hub import Account, AccountRef, Address, AddressError, Alias, Identity, Resolution, ScramKeys
from hub_plugin_directory_sql.factors import Totp
from hub_plugin_directory_sql.tables import ACCOUNT, ALIAS, DOMAIN, TARGET, TOTP

CATCH_ALL: Final = "*"
MAX_DEPTH: Final = 10
_POSTMASTER: Final = "postmaster"


class AddressKey(NamedTuple):
    """What two spellings of one address have in common."""

    local: str
    domain: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What an account can be logged in with."""

    id: int
    account: Account
    password_hash: str | None = field(repr=False)
    scram: ScramKeys | None
    totp: Totp | None = None


def local_id(local: str) -> str:
    """The local part as it is compared."""
    return local.lower() if local.isascii() else unicodedata.normalize("NFC", local).casefold()


def domain_id(domain: str) -> str:
    """The domain as it is compared. AddressError if it has no A-labels."""
    if "\0" in domain:
        raise AddressError("a domain contains no NUL")  # PostgreSQL does not even take the question
    return Address("", domain).ascii_domain.lower()


def key_of(address: Address) -> AddressKey | None:
    """None for a domain that no DNS could hold, and so no hub."""
    if "\0" in address.local:
        return None  # like a domain's
    try:
        return AddressKey(local_id(address.local), domain_id(address.domain))
    except AddressError:
        return None


_ACCOUNTS: Final = select(
    ACCOUNT.c.key,
    DOMAIN.c.tenant,
    ACCOUNT.c.local,
    DOMAIN.c.name.label("domain_name"),
    ACCOUNT.c.name,
    ACCOUNT.c.quota,
    ACCOUNT.c.enabled,
    ACCOUNT.c.message_quota,
).join_from(ACCOUNT, DOMAIN, ACCOUNT.c.domain == DOMAIN.c.id)
_BY_ADDRESS: Final = (ACCOUNT.c.domain == bindparam("d"), ACCOUNT.c.local_id == bindparam("l"))
FIND_ACCOUNT: Final = _ACCOUNTS.where(*_BY_ADDRESS)
FIND_BY_REF: Final = _ACCOUNTS.where(ACCOUNT.c.key == bindparam("k"), DOMAIN.c.tenant == bindparam("t"))
FIND_CREDENTIAL: Final = FIND_ACCOUNT.outerjoin(TOTP, TOTP.c.account == ACCOUNT.c.id).add_columns(
    TOTP.c.secret.label("totp_secret"),
    TOTP.c.used.label("totp_used"),
    ACCOUNT.c.id,
    ACCOUNT.c.password_hash,
    ACCOUNT.c.scram_salt,
    ACCOUNT.c.scram_iterations,
    ACCOUNT.c.scram_stored_key,
    ACCOUNT.c.scram_server_key,
)
FIND_DOMAINS: Final = select(DOMAIN.c.id).limit(2)
"""Enough of them to know whether it is one."""
# Whoever may read it, then whoever is nearest, then whoever was there first.
_ANYBODY: Final = _ACCOUNTS.order_by(
    ACCOUNT.c.enabled.desc(),
    (ACCOUNT.c.domain == bindparam("d")).desc(),
    (DOMAIN.c.tenant == bindparam("t")).desc(),
    ACCOUNT.c.id,
).limit(1)
FIND_DOMAIN: Final = select(DOMAIN.c.name, DOMAIN.c.tenant).where(DOMAIN.c.id == bindparam("d"))
_ALIAS: Final = select(ALIAS.c.id).where(ALIAS.c.domain == bindparam("d"), ALIAS.c.local_id == bindparam("l"))
_TARGETS: Final = (
    select(TARGET.c.local, TARGET.c.domain).where(TARGET.c.alias == bindparam("a")).order_by(TARGET.c.place)
)
_ALIASES: Final = (
    select(ALIAS.c.id, ALIAS.c.local, DOMAIN.c.name, TARGET.c.local, TARGET.c.domain)
    .join_from(ALIAS, DOMAIN, ALIAS.c.domain == DOMAIN.c.id)
    .join(TARGET, TARGET.c.alias == ALIAS.c.id)
    .order_by(DOMAIN.c.name, ALIAS.c.local_id, TARGET.c.place)
)
_POSTMASTERS: Final = (
    select(ACCOUNT.c.domain)
    .where(ACCOUNT.c.local_id == _POSTMASTER)
    .union(select(ALIAS.c.domain).where(ALIAS.c.local_id == _POSTMASTER))
    .order_by("domain")
    .limit(1)
)


def find_domain(connection: Connection, domain: str) -> tuple[str, str] | None:
    """(name, tenant) of a domain, by its id."""
    row = connection.execute(FIND_DOMAIN, {"d": domain}).first()
    return None if row is None else (row[0], row[1])


def find_account(connection: Connection, key: AddressKey) -> Account | None:
    """The account of exactly this address."""
    row = connection.execute(FIND_ACCOUNT, {"d": key.domain, "l": key.local}).first()
    return None if row is None else account_of(row)


def credential_of(row: Sequence[Any]) -> Credential:
    """A row of `FIND_CREDENTIAL`."""
    account = account_of(row)
    secret, used, number, password_hash, salt, iterations, stored_key, server_key = row[8:]
    scram = None
    if salt is not None:
        scram = ScramKeys(identity_of(account), salt, stored_key, server_key, iterations)
    return Credential(number, account, password_hash, scram, None if secret is None else Totp(secret, used))


def identity_of(account: Account) -> Identity:
    """Whoever has logged in as this account."""
    return Identity(account.ref, str(account.address), account.address)


def find_alias(connection: Connection, key: AddressKey) -> int | None:
    """The row number of exactly this alias."""
    row = connection.execute(_ALIAS, {"d": key.domain, "l": key.local}).first()
    return None if row is None else row[0]


def list_domains(connection: Connection) -> Sequence[tuple[str, str]]:
    """(name, tenant), by name."""
    rows = connection.execute(select(DOMAIN.c.name, DOMAIN.c.tenant).order_by(DOMAIN.c.name))
    return [(row[0], row[1]) for row in rows]


def list_accounts(connection: Connection, domain: str | None) -> Sequence[Account]:
    """By domain and local part."""
    return [account_of(row) for row in connection.execute(_within(_ACCOUNTS, ACCOUNT.c.domain, domain)).all()]


def list_aliases(connection: Connection, domain: str | None) -> Sequence[Alias]:
    """By domain and local part; targets in the order in which they were given."""
    statement = _ALIASES if domain is None else _ALIASES.where(ALIAS.c.domain == domain)
    found: dict[int, tuple[Address, list[Address]]] = {}
    for number, local, name, target_local, target_domain in connection.execute(statement):
        _, targets = found.setdefault(number, (Address(local, name), []))
        targets.append(Address(target_local, target_domain))
    return [Alias(address, tuple(targets)) for address, targets in found.values()]


def resolve(connection: Connection, address: Address) -> Resolution | None:
    """Where mail for a local address goes; None if to nobody, or if the address is not local."""
    if not address.domain:
        return _resolve_bare(connection, address)
    key = key_of(address)
    domain = find_domain(connection, key.domain) if key else None
    if key is None or domain is None:
        return None
    walk = _Walk(connection)
    walk.expand(address, MAX_DEPTH)
    if walk.empty and key.local == _POSTMASTER:
        walk.add_anybody(key.domain, domain[1])
    return walk.result()


def _resolve_bare(connection: Connection, address: Address) -> Resolution | None:
    """RFC 5321 §4.5.1: `<postmaster>` is a mailbox of the hub itself."""
    if local_id(address.local) != _POSTMASTER:
        return None
    walk = _Walk(connection)
    domain = connection.execute(_POSTMASTERS).scalar()
    if domain is not None:
        walk.expand(Address(_POSTMASTER, domain), MAX_DEPTH)
    if walk.empty:
        walk.add_anybody("", "default")
    return walk.result()


@dataclass(slots=True)
class _Walk:
    """One resolution under way; every address is looked at once, so that loops end."""

    connection: Connection
    accounts: dict[AccountRef, Account] = field(default_factory=dict)
    forwards: dict[tuple[str, str], Address] = field(default_factory=dict)
    seen: set[AddressKey] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        return not self.accounts and not self.forwards

    def result(self) -> Resolution | None:
        if self.empty:
            return None
        return Resolution(tuple(self.accounts.values()), tuple(self.forwards.values()))

    def expand(self, address: Address, depth: int) -> None:
        key = key_of(address)
        if key is None or key in self.seen:
            return
        self.seen.add(key)
        if find_domain(self.connection, key.domain) is None:
            self.forwards[address.local, key.domain] = address  # their local parts may have a case
            return
        exact = self._account_or_targets(key)
        tagged = address.base_local != address.local
        if exact is None and tagged:
            exact = self._account_or_targets(AddressKey(local_id(address.base_local), key.domain))
        if exact is None:
            exact = self._targets(AddressKey(CATCH_ALL, key.domain))
        if depth:
            for target in exact or ():
                self.expand(target, depth - 1)

    def add_anybody(self, domain: str, tenant: str) -> None:
        row = self.connection.execute(_ANYBODY, {"d": domain, "t": tenant}).first()
        if row is not None:
            account = account_of(row)
            self.accounts[account.ref] = account

    def _account_or_targets(self, key: AddressKey) -> Sequence[Address] | None:
        """Where an alias leads; nothing more if it is an account, which is noted; None if it is neither."""
        account = find_account(self.connection, key)
        if account is None:
            return self._targets(key)
        if account.enabled:
            self.accounts[account.ref] = account
        return ()

    def _targets(self, key: AddressKey) -> Sequence[Address] | None:
        alias = find_alias(self.connection, key)
        if alias is None:
            return None
        return [Address(local, domain) for local, domain in self.connection.execute(_TARGETS, {"a": alias})]


def _within(statement: Select[Any], column: Any, domain: str | None) -> Select[Any]:
    ordered = statement.order_by(DOMAIN.c.name, ACCOUNT.c.local_id)
    return ordered if domain is None else ordered.where(column == domain)


def account_of(row: Sequence[Any]) -> Account:
    """A row of one of the queries for accounts."""
    key, tenant, local, domain, name, quota, enabled, messages = row[:8]
    return Account(AccountRef(tenant, key), Address(local, domain), name, quota, enabled, messages)
