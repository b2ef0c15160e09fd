"""Exactly one driver per service, chosen by name through stevedore over our own catalogue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, EntryPoints
from typing import Final, TypeAlias, cast

from stevedore.driver import DriverManager
from stevedore.exception import NoMatches

from hub.config.key import suggestion
from hub.config.tables.hub import ServicesTable
from hub.hooks.plugin import Plugin
from hub.loading.catalogue import Catalogue
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.sources import Source

SERVICES: Final = ("storage", "blobs", "directory", "search")
"""In the order in which their drivers are opened."""

FIXED: Final = frozenset({"storage", "blobs"})
"""What cannot be swapped in a running process."""

Driver: TypeAlias = Callable[[Plugin], AbstractAsyncContextManager[object]]


def chosen(services: ServicesTable) -> dict[str, str]:
    """Service → the name of the plugin whose driver the config chooses."""
    return {service: name for service, name in services if name is not None}


def driver_module(source: Source, service: str) -> str | None:
    """The module that the plugin's driver for a service is in."""
    for entry in source.entry_points:
        if entry.group == f"hub.{service}" and entry.name == source.name:
            return str(entry.module)
    return None


def check_choice(catalogue: Catalogue, service: str, name: str) -> LoadError | None:
    """What is wrong with choosing that driver, None if it is there."""
    offered = [entry.name for entry, _ in catalogue.entry_points(f"hub.{service}")]
    if name in offered:
        return None
    hint = suggestion(name, offered) or "None is installed."
    return LoadError(name, f"there is no driver '{name}' for {service}", hint=hint)


class _Chooser(DriverManager[object]):
    """stevedore without its caches: in the class, in memory, and on disk, trusting a 32-bit time."""

    def __init__(self, source: Source, service: str) -> None:
        self._source = source
        super().__init__(f"hub.{service}", source.name, on_missing_entrypoints_callback=None)

    def list_entry_points(self) -> EntryPoints:
        return EntryPoints(
            EntryPoint(entry.name, entry.value, entry.group)
            for entry in self._source.entry_points
            if entry.group == self.namespace
        )


def driver_class(source: Source, service: str) -> Driver:
    """What the entry point names, whose modules are imported already. LoadErrors."""
    try:
        # Not `.driver`, which is the class when the object is false: we build the class.
        found: object = _Chooser(source, service).extensions[0].plugin
    except NoMatches:
        reason = f"it has no driver for {service}"
    except Exception as error:
        reason = f"its driver for {service} cannot be loaded: {type(error).__name__}: {error}"
    else:
        if isinstance(found, type) and issubclass(found, AbstractAsyncContextManager):
            return cast(Driver, found)
        reason = f"its driver for {service} is no class of an asynchronous context manager"
    raise LoadErrors([LoadError(source.name, reason)])
