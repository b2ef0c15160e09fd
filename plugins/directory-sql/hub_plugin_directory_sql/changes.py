"""Changes to the tables, plain functions over a connection; what cannot be done raises a sentence."""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select, update

from hub import Account, Address, Alias
from hub_plugin_directory_sql.factors import remove_factors
from hub_plugin_directory_sql.lookup import (
    CATCH_ALL,
    AddressKey,
    domain_id,
    find_account,
    find_alias,
    find_domain,
    local_id,
)
from hub_plugin_directory_sql.tables import ACCOUNT, ALIAS, DOMAIN, TARGET, TENANT

MAX_TARGETS = 1000
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Secrets:
    """What stands in an account's row for its password: a hash, and SCRAM keys if we know the password."""

    password_hash: str | None = field(default=None, repr=False)
    scram_salt: bytes | None = field(default=None, repr=False)
    scram_iterations: int | None = None
    scram_stored_key: bytes | None = field(default=None, repr=False)
    scram_server_key: bytes | None = field(default=None, repr=False)

    def columns(self) -> dict[str, object]:
        """By the names of the columns."""
        return {name: getattr(self, name) for name in self.__slots__}


def require_domain(connection: Connection, domain: str) -> str:
    """The id of a domain that is there."""
    found = domain_id(domain)
    if find_domain(connection, found) is None:
        raise LookupError(f"{domain} is not a domain of this hub; add it with: hub domain add {domain}")
    return found


def add_domain(connection: Connection, domain: str, tenant: str) -> None:
    """A domain, and its tenant at the first one."""
    Address.parse(f"postmaster@{domain}")
    if not tenant or len(tenant) > _MAX_NAME or not tenant.isprintable():
        raise ValueError(f"a tenant's name has 1 to {_MAX_NAME} printable characters")
    key = domain_id(domain)
    if (known := find_domain(connection, key)) is not None:
        raise ValueError(f"{known[0]} is a domain of this hub already, of the tenant {known[1]}")
    if connection.execute(select(TENANT).where(TENANT.c.name == tenant)).first() is None:
        connection.execute(insert(TENANT).values(name=tenant))
    connection.execute(insert(DOMAIN).values(id=key, name=domain.lower(), tenant=tenant))


def remove_domain(connection: Connection, domain: str) -> None:
    """A domain that nothing hangs on."""
    key = require_domain(connection, domain)
    for table, verb in ((ACCOUNT, "account"), (ALIAS, "alias")):
        row = connection.execute(select(table.c.local).where(table.c.domain == key).limit(1)).first()
        if row is not None:
            address = Address(row[0], domain)
            raise ValueError(
                f"{domain} has the {verb} {address}; remove what is in it first: hub {verb} remove {address}"
            )
    connection.execute(delete(DOMAIN).where(DOMAIN.c.id == key))


def add_account(
    connection: Connection,
    address: Address,
    *,
    name: str,
    quota: int | None,
    message_quota: int | None,
    secrets_: Secrets,
) -> Account:
    """An account with a key that no account ever had."""
    key = AddressKey(local_id(address.local), require_domain(connection, address.domain))
    if key.local == CATCH_ALL:
        raise ValueError(f"{address} is how the catch-all of {address.domain} is written; make it an alias")
    if find_account(connection, key) is not None:
        raise ValueError(f"there is an account {address} already")
    if find_alias(connection, key) is not None:
        raise ValueError(f"{address} is an alias; remove it first: hub alias remove {address}")
    connection.execute(
        insert(ACCOUNT).values(
            key=secrets.token_hex(10),
            domain=key.domain,
            local_id=key.local,
            local=address.local,
            name=_checked_name(name),
            quota=_checked_quota(quota, "octets"),
            message_quota=_checked_quota(message_quota, "messages"),
            enabled=True,
            **secrets_.columns(),
        )
    )
    return require_account(connection, address)


