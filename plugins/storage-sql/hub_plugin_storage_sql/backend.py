"""Which database the settings name, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub import Duration, Plugin, Secret
from hub_plugin_storage_sql.database import Database, Schema
from hub_plugin_storage_sql.sqlite.database import SqliteDatabase
from hub_plugin_storage_sql.sqlite.schema_lock import SqliteSchema

_SCHEMES = ("postgresql://", "postgres://")


class Settings(BaseModel):
    """The `[plugins.storage-sql]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(
        Path("index.sqlite"),
        description="The SQLite file; a relative path begins at the plugin's data folder.",
    )
    reserve: int = Field(
        64 << 20,
        ge=0,
        description="Octets of the disk that new mail leaves free, for expunging and the queue (SQLite).",
    )
    keep_expunged: Duration = Field(
        30 * 86_400.0,
        description="How long a message that was expunged can be had back (`hub mailbox undelete`); 0: not at"
        " all.",
    )
    url: Secret | None = Field(
        None,
        description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, in place of the file: a database that"
        " several hubs share.",
    )

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.url is None:
            return self
        if "path" in self.model_fields_set:
            raise ValueError("path names an SQLite file and url a PostgreSQL database; say one of them")
        if not self.url.reveal().startswith(_SCHEMES):
            raise ValueError("url begins with postgresql://; an SQLite file is named by path")
        return self

    def location(self, plugin: Plugin) -> str:
        """The file, or the database without its password."""
        if self.url is None:
            return str(self.file(plugin))
        from hub_plugin_storage_sql.postgresql.connection import shown

        return shown(self.url)

    def file(self, plugin: Plugin) -> Path:
        """The path of the SQLite file."""
        return plugin.data_dir / self.path


def schema_of(plugin: Plugin, settings: Settings) -> Schema:
    """The tables of the database. RuntimeError if its driver is not installed."""
    if settings.url is None:
        return SqliteSchema(settings.file(plugin))
    _require_driver()
    from hub_plugin_storage_sql.postgresql.schema_lock import PostgresSchema

    return PostgresSchema(settings.url)


async def open_database(plugin: Plugin, settings: Settings) -> Database:
    """The database, whose schema is known to be right, open on this event loop."""
    if settings.url is None:
        return SqliteDatabase(settings.file(plugin), plugin.clock, plugin.log, settings.reserve)
    from hub_plugin_storage_sql.postgresql.database import PostgresDatabase

    database = PostgresDatabase(settings.url, plugin.clock, plugin.log)
    await database.start()
    return database


def _require_driver() -> None:
    try:
        import asyncpg  # noqa: F401
        import greenlet  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"the url of storage-sql names a PostgreSQL database, and the package {error.name} is missing;"
            " install it with: pip install 'hub-plugin-storage-sql[postgresql]'"
        ) from None
