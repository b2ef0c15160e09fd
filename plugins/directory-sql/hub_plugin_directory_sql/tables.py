"""The tables. A domain belongs to a tenant, everything else to a domain, and is reached through it.

Domains are compared by their A-labels, local parts without regard to case; both are kept as they were given,
too. An alias whose local part is `*` is the catch-all of its domain.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA: Final = MetaData()

TENANT: Final = Table("directory_tenant", METADATA, Column("name", String(255), primary_key=True))

DOMAIN: Final = Table(
    "directory_domain",
    METADATA,
    Column("id", String(255), primary_key=True),  # A-labels, lower case
    Column("name", String(255), nullable=False),  # as it was given
    Column("tenant", ForeignKey("directory_tenant.name"), nullable=False),
)

ACCOUNT: Final = Table(
    "directory_account",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),  # what storage knows the account by
    Column("domain", ForeignKey("directory_domain.id"), nullable=False),
    Column("local_id", String(255), nullable=False),  # case folded
    Column("local", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("quota", BigInteger),  # octets, NULL is no limit
    Column("message_quota", BigInteger),  # messages, NULL is no limit
    Column("enabled", Boolean, nullable=False),
    Column("password_hash", String(512)),  # NULL: no login with a password
    Column("scram_salt", LargeBinary),
    Column("scram_iterations", Integer),
    Column("scram_stored_key", LargeBinary),
    Column("scram_server_key", LargeBinary),
    UniqueConstraint("domain", "local_id"),
)

ALIAS: Final = Table(
    "directory_alias",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("domain", ForeignKey("directory_domain.id"), nullable=False),
    Column("local_id", String(255), nullable=False),
    Column("local", String(255), nullable=False),
    UniqueConstraint("domain", "local_id"),
)

TARGET: Final = Table(
    "directory_alias_target",
    METADATA,
    Column("alias", ForeignKey("directory_alias.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("local", String(255), nullable=False),
    Column("domain", String(255), nullable=False),
)

APP_PASSWORD: Final = Table(
    "directory_app_password",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("directory_account.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of the password, which is random enough for SHA-256
    Column("scopes", String(255), nullable=False),  # separated by spaces
    Column("created", Float, nullable=False),
    Column("used", Float),  # NULL: never
    UniqueConstraint("account", "name"),
)

TOTP: Final = Table(
    "directory_totp",
    METADATA,
    Column("account", ForeignKey("directory_account.id"), primary_key=True),
    Column("secret", String(255), nullable=False),
    Column("used", BigInteger, nullable=False),  # the time step of the last code that logged in
)