def require_account(connection: Connection, address: Address) -> Account:
    """The account of exactly this address."""
    key = AddressKey(local_id(address.local), require_domain(connection, address.domain))
    account = find_account(connection, key)
    if account is None:
        names = connection.execute(select(ACCOUNT.c.local_id).where(ACCOUNT.c.domain == key.domain)).scalars()
        near = difflib.get_close_matches(key.local, names, 1)
        hint = f" Did you mean {Address(near[0], address.domain)}?" if near else ""
        raise LookupError(f"there is no account {address}.{hint}")
    return account


def account_number(connection: Connection, address: Address) -> int:
    """The row number of an account that is there."""
    key = require_account(connection, address).ref.key
    return int(connection.execute(select(ACCOUNT.c.id).where(ACCOUNT.c.key == key)).scalar_one())


def change_account(connection: Connection, address: Address, changes: dict[str, object]) -> Account:
    """Set columns of an account."""
    account = require_account(connection, address)
    if not changes:
        return account
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.key == account.ref.key).values(changes))
    return require_account(connection, address)


def account_changes(
    *, name: str | None, quota: int | None, message_quota: int | None, enabled: bool | None
) -> dict[str, object]:
    """The columns that are given; ValueError for what they cannot hold."""
    changes: dict[str, object] = {}
    if name is not None:
        changes["name"] = _checked_name(name)
    if quota is not None:
        changes["quota"] = _checked_quota(quota, "octets")
    if message_quota is not None:
        changes["message_quota"] = _checked_quota(message_quota, "messages")
    if enabled is not None:
        changes["enabled"] = enabled
    return changes


def replace_secrets(connection: Connection, account: int, old_hash: str, secrets_: Secrets) -> None:
    """Unless the password was changed meanwhile."""
    connection.execute(
        update(ACCOUNT)
        .where(ACCOUNT.c.id == account, ACCOUNT.c.password_hash == old_hash)
        .values(secrets_.columns())
    )


def remove_account(connection: Connection, address: Address) -> None:
    """Its address is free from now on, its key never again."""
    number = account_number(connection, address)
    remove_factors(connection, number)
    connection.execute(delete(ACCOUNT).where(ACCOUNT.c.id == number))


def add_alias(connection: Connection, alias: Alias) -> None:
    """In place of one of the same address."""
    address = alias.address
    key = AddressKey(local_id(address.local), require_domain(connection, address.domain))
    if not 0 < len(alias.targets) <= MAX_TARGETS:
        raise ValueError(f"an alias leads to between 1 and {MAX_TARGETS} addresses, not {len(alias.targets)}")
    for target in alias.targets:
        domain_id(target.domain)
        if not target.domain:
            raise ValueError(f"the target {target} has no domain")
    if find_account(connection, key) is not None:
        raise ValueError(f"there is an account {address}, which gets its mail itself")
    _drop_alias(connection, find_alias(connection, key))
    number = connection.execute(
        insert(ALIAS).values(domain=key.domain, local_id=key.local, local=address.local).returning(ALIAS.c.id)
    ).scalar_one()
    rows = [
        {"alias": number, "place": place, "local": target.local, "domain": target.domain}
        for place, target in enumerate(dict.fromkeys(alias.targets))
    ]
    connection.execute(insert(TARGET), rows)


def remove_alias(connection: Connection, address: Address) -> None:
    """With its targets."""
    key = AddressKey(local_id(address.local), require_domain(connection, address.domain))
    number = find_alias(connection, key)
    if number is None:
        raise LookupError(f"there is no alias {address}")
    _drop_alias(connection, number)


def _drop_alias(connection: Connection, number: int | None) -> None:
    if number is not None:
        connection.execute(delete(TARGET).where(TARGET.c.alias == number))
        connection.execute(delete(ALIAS).where(ALIAS.c.id == number))


def _checked_name(name: str) -> str:
    if len(name) > _MAX_NAME or not (name.isprintable()):
        raise ValueError(f"a name has at most {_MAX_NAME} printable characters")
    return name


def _checked_quota(quota: int | None, counted: str) -> int | None:
    if quota is not None and not 0 <= quota < 1 << 63:
        raise ValueError(f"a quota is a number of {counted}, not {quota}")
    return quota or None
