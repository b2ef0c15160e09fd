"""Reports and their lines, until they are old."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA: Final = MetaData()
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")

REPORT: Final = Table(
    "reports_report",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("reporter", String(300), nullable=False),
    Column("identity", String(300), nullable=False),
    Column("domain", String(300), nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False, index=True),
    Column("sender", String(300), nullable=False),  # the domain in From of the mail that brought it
    Column("authentic", Boolean, nullable=False),  # whether DMARC passed for that
    Column("received", Float, nullable=False),
    UniqueConstraint("kind", "domain", "reporter", "identity"),
)
LINE: Final = Table(
    "reports_line",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("report_id", BigInteger, ForeignKey("reports_report.id"), nullable=False, index=True),
    Column("source", String(300), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("outcome", String(300), nullable=False),
    Column("detail", String(300), nullable=False),
)
