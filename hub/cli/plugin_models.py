"""The settings models of the plugins that a configuration could load, found without starting any."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hub.config.errors import ConfigError
    from hub.config.load import Config
    from hub.hooks.listeners import ListenerKind
    from hub.loading.importing import Loaded
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
        self._config = config
        self._loaded: dict[str, Loaded] = {}

    def __call__(self, name: str) -> type[BaseModel] | None:
        """The plugin's model. Raises KeyError for no such plugin, ConfigErrors for a broken one."""
        return self._read(name).settings

    def unspoken(self) -> list[ConfigError]:
        """The listeners whose protocol none of the active plugins speaks. ConfigErrors for a broken one."""
        from hub.config.errors import ConfigError
        from hub.loading.kinds import unspoken

        kinds = {kind.protocol: kind for name in self.active for kind in self._kinds(name)}
        return [
            ConfigError(each.file, each.line, "listeners", each.reason, each.hint)
            for each in unspoken(self._config, kinds, self._catalogue.sources)
        ]

    def _read(self, name: str) -> Loaded:
        if name not in self._loaded:
            self._loaded[name] = _read(self._catalogue.sources[name])
        return self._loaded[name]

    def _kinds(self, name: str) -> list[ListenerKind]:
        """What the plugin speaks: like every GATHER function it needs the settings and no more."""
        from hub.hooks.listeners import provide_listeners

        provide = getattr(self._read(name).module, provide_listeners.__name__, None)
        if provide is None:
            return []
        scope = SimpleNamespace(name=name, settings=partial(self._config.plugin_settings, name))
        named = {"plugin": scope} if "plugin" in inspect.signature(provide).parameters else {}
        return cast("list[ListenerKind]", provide(**named))


def _read(source: Source) -> Loaded:
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
    return loaded[0]
