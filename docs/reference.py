"""Pages that are generated for the site: one for each hook, plugin and table of settings."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from docs.generate import hook
from hub.config.effective import shown
from hub.config.model import HubSettings
from hub.config.schema import annotations_at, describe, names_at
from hub.config.tables.plugins import PluginOptions
from hub.hooks.areas import AREAS, SPECS

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = Path("docs/reference")


def pages() -> dict[Path, str]:
    """Path below the site's sources → Markdown."""
    plugins = [_Plugin(path.parent) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    return {
        **_hooks(plugins),
        **{REFERENCE / "plugins" / f"{each.name}.md": each.page() for each in plugins},
        REFERENCE / "plugins.md": _index(
            "Plugins",
            "What comes with the hub, each a distribution of its own.",
            {f"plugins/{each.name}": f"{each.name}: {each.summary}" for each in plugins},
        ),
        **_settings(),
    }


def _index(title: str, words: str, links: Mapping[str, str]) -> str:
    """A page that lists others, and makes them its chapters."""
    listed = "".join(f"- [{text}]({path}.md)\n" for path, text in links.items())
    chapters = "\n".join(links)
    return f"# {title}\n\n{words}\n\n{listed}\n```{{toctree}}\n:hidden:\n\n{chapters}\n```\n"


# -- hooks ----------------------------------------------------------------------------------------------


def _hooks(plugins: list[_Plugin]) -> dict[Path, str]:
    found, links = {}, {}
    for area in AREAS:
        for name, spec in SPECS.items():
            if spec.__module__ != area.__name__:
                continue
            users = [each.name for each in plugins if name in each.hooks]
            used = ", ".join(f"[{each}](../plugins/{each}.md)" for each in users)
            text = hook(spec).replace("## ", "# ", 1)
            found[REFERENCE / "hooks" / f"{name}.md"] = text + (f"\nAnswered by {used}.\n" if used else "")
            links[f"hooks/{name}"] = f"`{name}`: {_first_line(spec)}"
    words = "In the order in which a message meets them; `hub hooks NAME` prints the same and who runs."
    found[REFERENCE / "hooks.md"] = _index("Hooks", words, links)
    return found


def _first_line(thing: object) -> str:
    """Up to the first full stop or blank line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")


# -- plugins --------------------------------------------------------------------------------------------


class _Plugin:
    """One folder of plugins/, with its module loaded."""

    def __init__(self, folder: Path) -> None:
        said = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        entries = [entry for group in said["entry-points"].values() for entry in group.values()]
        self.name = folder.name
        self.summary: str = said["description"]
        self.readme = (folder / "README.md").read_text("utf-8")
        self._requires = [each for each in said["dependencies"] if each != "mail-hub"]
        module = importlib.import_module(entries[0].partition(":")[0].partition(".")[0])
        self.hooks = _implemented(module)
        self._model = _model(module)

    def page(self) -> str:
        """What its author wrote, and what can be read from it."""
        hooks = "".join(f"- [`{name}`](../hooks/{name}.md)\n" for name in self.hooks)
        requires = ", ".join(f"`{each}`" for each in self._requires) or "nothing but the hub"
        prefix = f"plugins.{self.name}"
        settings = "" if self._model is None else "".join(_keys(self._model, prefix, depth=3))
        return (
            f"{self.readme.rstrip()}\n\n## Every setting\n\n{settings or 'It has none.'}\n"
            f"\n## Hooks that it answers\n\n{hooks or 'None.'}\n\n## Requires\n\n{requires}\n"
        )


def _implemented(module: ModuleType) -> list[str]:
    found = {
        value.__dict__["hub_impl"].get("specname") or name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__dict__.get("hub_impl")
    }
    return [name for name in SPECS if name in found]


def _model(module: ModuleType) -> type[BaseModel] | None:
    model = getattr(module, "Settings", None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


# -- settings -------------------------------------------------------------------------------------------


def _settings() -> dict[Path, str]:
    found, links = {}, {}
    for name in HubSettings.model_fields:
        table = _table(HubSettings, (name,))
        if table is None:
            continue
        words = inspect.getdoc(table) or ""
        text = f"# [{name}]\n\n{words}\n\n" + "".join(_keys(HubSettings, "", depth=2, only=name))
        found[REFERENCE / "settings" / f"{name}.md"] = text
        links[f"settings/{name}"] = f"`[{name}]`: {_first_line(table)}"
    words = inspect.getdoc(PluginOptions) or ""
    text = f"# [plugins.NAME.hub]\n\n{words}\n\n" + "".join(_keys(PluginOptions, "plugins.NAME.hub", depth=2))
    found[REFERENCE / "settings" / "plugin-options.md"] = text
    links["settings/plugin-options"] = f"`[plugins.NAME.hub]`: {_first_line(PluginOptions)}"
    said = "Every key of `hub.toml`; `hub config explain KEY` says what it is now, and where that was said."
    found[REFERENCE / "settings.md"] = _index("Settings", said, links)
    return found


def _table(model: type[BaseModel], key: tuple[str, ...]) -> type[BaseModel] | None:
    """The model behind a table, or behind the tables in it that have names of the operator's."""
    for annotation in (*annotations_at(model, key), *annotations_at(model, (*key, "NAME"))):
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
    return None


def _keys(model: type[BaseModel], prefix: str, *, depth: int, only: str = "") -> Iterator[str]:
    """A section for each key, tables in tables after one another."""
    for name, field in _fields(model).items():
        if only and name != only:
            continue
        key = f"{prefix}.{name}".lstrip(".")
        table = _table(model, (name,))
        if table is None:
            yield f"{'#' * depth} `{key}`\n\n{field.description or ''}\n\n*{_facts(field)}*\n\n"
            continue
        named = key if names_at(model, (name,)) else f"{key}.NAME"
        if not only:
            yield f"{'#' * depth} `[{named}]`\n\n{field.description or inspect.getdoc(table) or ''}\n\n"
        yield from _keys(table, named, depth=depth if only else depth + 1)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _facts(field: FieldInfo) -> str:
    if field.is_required():
        return f"{describe(field)}; has to be said"
    if field.default_factory_takes_validated_data:
        return f"{describe(field)}; default: what follows from the keys beside it"
    default = to_jsonable_python(field.get_default(call_default_factory=True), fallback=str)
    return f"{describe(field)}; default: `{shown(default)}`"
