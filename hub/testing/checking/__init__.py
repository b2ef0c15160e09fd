"""Whether a plugin is fit to be shared: `check(path)` gives what is wrong, with place and remedy."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hub.loading.sources import SourceError
from hub.testing.checking.fault import Fault
from hub.testing.checking.metadata import metadata_faults
from hub.testing.project import Project, open_project

__all__ = ["Fault", "check", "check_all"]

PATIENCE: Final = 120.0
"""Seconds that a plugin has to be loaded, used and stopped."""

_TYPE_ERROR: Final = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): error: (?P<said>.*)")


def check(path: Path, *, types: bool = True) -> list[Fault]:
    """Everything that is wrong with the plugin in a source tree or a `.py` file; empty if it is fit.

    Its code runs in a process of its own. types: ask mypy too, if that is installed.
    """
    return check_all([path], types=types)[path]


def check_all(paths: Sequence[Path], *, types: bool = True) -> dict[Path, list[Fault]]:
    """The same for several, one after the other in one process, which is faster."""
    faults: dict[Path, list[Fault]] = {path: [] for path in paths}
    projects: dict[Path, Project] = {}
    for path in paths:
        try:
            projects[path] = open_project(path)
        except SourceError as error:
            faults[path].append(Fault("names", str(path), None, str(error)))
    for path, project in projects.items():
        faults[path] += metadata_faults(project)
    waiting = list(projects)
    while waiting:
        said, death = _try([projects[path] for path in waiting])
        for path, found in zip(waiting, said, strict=False):
            faults[path] += found
        waiting = waiting[len(said) :]
        if waiting:
            guilty = waiting.pop(0)
            faults[guilty].append(Fault("code", projects[guilty].source.location.name, None, death))
    if types:
        for path, project in projects.items():
            faults[path] += _types(project)
    return faults


def _try(projects: Sequence[Project]) -> tuple[list[list[Fault]], str]:
    """What their trials say, up to the one that the process died of, and how it did."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "faults.jsonl")
        locations = [str(project.source.location) for project in projects]
        command = [sys.executable, "-m", "hub.testing.checking.trial", str(result), *locations]
        limit = PATIENCE * len(projects)
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            death = f"it cannot be loaded, used and stopped within {limit:g} seconds"
        else:
            last = (run.stderr.strip().splitlines() or ["it says nothing"])[-1]
            death = f"the process that has loaded it ends with {run.returncode}: {last}"
        lines = result.read_text().splitlines() if result.exists() else []
    return [[Fault(**each) for each in json.loads(line)] for line in lines], death


def _types(project: Project) -> Iterator[Fault]:
    """What mypy says, as strict as the plugin's own configuration of it wants."""
    if importlib.util.find_spec("mypy") is None:
        return
    module = project.module_file
    target = module.parent if module.name == "__init__.py" else module
    options = ["--no-error-summary", "--hide-error-context", "--disable-error-code=import-untyped"]
    command = [sys.executable, "-m", "mypy", *options, str(target.relative_to(project.root))]
    run = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    for found in _TYPE_ERROR.finditer(run.stdout):
        yield Fault("types", found["file"], int(found["line"]), found["said"])
    if run.returncode > 1:
        yield Fault("types", project.root.name, None, f"mypy fails: {(run.stderr or run.stdout).strip()}")
