"""The effective configuration, fit to be shown: defaults filled in, origins kept, secrets masked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel

from hub.config.errors import ConfigError, ConfigErrors
from hub.config.key import Key, format_key, quote_part, suggestion
from hub.config.load import Config
from hub.config.secrets import Secret
from hub.config.tables.plugins import NoSettings
from hub.config.toml_text import dump_value
from hub.config.tree import Origin

PluginModels: TypeAlias = Callable[[str], type[BaseModel] | None]
"""The settings model of a plugin, None if it takes no settings.

Raises KeyError for no such plugin, ConfigErrors for one whose code is wrong."""

Values: TypeAlias = Mapping[str, object]
"""Nested tables of plain values; a leaf that must not be shown is a `Secret` and shows itself masked."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose effective value differs, None if unset; `origin` is where the later value was written."""

    key: Key
    before: object
    after: object
    origin: Origin


def effective(config: Config, models: PluginModels | None = None, plugins: Iterable[str] = ()) -> Values:
    """All values that hold, the hub's and those of every plugin that has a table or is one of `plugins`.

    Where a plugin's model is unknown, or its table does not fit it, the table is shown as written, and every
    text in it counts as a secret.
    """
    values = _masked(config, _dump(config.settings), ())
    names = sorted({*config.plugin_names(), *plugins})
    tables = {name: _plugin_values(config, name, models) for name in names}
    if filled := {name: table for name, table in tables.items() if table or name in config.plugin_names()}:
        return {**values, "plugins": filled}
    return values


def check_plugins(config: Config, models: PluginModels, active: Iterable[str] = ()) -> list[ConfigError]:
    """What is wrong with the tables of plugins, and with the plugins that are `active` without one.

    A plugin that is named anywhere, as a driver, in the list or by a table, has to be there.
    """
    errors: list[ConfigError] = []
    keys = _mentions(config)
    for name in dict.fromkeys([*keys, *active]):
        key = keys.get(name, ("plugins", name))
        try:
            config.plugin_settings(name, models(name) or NoSettings)
        except KeyError:
            hint = suggestion(name, {*keys, *active} - {name})
            errors.append(config.origin_at(key).error(key, f"there is no plugin '{name}'", hint))
        except ConfigErrors as error:
            errors.extend(error.errors)
    return errors


def _mentions(config: Config) -> dict[str, Key]:
    """Where each plugin is named: as a driver, in the list, or, before those, by a table of its own."""
    keys: dict[str, Key] = {name: ("services", seam) for seam, name in config.settings.services if name}
    listed = enumerate(config.settings.hub.plugins)
    keys |= {name: ("hub", "plugins", index) for index, name in listed if not name.startswith("!")}
    return keys | {name: ("plugins", name) for name in config.plugin_names()}


def differences(before: Values, config: Config, after: Values) -> list[Change]:
    """The keys whose values in `after`, which is `config`'s, are not those in `before`, sorted."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    return [
        Change(key, old.get(key), new.get(key), config.origin_at(key))
        for key in sorted({**old, **new}, key=str)
        if old.get(key) != new.get(key)
    ]


def to_toml(config: Config, values: Values) -> str:
    """The values as a file that a hub would read, each with its origin in a comment."""
    return "\n".join(_table_lines(config, values, ())).lstrip("\n") + "\n"


def to_json(value: object) -> object:
    """Values as JSON can have them: what JSON does not know, and what must not be shown, as its text."""
    if isinstance(value, Mapping):
        return {str(name): to_json(child) for name, child in value.items()}
    if isinstance(value, list):
        return [to_json(child) for child in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def shown(value: object) -> str:
    """One value as `hub config` prints it."""
    return "unset" if value is None else dump_value(value)


def value_at(values: Values, key: Key) -> object:
    """The value at a key, or None."""
    value: object = values
    for part in key:
        if isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        else:
            value = value.get(str(part)) if isinstance(value, Mapping) else None
    return value


def _plugin_values(config: Config, name: str, models: PluginModels | None) -> dict[str, object]:
    values = _written_or_dumped(config, name, models)
    if name in config.options:
        values["hub"] = _masked(config, _dump(config.options[name]), ("plugins", name, "hub"))
    return values


def _written_or_dumped(config: Config, name: str, models: PluginModels | None) -> dict[str, object]:
    try:
        if models is not None and (model := models(name)) is not None:
            return _masked(config, _dump(config.plugin_settings(name, model)), ("plugins", name))
    except (KeyError, ConfigErrors):
        pass  # `hub config check` says so; what was written can be shown all the same
    return {part: _all_masked(value) for part, value in config.plugin_table(name).items()}


def _dump(model: BaseModel) -> dict[str, object]:
    """A model as plain values, with its secrets as `Secret`s."""
    plain = model.model_dump(mode="json", by_alias=True)
    raw = model.model_dump(mode="python", by_alias=True)
    return {name: _keep_secrets(value, raw[name]) for name, value in plain.items()}


def _keep_secrets(plain: object, raw: object) -> object:
    if isinstance(raw, Secret):
        return raw
    if isinstance(plain, dict) and isinstance(raw, Mapping):
        pairs = zip(plain.items(), raw.values(), strict=True)
        return {name: _keep_secrets(child, other) for (name, child), other in pairs}
    if isinstance(plain, list) and isinstance(raw, list | tuple):
        return [_keep_secrets(child, other) for child, other in zip(plain, raw, strict=True)]
    return plain


def _masked(config: Config, values: dict[str, object], prefix: Key) -> dict[str, object]:
    """The values, with a `Secret` for each text that was a reference or repeats what one stands for."""
    revealed = [secret.reveal() for secret in config.secrets.values()]

    def mask(value: object, key: Key) -> object:
        if isinstance(value, dict):
            return {name: mask(child, (*key, name)) for name, child in value.items()}
        if isinstance(value, list):
            return [mask(child, (*key, index)) for index, child in enumerate(value)]
        if key in config.secrets:
            return config.secrets[key]
        if isinstance(value, str) and any(text in value for text in revealed):
            return Secret(value)
        return value

    return {name: mask(value, (*prefix, name)) for name, value in values.items()}


def _all_masked(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _all_masked(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_all_masked(child) for child in value]
    return Secret(value) if isinstance(value, str) else value


def _leaves(values: Values, prefix: Key) -> Iterator[tuple[Key, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _table_lines(config: Config, values: Values, prefix: Key) -> Iterator[str]:
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    rest = {name: value for name, value in values.items() if name not in tables}
    if prefix and (rest or not tables):
        yield f"\n[{format_key(prefix)}]"
    for name, value in rest.items():
        origin = config.origin_at((*prefix, name))
        if value is None:
            yield f"# {quote_part(name)} is not set"
        else:
            yield f"{f'{quote_part(name)} = {dump_value(value)}':<40}  # {origin}"
    for name, table in tables.items():
        yield from _table_lines(config, table, (*prefix, name))
