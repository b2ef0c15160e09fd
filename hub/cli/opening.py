"""The drivers alone, opened beside a hub that may be running: for verbs about what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import click

from hub.cli.privileges import become, own_data
from hub.config.load import Config
from hub.hooks.plugin import Plugin
from hub.loading.catalogue import scan
from hub.loading.drivers import check_choice, chosen, driver_class, driver_module
from hub.loading.errors import LoadErrors
from hub.loading.importing import FreshImport, PluginFinder, Wanted
from hub.loading.loader import Loader
from hub.loading.scope import Scope
from hub.loading.sources import Source
from hub.loading.surroundings import Surroundings
from hub.log import configure
from hub.services.chosen import Services
from hub.services.clock import SystemClock
from hub.services.directory import DirectoryAdmin
from hub.services.lazyresolver import LazyResolver
from hub.services.migrations import Migrations
from hub.services.storage import Storage


def _prepare(config: Config) -> None:
    """Work as the hub's user, so that it can open what is made here; keep standard output for the answer."""
    own_data(config.settings.hub)
    become(config.settings.hub)
    configure("warning", config.settings.log.format, addresses=config.settings.log.addresses)


@asynccontextmanager
async def services(config: Config) -> AsyncIterator[Services]:
    """The drivers that the config chooses, and no other plugin. What they log is kept off standard output."""
    _prepare(config)
    hub = config.settings.hub
    drivers = set(chosen(config.settings.services).values())
    # What lies in a watched folder is active by being there; a driver may lie there too.
    others = tuple(f"!{name}" for name in sorted(scan(hub.plugin_dirs).watched - drivers))
    alone = hub.model_copy(update={"plugins": others})
    silent = config.settings.model_copy(update={"hub": alone, "listeners": {}})
    loader = Loader(replace(config, settings=silent), SystemClock())
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
        if not isinstance(opened.directory, DirectoryAdmin):
            raise click.ClickException(
                f"the directory '{config.settings.services.directory}' is read-only here"
            )
        yield opened.directory


@asynccontextmanager
async def storage(config: Config) -> AsyncIterator[Storage]:
    """The index."""
    async with services(config) as opened:
        yield opened.storage


@asynccontextmanager
async def plugin(config: Config, name: str) -> AsyncIterator[Plugin]:
    """A plugin's scope beside a hub that may be running: what it has stored, without its hooks and timers."""
    source = scan(config.settings.hub.plugin_dirs).sources.get(name)
    if source is None:
        raise click.ClickException(f"there is no plugin '{name}' here")
    async with services(config) as opened:
        scope = _scope(config, source, opened)
        try:
            yield scope
        finally:
            await scope.close()


def _scope(config: Config, source: Source, opened: Services | None = None) -> Scope:
    loop = asyncio.get_running_loop()
    around = Surroundings(
        config.settings.hub.data_dir,
        SystemClock(),
        LazyResolver(config.settings.dns),
        _no_hooks,
        _no_workers,
        _nobody,
        loop,
        hostname=lambda: config.settings.hub.hostname,
    )
    if opened is not None:
        around.storage, around.blobs, around.directory = opened.storage, opened.blobs, opened.directory
    settings = partial(config.plugin_settings, source.name)
    return Scope(source.name, source.version, source.folder, settings, around)


class _Migrating(Protocol):
    """A class of storage drivers whose schema has revisions."""

    def migrations(self, plugin: Plugin, branches: Mapping[str, Path]) -> Migrations:
        """branches: plugin → the folder of its migrations."""


@asynccontextmanager
async def migrations(config: Config) -> AsyncIterator[Migrations]:
    """The schema of the chosen storage with the branches of all active plugins; nothing is started."""
    _prepare(config)
    hub = config.settings.hub
    choice = chosen(config.settings.services)
    catalogue = scan(hub.plugin_dirs)
    active, errors = catalogue.active(hub.plugins, choice.values())
    unknown = check_choice(catalogue, "storage", choice["storage"])
    if errors or unknown:
        raise click.ClickException("\n".join(map(str, filter(None, (*errors, unknown)))))
    source = catalogue.sources[choice["storage"]]
    finder = PluginFinder()
    finder.install()
    try:
        driver = _migrating_driver(finder, source)
        branches = {each.name: each.folder / "migrations" for each in active}
        scope = _scope(config, source)
        yield driver.migrations(scope, {name: path for name, path in branches.items() if path.is_dir()})
        await scope.close()
    finally:
        finder.uninstall()


def _migrating_driver(finder: PluginFinder, source: Source) -> _Migrating:
    modules = tuple(filter(None, (driver_module(source, "storage"),)))
    _, failed = FreshImport(finder, [Wanted(source, source.digest(), modules)]).run()
    if failed:
        raise click.ClickException("\n".join(map(str, failed)))
    driver = driver_class(source, "storage")
    if not hasattr(driver, "migrations"):
        raise click.ClickException(f"the storage '{source.name}' has no schema to look after")
    return cast(_Migrating, driver)


async def _no_hooks(name: str, _: Mapping[str, object]) -> object:
    raise LookupError(f"{name} cannot be called: no plugin is running")


async def _no_workers(name: str, question: str, _: Mapping[str, object]) -> list[object]:
    raise RuntimeError(f"{name} cannot be asked for its '{question}': no plugin is running")


def _nobody(_: str, __: Mapping[str, object]) -> None:
    """No plugin is running."""
