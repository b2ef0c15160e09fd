"""The configuration as the hub uses it: found, merged, validated, and aware of where each value came from."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub.config.environment import environment_layers
from hub.config.errors import ConfigError, ConfigErrors
from hub.config.find import find
from hub.config.include import pattern_folders, read_files
from hub.config.key import Key, parse_key
from hub.config.model import HubSettings, machine_defaults
from hub.config.schema import names_at
from hub.config.secrets import Secret, SecretSource, builtin_sources, resolve
from hub.config.tables.plugins import PluginOptions
from hub.config.tree import Layer, Origin, Tree, merge, overlay
from hub.config.validate import Model, Where, validate_table


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was found to be right.

    `settings` are the hub's own tables. `sources` are the files that were read, the first read first;
    `folders` those in which an include's pattern looks for more. `tree` is what they and the environment say,
    secrets still as references; `secrets` holds those by key.
    """

    settings: HubSettings
    sources: tuple[Path, ...]
    tree: Tree = field(repr=False)
    secrets: Mapping[Key, Secret] = field(repr=False)
    options: Mapping[str, PluginOptions]
    folders: tuple[Path, ...] = ()

    def says_the_same(self, other: "Config") -> bool:
        """Whether nothing that anybody set differs, secrets included."""
        return self.tree.values == other.tree.values and self.secrets == other.secrets

    def with_values(self, values: Mapping[str, object]) -> "Config":
        """The same with other values in some tables, whatever the files say. Raises ConfigErrors."""
        tree = overlay(self.tree, Layer("default", "default", values, self.tree.base.folder))
        settings, errors = _settings(tree, self.secrets)
        if settings is None:
            raise ConfigErrors(errors)
        return replace(self, settings=settings, tree=tree)

    def plugin_names(self) -> tuple[str, ...]:
        """The plugins that have a table."""
        plugins = self.tree.values.get("plugins")
        return tuple(plugins) if isinstance(plugins, dict) else ()

    def plugin_table(self, name: str) -> Mapping[str, object]:
        """What [plugins.<name>] says to the plugin, unvalidated, secrets looked up; empty without one."""
        table = self.tree.get(("plugins", name))
        if not isinstance(table, dict):
            return {}
        said = {part: value for part, value in table.items() if part != "hub"}
        return {
            part: _with_secrets(value, ("plugins", name, part), self.secrets) for part, value in said.items()
        }

    def plugin_settings(self, name: str, model: type[Model]) -> Model:
        """[plugins.<name>] as the plugin's own model. Raises ConfigErrors."""
        return validate_table(
            model, self.plugin_table(name), Where(self.tree, ("plugins", name), also=("hub",))
        )

    def plugin_options(self, name: str) -> PluginOptions:
        """What [plugins.<name>.hub] says about how the hub treats this plugin."""
        return self.options.get(name, PluginOptions())

    def origin(self, key: str) -> Origin:
        """Where the value of a key such as "smtp.max_size" was written. Raises ValueError for no key."""
        return self.origin_at(parse_key(key))

    def origin_at(self, key: Key) -> Origin:
        """Where the value at a key was written; the defaults, where nobody wrote it."""
        return self.tree.origin(key) if self.tree.get(key) is not None else Origin("default")


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    secrets: Mapping[str, SecretSource] | None = None,
) -> Config:
    """Find, read and validate the configuration. Raises ConfigErrors with everything that is wrong with it.

    `path` is what `--config` said. `environ` and `cwd` are the process's own where they are not given.
    `secrets` adds schemes of `secret://` references to the built-in `env` and `file`.
    """
    environ = os.environ if environ is None else environ
    cwd = (cwd or Path.cwd()).absolute()
    found = find(path, environ, cwd)
    files = read_files(found, cwd) if found is not None else []
    base = _base(environ, cwd)
    overrides = environment_layers(environ, merge(base, files), _known_names, cwd)
    return _validated(
        merge(base, [*files, *overrides]), {**builtin_sources(environ), **(secrets or {})}, files
    )


def load_defaults(environ: Mapping[str, str] | None = None) -> Config:
    """What holds where there is neither a file nor an override."""
    environ = os.environ if environ is None else environ
    return _validated(merge(_base(environ, Path.cwd()), ()), {}, ())


def _base(environ: Mapping[str, str], cwd: Path) -> Layer:
    return Layer("default", "default", machine_defaults(environ), cwd)


def _validated(tree: Tree, sources: Mapping[str, SecretSource], files: Sequence[Layer]) -> Config:
    looked_up, errors = resolve(tree, sources)
    settings, more = _settings(tree, looked_up)
    options, still_more = _options(tree, looked_up)
    if settings is None or errors or more or still_more:
        raise ConfigErrors([*errors, *more, *still_more])
    paths = tuple(layer.path for layer in files if layer.path is not None)
    return Config(settings, paths, tree, looked_up, options, pattern_folders(files))


def _settings(
    tree: Tree, secrets: Mapping[Key, Secret]
) -> tuple[HubSettings | None, tuple[ConfigError, ...]]:
    tables = {name: value for name, value in tree.values.items() if name not in ("plugins", "include")}
    said = {name: _with_secrets(value, (name,), secrets) for name, value in tables.items()}
    try:
        return validate_table(HubSettings, said, Where(tree, also=("plugins", "include"))), ()
    except ConfigErrors as error:
        return None, error.errors


def _options(tree: Tree, secrets: Mapping[Key, Secret]) -> tuple[dict[str, PluginOptions], list[ConfigError]]:
    options: dict[str, PluginOptions] = {}
    errors: list[ConfigError] = []
    plugins = tree.values.get("plugins")
    if plugins is not None and not isinstance(plugins, dict):
        errors.append(tree.origin(("plugins",)).error(("plugins",), "should be a table"))
    for name, table in plugins.items() if isinstance(plugins, dict) else ():
        key: Key = ("plugins", name)
        if table is not None and not isinstance(table, dict):
            errors.append(tree.origin(key).error(key, "should be a table"))
            continue
        said = (table or {}).get("hub")
        if said is None:
            continue
        key = (*key, "hub")
        if not isinstance(said, dict):
            errors.append(tree.origin(key).error(key, "should be a table"))
            continue
        try:
            options[name] = validate_table(
                PluginOptions,
                {name: _with_secrets(value, (*key, name), secrets) for name, value in said.items()},
                Where(tree, key),
            )
        except ConfigErrors as error:
            errors.extend(error.errors)
    return options, errors


def _with_secrets(value: object, key: Key, secrets: Mapping[Key, Secret]) -> object:
    """A copy of the value in which every reference is the secret that it names."""
    if isinstance(value, dict):
        return {name: _with_secrets(child, (*key, name), secrets) for name, child in value.items()}
    if isinstance(value, list):
        return [_with_secrets(child, (*key, index), secrets) for index, child in enumerate(value)]
    return secrets.get(key, value)


def _known_names(key: Key) -> list[str]:
    """The names that are known beforehand for the table at `key`."""
    if key[:1] == ("plugins",):
        return ["hub"] if len(key) == 2 else names_at(PluginOptions, key[3:]) if key[2:3] == ("hub",) else []
    return [*names_at(HubSettings, key), *(["plugins"] if not key else [])]
