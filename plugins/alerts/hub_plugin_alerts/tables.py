"""What is kept of the last days: how often each event was counted in each minute, and what was measured.

Both are what rules are evaluated on, now and in `hub alerts test`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table

METADATA: Final = MetaData()

EVENT: Final = Table(
    "alerts_event",
    METADATA,
    Column("minute", Integer, primary_key=True, autoincrement=False),  # since the epoch
    Column("event", String(40), primary_key=True),
    Column("labels", String(1000), primary_key=True),  # JSON
    Column("count", BigInteger, nullable=False),
    Column("text", String(400), nullable=False),  # what was said last
)

METRIC: Final = Table(
    "alerts_metric",
    METADATA,
    Column("minute", Integer, primary_key=True, autoincrement=False),
    Column("metric", String(40), primary_key=True),
    Column("labels", String(1000), primary_key=True),
    Column("value", Float, nullable=False),
    Column("text", String(400), nullable=False),
)
