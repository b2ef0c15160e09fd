"""Whether a plugin is fit to be shared: `check(path)` gives what is wrong, with place and remedy."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.loading.sources import SourceError
from hub.testing.checking.fault import Fault
from hub.testing.checking.metadata import metadata_faults
from hub.testing.project import Project, open_project

__all__ = ["Fault", "check"]

PATIENCE: Final = 120.0
"""Seconds that a plugin has to be loaded, used and stopped."""

_TYPE_ERROR: Final = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): error: (?P<said>.*)")


def check(path: Path, *, types: bool = True) -> list[Fault]:
    """Everything that is wrong with the plugin in a source tree or a `.py` file; empty if it is fit.

    Its code runs in a process of its own. types: ask mypy too, if that is installed.
    """
    try:
        project = open_project(path)
    except SourceError as error:
        return [Fault("names", str(path), None, str(error))]
    return [*metadata_faults(project), *_tried(project), *(_types(project) if types else ())]


def _tried(project: Project) -> Iterator[Fault]:
    """What its trial says; a process that dies is a fault too."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "faults.json")
        location = project.source.location
        command = [sys.executable, "-m", "hub.testing.checking.trial", str(location), str(result)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            said = f"it cannot be loaded, used and stopped within {PATIENCE:g} seconds"
            yield Fault("code", location.name, None, said)
            return
        if result.exists():
            yield from (Fault(**each) for each in json.loads(result.read_text()))
        else:
            last = (run.stderr.strip().splitlines() or ["it says nothing"])[-1]
            said = f"the process that has loaded it ends with {run.returncode}: {last}"
            yield Fault("code", location.name, None, said)


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
