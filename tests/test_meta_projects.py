"""What holds for every distribution of the monorepo alike."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hub.version import __version__

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(ROOT.glob("plugins/*/pyproject.toml"))
PROJECTS = [ROOT / "pyproject.toml", *PLUGINS]


def loaded(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def named(path: Path) -> str:
    return path.parent.name


def normalized(requirement: str) -> str:
    """The name of what is required, as the lock spells it (PEP 503)."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.mark.parametrize("path", PROJECTS, ids=named)
def test_every_distribution_takes_the_one_version(path: Path) -> None:
    project = loaded(path)
    version_file = path.parent / project["tool"]["hatch"]["version"]["path"]
    assert "version" in project["project"]["dynamic"]
    assert version_file.resolve() == ROOT / "hub" / "version.py"
    assert version(project["project"]["name"]) == __version__


@pytest.mark.parametrize("path", PROJECTS, ids=named)
def test_every_distribution_has_the_same_licence_and_oldest_python(path: Path) -> None:
    project = loaded(path)["project"]
    assert (project["license"], project["requires-python"]) == ("Apache-2.0", ">=3.11")


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_every_plugin_ships_the_licence_text(path: Path) -> None:
    included = loaded(path)["tool"]["hatch"]["build"]["targets"]["sdist"]["force-include"]
    assert included == {"../../LICENSE": "LICENSE"}


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_every_plugin_has_a_readme_and_tests(path: Path) -> None:
    assert (path.parent / "README.md").read_text().startswith(f"# hub-plugin-{path.parent.name}\n")
    assert (path.parent / "tests").is_dir()


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)


def test_every_locked_version_has_hashes() -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    assert len(entries) > len(PROJECTS)
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("path", PROJECTS, ids=named)
def test_the_lock_holds_what_every_project_requires(path: Path) -> None:
    own = {normalized(loaded(project)["project"]["name"]) for project in PROJECTS}
    locked = {
        normalized(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    document = loaded(path)
    required = list(document["project"]["dependencies"])
    for group in document["project"].get("optional-dependencies", {}).values():
        required += group
    for group in document.get("dependency-groups", {}).values():
        required += group
    assert {normalized(requirement) for requirement in required} <= locked | own
