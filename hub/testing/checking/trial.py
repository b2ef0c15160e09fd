"""Plugins loaded, given a mail, replaced and stopped, in a process of their own: nothing may stay behind.

python -m hub.testing.checking.trial RESULT PATH …
"""

from __future__ import annotations

import ast
import asyncio
import json
import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from imaplib import IMAP4
from pathlib import Path
from smtplib import SMTPException
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Final

from pydantic import BaseModel

from hub.loading.drivers import FIXED
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.leaks import left_tasks, left_threads
from hub.loading.sources import Kind
from hub.log import configure
from hub.services.directory import DirectoryAdmin
from hub.testing.checking.fault import Fault, loading
from hub.testing.checking.leftovers import Leftover, left_since, take_stock
from hub.testing.checking.metadata import shown, undocumented
from hub.testing.observed import Call, Observed
from hub.testing.project import Project, open_project
from hub.testing.running import RunningHub, running_hub

RELOADS: Final = 3
LITTER: Final = shutil.ignore_patterns(".*", "__pycache__", "tests", "dist", "build")
ALICE: Final = "alice@example.test"


class Trial:
    """Tries a copy of a plugin; folder: its own, which goes away."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        self._plugin = _copied(project, folder / "plugin")
        self._faults: list[Fault] = []

    def run(self) -> list[Fault]:
        """What went wrong."""
        left = self._once(RELOADS)
        if any("left open" in each.what for each in left):  # once more, slowly, to find out where
            tracemalloc.start(6)
            left = self._once(0) or left
            tracemalloc.stop()
        known = {fault.reason for fault in self._faults}
        for each in left:
            if each.what not in known:
                self._add("leaks", each.what, "Give it to plugin.enter(…)", each.place)
        return list(dict.fromkeys(self._faults))

    def _once(self, reloads: int) -> list[Leftover]:
        before = take_stock()
        try:
            asyncio.run(self._serve(reloads))
        except LoadErrors as errors:
            self._faults += map(self._loading, errors.errors)
        except Exception as error:
            self._add("code", f"the hub fails with it: {type(error).__name__}: {error}")
        return list(left_since(before, self._folder))

    async def _serve(self, reloads: int) -> None:
        """One hub from its start to its end, in which the plugin is used and replaced."""
        self._runs += 1
        observed, plugin = Observed(), self._plugin
        async with running_hub(
            self._folder / f"run{self._runs}",
            tables=plugin.tables(),
            trees=[plugin.source.location],
            accounts=(),
            observed=observed,
        ) as hub:
            self._faults += self._described(plugin, hub)
            await self._use(hub)
            modules = self._modules()
            for number in range(reloads):
                await self._replace(hub, number)
                await self._use(hub)
                modules |= self._modules()
            excused = any(each["trouble"] for each in hub.hub.loader.dependencies())
            self._called(observed, excused=excused)
        for task, place in left_tasks(modules).items():
            hint = "Let plugin.every(…) or an entered context manager run it"
            self._add("leaks", f"a task is left running: {task.get_name()}", hint, _split(place))
        for name, place in left_threads(modules):
            hint = "Enter a context manager that ends it: plugin.enter(…)"
            self._add("leaks", f"a thread is left running: {name}", hint, _split(place))

    def _modules(self) -> dict[str, ModuleType]:
        """Those of the version that serves; one that is replaced keeps its own."""
        top = self._plugin.source.top
        found = {name: each for name, each in sys.modules.items() if name.partition(".")[0] == top}
        return {f"{name} {id(each)}": each for name, each in found.items()}

    async def _use(self, hub: RunningHub) -> None:
        """A mail and a login, however they are answered."""
        directory = hub.hub.kernel.services.directory
        if isinstance(directory, DirectoryAdmin) and await directory.account(ALICE) is None:
            await hub.add_account(ALICE)
        try:
            await hub.send()
        except (OSError, SMTPException) as error:
            self._add("code", f"a plain mail is not answered: {type(error).__name__}: {error}")
        with suppress(IMAP4.error):
            await hub.imap(lambda client: client.noop())

    async def _replace(self, hub: RunningHub, number: int) -> None:
        """Save it once more, with a line that changes nothing."""
        source = self._plugin.source
        with self._plugin.module_file.open("a") as file:
            file.write(f"\n# saved for the {number + 2}. time\n")
        report = await hub.reload()
        errors = report["errors"]
        assert isinstance(errors, list)
        for said in errors:
            self._add("code", f"it does not survive a reload: {said}")
        on_disk = {each["name"]: each["on_disk"] for each in hub.hub.loader.plugins()}
        if not errors and on_disk[source.name] != "same" and not FIXED & set(self._plugin.drives):
            self._add("code", "what was saved does not serve after a reload")

    def _described(self, plugin: Project, hub: RunningHub) -> Iterator[Fault]:
        loader = hub.hub.loader
        for warning in loader.warnings:
            yield loading(warning, is_warning=True)
        model = loader.settings_model(plugin.name)
        if model is not None:
            yield from _undescribed(plugin, model)
            yield from undocumented(plugin, iter(model.model_fields))

    def _called(self, observed: Observed, *, excused: bool) -> None:
        """Hooks that failed; a warning if what it needs outside is not there."""
        for call in observed.calls:
            if call.plugin == self._plugin.name and call.failure is not None:
                said = f"{call.hook} fails on a plain mail: {call.failure.reason}"
                self._add("code", said, f"See: hub hooks {call.hook}", _place(call), is_warning=excused)

    def _loading(self, error: LoadError) -> Fault:
        if error.reason.startswith(f"plugins.{self._plugin.name}."):
            hint = "Give it some to be tried with, in [tool.hub.settings]"
            said = f"it does not start by itself: {error.reason}"
            return Fault("settings", "pyproject.toml", None, said, hint)
        return loading(error)

    def _add(
        self,
        area: str,
        reason: str,
        hint: str = "",
        place: tuple[str, int] | None = None,
        *,
        is_warning: bool = False,
    ) -> None:
        file, line = place or (str(self._plugin.module_file), None)
        where = shown(self._plugin, Path(file))
        self._faults.append(Fault(area, where, line, reason, hint, is_warning))  # type: ignore[arg-type]


def _copied(project: Project, folder: Path) -> Project:
    """The plugin without its tests, where it may be saved again and again."""
    location = project.source.location
    if project.source.kind is Kind.FILE:
        folder.mkdir()
        return open_project(Path(shutil.copy(location, folder / location.name)))
    return open_project(Path(shutil.copytree(location, folder, ignore=LITTER)))


def _undescribed(plugin: Project, model: type[BaseModel]) -> Iterator[Fault]:
    """Settings that `hub config explain` could say nothing about."""
    for name, field in model.model_fields.items():
        if not (field.description or "").strip():
            file, line = _field_line(model, name)
            said = f"the setting '{name}' has no description"
            hint = f'Say: {name}: … = Field(…, description="…"), for hub config explain'
            yield Fault("settings", shown(plugin, file), line, said, hint)


def _field_line(model: type[BaseModel], name: str) -> tuple[Path, int | None]:
    file = Path(str(sys.modules[model.__module__].__file__))
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == name:
                    return file, each.lineno
    return file, None


def _place(call: Call) -> tuple[str, int] | None:
    return _split(call.failure.where) if call.failure is not None and call.failure.where else None


def _split(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


async def _warm_up(folder: Path) -> None:
    """What the hub itself opens once is there from now on."""
    async with running_hub(folder):
        pass


def main(arguments: list[str]) -> None:
    """Write a line of JSON with the faults of each, as soon as they are known."""
    result, *paths = map(Path, arguments)
    configure("error", "json")
    with TemporaryDirectory(prefix="hub-check-") as folder, result.open("w") as file:
        asyncio.run(_warm_up(Path(folder, "first")))
        for number, path in enumerate(paths):
            place = Path(folder, str(number))
            place.mkdir(mode=0o700)
            faults = Trial(open_project(path), place).run()
            file.write(json.dumps([fault.as_json() for fault in faults]) + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
