"""What a plugin answers, drives and can be told, found out by loading it, in a process that it cannot harm.

python -m hub_registry.describing FOLDER    prints a Description as JSON
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from hub.registry.index import Setting

if TYPE_CHECKING:
    from hub.loading.importing import Loaded

PATIENCE: Final = 60.0
"""Seconds that a plugin may take to load."""


class Description(BaseModel):
    """What was found. errors: why it does not load."""

    model_config = ConfigDict(frozen=True)

    hooks: tuple[str, ...] = ()
    drives: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    errors: tuple[str, ...] = ()


def describe(folder: Path) -> Description:
    """Load what lies in a folder, in a process of its own."""
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hub_registry.describing", str(folder)],
                cwd=elsewhere,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": elsewhere,
                    "PYTHONPATH": str(Path(__file__).parents[1]),
                },
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Description(errors=(f"it is still loading after {PATIENCE:.0f} s",))
    try:
        return Description.model_validate_json(done.stdout.rpartition("\n")[2])
    except ValidationError:
        said = done.stderr.strip().splitlines()
        return Description(errors=(f"loading it ends the process: {said[-1] if said else done.returncode}",))


async def _load(folder: Path) -> Description:
    from hub.config.tables.plugins import PluginOptions
    from hub.loading.catalogue import scan
    from hub.loading.compile import Part, compile_plans, hooks
    from hub.loading.drivers import SERVICES, driver_module
    from hub.loading.importing import FreshImport, PluginFinder, Wanted
    from hub.testing.clock import ManualClock
    from hub.testing.scopes import make_scope

    catalogue = scan([folder], path=())
    if len(catalogue.sources) != 1:
        reasons = [str(problem) for problem in catalogue.problems] or ["the wheel has no plugin, or several"]
        return Description(errors=tuple(reasons))
    (source,) = catalogue.sources.values()
    drives = {service: module for service in SERVICES if (module := driver_module(source, service))}
    finder = PluginFinder()
    finder.install()
    loaded, errors = FreshImport(finder, [Wanted(source, source.digest(), tuple(drives.values()))]).run()
    if errors:
        return Description(errors=tuple(map(str, errors)))
    loop = asyncio.get_running_loop()
    scope = make_scope(source.name, Path.cwd(), ManualClock(), None, None, loop)
    part = Part(source, loaded[0].module, scope, PluginOptions())
    compiled = compile_plans([part], hooks())
    await scope.close()
    return Description(
        # Those of its own life say nothing about what it is for.
        hooks=tuple(
            name for name, plan in compiled.plans.items() if plan.steps and not name.startswith("plugin_")
        ),
        drives=tuple(drives),
        settings=tuple(_settings(loaded[0])),
        errors=tuple(map(str, compiled.errors)),
    )


def _settings(loaded: Loaded) -> list[Setting]:
    from hub.config.schema import describe as words
    from hub.config.toml_text import dump_value

    if loaded.settings is None:
        return []
    found = []
    for name, model_field in loaded.settings.model_fields.items():
        default = model_field.get_default(call_default_factory=False)
        required = model_field.is_required()
        shown = "" if required or default is None else dump_value(_plain(default))
        found.append(
            Setting(
                key=model_field.alias or name,
                type=words(model_field),
                default=shown,
                required=required,
                meaning=model_field.description or "",
            )
        )
    return found


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, frozenset | set):
        return sorted(value, key=str)
    return value


if __name__ == "__main__":
    found = asyncio.run(_load(Path(sys.argv[1])))
    sys.stdout.write("\n" + json.dumps(found.model_dump(mode="json")))
