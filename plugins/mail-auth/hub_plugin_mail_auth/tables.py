"""What is kept for aggregate reports: a row for each kind of mail of a day, with how many there were."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

REPORT: Final = Table(
    "mail_auth_report",
    METADATA,
    Column("day", Integer, primary_key=True),  # since the epoch, in UTC
    Column("key", String(64), primary_key=True),  # a hash of all that follows but their number
    Column("domain", String(253), nullable=False),  # where the policy lies
    Column("policy", Text, nullable=False),  # the record
    Column("header_from", String(253), nullable=False),
    Column("envelope_from", String(253), nullable=False),  # a domain, empty for the null reverse-path
    Column("source_ip", String(64), nullable=False),
    Column("disposition", String(16), nullable=False),
    Column("override", String(32), nullable=False),
    Column("dkim_aligned", Boolean, nullable=False),
    Column("spf_aligned", Boolean, nullable=False),
    Column("results", Text, nullable=False),  # JSON: what DKIM and SPF said
    Column("messages", Integer, nullable=False),
    Index("mail_auth_report_domain", "day", "domain"),
)
