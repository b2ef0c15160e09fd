"""The settings models of the plugins that a configuration could load, found without starting any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hub.config.load import Config
    from hub.loading.sources import Source


class PluginModelsOf:
    """`hub.config.effective.PluginModels` over the catalogue of a configuration; imports each plugin once.

    `active` are the plugins that would run, in their order.
    """

    def __init__(self, config: Config, trees: Sequence[Path] = ()) -> None:
        from hub.loading.catalogue import scan

        settings = config.settings
        self._catalogue = scan(settings.hub.plugin_dirs, trees)
        chosen = list(settings.services.model_dump().values())
        self.active = [source.name for source in self._catalogue.active(settings.hub.plugins, chosen)[0]]
        self._models: dict[str, type[BaseModel] | None] = {}

    def __call__(self, name: str) -> type[BaseModel] | None:
        """The plugin's model. Raises KeyError for no such plugin, ConfigErrors for a broken one."""
        if name not in self._models:
            self._models[name] = _read(self._catalogue.sources[name])
        return self._models[name]


def _read(source: Source) -> type[BaseModel] | None:
    from hub.config.errors import ConfigError, ConfigErrors
    from hub.loading.importing import FreshImport, PluginFinder, Wanted

    finder = PluginFinder()
    finder.install()
    transaction = FreshImport(finder, [Wanted(source, source.digest())])
    try:
        loaded, errors = transaction.run()
    finally:
        transaction.undo()
        finder.uninstall()
    if errors:
        raise ConfigErrors(ConfigError(e.file or e.plugin, e.line, "", e.reason, e.hint) for e in errors)
    return loaded[0].settings
