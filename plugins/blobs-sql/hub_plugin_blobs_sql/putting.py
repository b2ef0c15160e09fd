"""Blobs into the tables: small ones together, large ones chunk by chunk."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, insert

from hub import Tables
from hub_plugin_blobs_sql.tables import BLOB, CHUNK, PIECE

BATCH: Final = 8 << 20
"""Octets that are written in one transaction at most, or one message."""

Row: TypeAlias = Mapping[str, Any]  # of BLOB or CHUNK, its columns by name


@dataclass(frozen=True, slots=True)
class Put:
    """One message and the future of whoever put it."""

    blob: Row
    chunks: Sequence[Row]
    size: int
    done: asyncio.Future[None] = field(repr=False)


def message_rows(name: str, time: float, head: bytes, body: bytes, recovery: bytes) -> tuple[Row, list[Row]]:
    """The rows of a message that is in memory."""
    whole = head + body
    first = whole[:PIECE]
    rest = [whole[start : start + PIECE] for start in range(PIECE, len(whole), PIECE)]
    return blob_row(name, time, head, len(body), zlib.crc32(body), recovery, first), chunk_rows(name, 0, rest)


def blob_row(
    name: str, time: float, head: bytes, body_size: int, body_crc: int, recovery: bytes, first: bytes
) -> Row:
    """The row of a blob that begins with the octets `first`."""
    return {
        "name": name,
        "time": time,
        "head_size": len(head),
        "size": len(head) + body_size,
        "inline_size": len(first),
        "head_crc": zlib.crc32(head),
        "body_crc": body_crc,
        "recovery": recovery,
        "data": first,
    }


def chunk_rows(name: str, number: int, pieces: Sequence[bytes]) -> list[Row]:
    """Rows of the pieces that follow, from that number on."""
    return [{"blob": name, "number": number + index, "data": piece} for index, piece in enumerate(pieces)]


class Putter:
    """Whatever arrives while a transaction is under way goes into the next one."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._waiting: list[Put] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, blob: Row, chunks: Sequence[Row]) -> None:
        """Durable when this returns."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Put(blob, chunks, blob["size"], done))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._write(self._next())
        finally:
            self._task = None

    def _next(self) -> list[Put]:
        count = size = 0
        for put in self._waiting:
            size += put.size
            if count and size > BATCH:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _write(self, batch: Sequence[Put]) -> None:
        """Together; should that fail, each alone."""
        try:
            await self._tables.write(lambda connection: _insert(connection, batch))
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, OSError):
                for put in batch:
                    await self._write([put])
                return
            for put in batch:
                if not put.done.done():
                    put.done.set_exception(error)
        else:
            for put in batch:
                if not put.done.done():
                    put.done.set_result(None)


def _insert(connection: Connection, batch: Sequence[Put]) -> None:
    add_chunks(connection, [chunk for put in batch for chunk in put.chunks])
    connection.execute(insert(BLOB), [put.blob for put in batch])


def add_chunks(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert them, if there are any."""
    if rows:
        connection.execute(insert(CHUNK), rows)
