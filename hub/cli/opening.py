"""The drivers alone, opened beside a hub that may be running: for verbs about what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import click

from hub.config.load import Config
from hub.loading.errors import LoadErrors
from hub.loading.loader import Loader
from hub.log import configure
from hub.services.chosen import Services
from hub.services.clock import SystemClock
from hub.services.directory import DirectoryAdmin
from hub.services.storage import Storage


@asynccontextmanager
async def services(config: Config) -> AsyncIterator[Services]:
    """The drivers that the config chooses, and no other plugin. What they log is kept off standard output."""
    configure("warning", config.settings.log.format)
    alone = config.settings.hub.model_copy(update={"plugins": (), "plugin_dirs": ()})
    loader = Loader(
        replace(config, settings=config.settings.model_copy(update={"hub": alone})), SystemClock()
    )
    try:
        await loader.start()
    except LoadErrors as errors:
        raise click.ClickException("\n".join(map(str, errors.errors))) from None
    try:
        yield loader.services
    finally:
        await loader.close()


@asynccontextmanager
async def directory(config: Config) -> AsyncIterator[DirectoryAdmin]:
    """The directory, if it is one that the hub may change."""
    async with services(config) as opened:
        if not hasattr(opened.directory, "add_account"):
            raise click.ClickException(
                f"the directory '{config.settings.services.directory}' is read-only here"
            )
        yield opened.directory  # type: ignore[misc]  # a Protocol: it has what DirectoryAdmin names


@asynccontextmanager
async def storage(config: Config) -> AsyncIterator[Storage]:
    """The index."""
    async with services(config) as opened:
        yield opened.storage
