"""What one key means, what it is and why: the answer of `hub config explain`."""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from hub.config.effective import PluginModels, effective, value_at
from hub.config.key import Key, fold, format_key, parse_key, suggestion
from hub.config.load import Config
from hub.config.model import HubSettings
from hub.config.schema import annotations_at, describe, field_at, names_at
from hub.config.secrets import Secret
from hub.config.tables.plugins import NoSettings, PluginOptions
from hub.config.tree import Origin


@dataclass(frozen=True, slots=True)
class Explanation:
    """A key explained. `names` are what a table can have; `default` and `value` are as in `effective`."""

    key: Key
    meaning: str
    type: str
    required: bool
    default: object
    value: object
    origin: Origin
    names: tuple[str, ...] = ()


def explain(text: str, config: Config, defaults: Config, models: PluginModels | None = None) -> Explanation:
    """Explain the key that `text` names.

    Raises LookupError, whose sentence has the nearest right key, and ConfigErrors for a plugin's wrong code.
    """
    try:
        key = parse_key(text)
    except ValueError as error:
        raise LookupError(str(error)) from None
    model, prefix = _home(key, config, models)
    below = key[len(prefix) :]
    if not annotations_at(model, below):
        raise LookupError(_unknown(key, config, models))
    field = field_at(model, below)
    names = [*names_at(model, below), *(["hub"] if len(key) == len(prefix) == 2 else [])]
    plugins = [str(key[1])] if prefix[:1] == ("plugins",) else []
    default = value_at(effective(defaults, models, plugins), key)
    if default is None and field is not None and not field.is_required():
        default = _field_default(field, annotations_at(model, below))
    return Explanation(
        key,
        _meaning(model, below),
        describe(field) if field is not None else "table" if names else "element of a list",
        field is not None and field.is_required() and default is None,
        default,
        config.tree.get(key) if key[0] == "include" else value_at(effective(config, models, plugins), key),
        config.origin_at(key),
        tuple(names),
    )


def _home(key: Key, config: Config, models: PluginModels | None) -> tuple[type[BaseModel], Key]:
    """The model that describes a key, and the key of the table that this model is."""
    if key[0] != "plugins" or len(key) < 2:
        return _Root, ()
    if key[2:3] == ("hub",):
        return PluginOptions, key[:3]
    if models is None:
        raise LookupError(f"the settings of '{key[1]}' are known only where plugins are loaded")
    try:
        return models(str(key[1])) or NoSettings, key[:2]
    except KeyError:
        hint = suggestion(str(key[1]), {*config.settings.hub.plugins, *config.plugin_names()})
        raise LookupError(f"there is no plugin '{key[1]}'. {hint}".rstrip()) from None


class _Root(HubSettings):
    """The whole file: the tables of the hub, and what stands beside them."""

    include: tuple[str, ...] = Field(
        default=(),
        description="Files that are read first and overridden by the one that says it: names, or patterns "
        'such as "conf.d/*.toml", from the folder of that file. What a pattern finds is merged by name.',
    )
    plugins: Mapping[str, PluginOptions] = Field(
        default_factory=dict,
        description="The settings of each plugin by its name, as the plugin defines them; the table hub in "
        "each says how the hub treats that plugin.",
    )


def _field_default(field: FieldInfo, annotations: list[object]) -> object:
    default = field.get_default()
    return Secret(default) if isinstance(default, str) and Secret in annotations else default


def _meaning(model: type[BaseModel], key: Key) -> str:
    """The description of the field at `key`, of the model there, or else of what it is part of."""
    field = field_at(model, key)
    if field is not None:
        return field.description or "Its author has not described it."
    table = next(
        (a for a in annotations_at(model, key) if isinstance(a, type) and issubclass(a, BaseModel)), None
    )
    if table is None and key:
        return _meaning(model, key[:-1])
    return (inspect.getdoc(table) or "Its author has not described it.").split("\n\n")[0]


def _unknown(key: Key, config: Config, models: PluginModels | None) -> str:
    names = [*config.settings.hub.plugins, *(str(part) for part in key[1:2] if key[0] == "plugins")]
    known = {format_key(known): known for known in _keys(effective(config, models, names), ())}
    same = [text for text, known_key in known.items() if fold(str(known_key[-1])) == fold(str(key[-1]))]
    near = same or difflib.get_close_matches(format_key(key), known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no key '{format_key(key)}'.{hint}"


def _keys(values: object, prefix: Key) -> Iterator[Key]:
    if prefix:
        yield prefix
    for name, value in values.items() if isinstance(values, Mapping) else ():
        yield from _keys(value, (*prefix, name))
