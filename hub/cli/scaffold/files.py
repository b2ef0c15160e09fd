"""All files of a new plugin."""

from __future__ import annotations

from typing import Final

from hub.cli.scaffold.module import Outline, module
from hub.cli.scaffold.tests import tests
from hub.hooks.areas import SPECS
from hub.hooks.markers import Mode, OnFailure, SpecOptions

PYPROJECT: Final = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "hub-plugin-{name}"
version = "0.1.0"
description = "Say here, in one line, what the plugin does"
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
dependencies = ["mail-hub"]

# The name that goes into [hub] plugins, and the module that has the hooks.
[project.entry-points."hub.plugins"]
{name} = "hub_plugin_{snake}"
{driver}
[dependency-groups]
dev = ["mail-hub[testing]"]

[tool.hatch.build.targets.wheel]
only-include = ["hub_plugin_{snake}.py"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["."]

[tool.mypy]
strict = true

[tool.ruff]
line-length = 110
"""
DRIVER: Final = """
# The class that fills the service, under the plugin's own name.
[project.entry-points."hub.{service}"]
{name} = "hub_plugin_{snake}:{driver}"
"""
README: Final = """# hub-plugin-{name}

Say here what it does, and for whom.

    pip install hub-plugin-{name}

```toml
[hub]
plugins = [{listed}]
{chosen}```

## Settings

{settings}
## When it fails

{failing}
## Working on it

    hub plugins run      # a hub with only this plugin; what is saved is live
    hub plugins test     # its tests, in a real hub
    hub plugins check    # is it fit to be shared?
"""


def files(outline: Outline) -> dict[str, str]:
    """Path within the new folder → text."""
    if outline.one_file:
        return {f"{outline.snake}.py": module(outline), f"test_{outline.snake}.py": tests(outline)}
    return {
        "pyproject.toml": _pyproject(outline),
        f"hub_plugin_{outline.snake}.py": module(outline),
        "README.md": _readme(outline),
        f"tests/test_{outline.snake}.py": tests(outline),
    }


def _pyproject(outline: Outline) -> str:
    driver = (
        DRIVER.format(
            service=outline.driver, name=outline.name, snake=outline.snake, driver=outline.driver_class
        )
        if outline.driver
        else ""
    )
    return PYPROJECT.format(name=outline.name, snake=outline.snake, driver=driver)


def _readme(outline: Outline) -> str:
    drivers = {"storage": "storage-sql", "blobs": "blobs-segment", "directory": "directory-sql"}
    if outline.driver:
        drivers[outline.driver] = outline.name
    names = dict.fromkeys([*drivers.values(), outline.name])
    return README.format(
        name=outline.name,
        listed=", ".join(f'"{name}"' for name in names),
        chosen=f'\n[services]\n{outline.driver} = "{outline.name}"\n' if outline.driver else "",
        settings=_settings_table(outline),
        failing="".join(map(_rule, outline.hooks))
        or "Say here what becomes of mail while it is not there.\n",
    )


def _settings_table(outline: Outline) -> str:
    if not outline.settings:
        return "None yet.\n"
    rows = "".join(f"| `{key}` | `{value}` | {what} |\n" for key, (value, what) in outline.settings.items())
    return f"| key under `[plugins.{outline.name}]` | default | |\n|---|---|---|\n{rows}"


def _rule(hook: str) -> str:
    """What the hook's failure means, as its spec states it."""
    options: SpecOptions = vars(SPECS[hook])["hub_spec_options"]
    if options.mode is Mode.OWN:
        return f"- `{hook}`: the plugin is not loaded, and what served before goes on.\n"
    if options.mode is Mode.NOTIFY:
        return f"- `{hook}`: the failure is logged; mail never waits for it.\n"
    if options.on_failure is OnFailure.TEMPFAIL:
        return f"- `{hook}`: TEMPFAIL, the mail stays with its sender and comes again.\n"
    return f"- `{hook}`: SKIP, as if the plugin had said nothing.\n"
