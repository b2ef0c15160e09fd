"""What is kept: every failed login for a while, and who is banned until when."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table

METADATA: Final = MetaData()

FAILURE: Final = Table(
    "auth_guard_failure",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("client", String(64), nullable=False),  # a network, as bans have it
    Column("at", Float, nullable=False),  # seconds since the epoch
    Column("username", String(255), nullable=False),
    Column("protocol", String(32), nullable=False),
    Column("mechanism", String(32), nullable=False),
    Column("reason", String(255), nullable=False),
    Index("auth_guard_failure_client", "client", "at"),
    Index("auth_guard_failure_at", "at"),
)

BAN: Final = Table(
    "auth_guard_ban",
    METADATA,
    Column("network", String(64), primary_key=True),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("reason", String(255), nullable=False),
)
