"""A plugin that sees every hook fire."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from hub.hooks.areas import SPECS
from hub.loading.generation import Generations
from hub.loading.scope import Scope
from hub.loading.sources import module_name

NAME: Final = "recorder"


@dataclass(frozen=True, slots=True)
class Call:
    """One hook as it fired, with all arguments but `plugin`."""

    hook: str
    arguments: Mapping[str, object]


class Recorder:
    """Writes the one-file plugin `recorder` into a plugin folder; it runs first on every hook and answers
    nothing.
    """

    def __init__(self, folder: Path) -> None:
        """folder: one of the hub's plugin folders; done before the hub starts, or the watching hub takes it
        up.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / f"{NAME}.py").write_text(_plugin())

    def calls(self, generations: Generations) -> list[Call]:
        """What has fired since the plugin was loaded, in order."""
        scope = cast(Scope, generations.current.plugins[NAME])
        seen = cast("list[tuple[str, Mapping[str, object]]]", scope.stash[vars(_module(scope))["CALLS"]])
        return [Call(hook, arguments) for hook, arguments in seen]

    def hooks(self, generations: Generations) -> set[str]:
        """The names of the hooks that have fired."""
        return {call.hook for call in self.calls(generations)}


def _module(scope: Scope) -> ModuleType:
    return sys.modules[module_name(scope.name)]


def _plugin() -> str:
    parts = [
        '"""Writes down every hook that fires."""\n\nfrom hub import StashKey, hookimpl\n\n'
        "CALLS = StashKey()\n"
    ]
    for name, spec in SPECS.items():
        arguments = list(inspect.signature(spec).parameters)
        shown = ", ".join(f"'{argument}': {argument}" for argument in arguments[1:])
        kind = "async def" if inspect.iscoroutinefunction(spec) else "def"
        parts.append(
            f"\n\n@hookimpl(tryfirst=True)\n{kind} {name}({', '.join(arguments)}):\n"
            f"    plugin.stash.setdefault(CALLS, list).append(('{name}', {{{shown}}}))\n"
        )
    return "".join(parts)
