"""The tables. The migration makes them; a test holds both to each other."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, String, Table, Text

PIECE: Final = 256 << 10
"""Octets of a chunk; the last of a blob may have fewer."""

METADATA: Final = MetaData()

_Text = Text().with_variant(Text(collation="C"), "postgresql")

# id: always 1.
STORE: Final = Table(
    "blobs_store",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(8), nullable=False),
)

# settled: the blobs of this process below that name have all the rows that they will ever get. seen: when it
# last said so, in seconds since the epoch.
WRITER: Final = Table(
    "blobs_writer",
    METADATA,
    Column("id", String(8), primary_key=True),
    Column("settled", _Text, nullable=False),
    Column("seen", Float, nullable=False),
)

# data: the first inline_size octets of header block and body. head_crc, body_crc: CRC-32.
BLOB: Final = Table(
    "blobs_blob",
    METADATA,
    Column("name", _Text, primary_key=True),
    Column("time", Float, nullable=False),
    Column("head_size", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("inline_size", BigInteger, nullable=False),
    Column("head_crc", BigInteger, nullable=False),
    Column("body_crc", BigInteger, nullable=False),
    Column("recovery", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# blob: its name. Chunks are there before their blob is, so that a blob that is there is whole.
CHUNK: Final = Table(
    "blobs_chunk",
    METADATA,
    Column("blob", _Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
