"""The registry may not drift from the plugins that it lists, nor its page from the registry."""

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Main = Callable[[list[str], Path], int]


@pytest.fixture
def main() -> Main:
    entry: Main = runpy.run_path(str(ROOT / "plugin-registry" / "generate.py"))["main"]
    return entry


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A copy of the repository's registry and of the project files of its plugins."""
    for project in ROOT.glob("plugins/*/pyproject.toml"):
        copy = tmp_path / project.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(project, copy)
    return Path(shutil.copytree(ROOT / "plugin-registry", tmp_path / "plugin-registry"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_committed_page_is_what_the_registry_gives(main: Main, registry: Path) -> None:
    committed = (registry / "index.html").read_bytes()
    assert main(["--check"], registry) == 0
    assert main([], registry) == 0
    assert (registry / "index.html").read_bytes() == committed


def test_the_page_links_every_plugin(main: Main, registry: Path) -> None:
    assert main([], registry) == 0
    page = (registry / "index.html").read_text()
    for folder in (ROOT / "plugins").glob("*/pyproject.toml"):
        assert f'href="../plugins/{folder.parent.name}/"' in page


def test_an_edited_page_is_out_of_date(
    main: Main, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(registry / "index.html", "clamd", "something")
    assert main(["--check"], registry) == 1
    assert "out of date" in capsys.readouterr().err


def test_a_plugin_that_nobody_registered_is_named(
    main: Main, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(registry.parent / "plugins" / "clamav", registry.parent / "plugins" / "new-one")
    assert main([], registry) == 1
    assert "plugins/new-one is not listed" in capsys.readouterr().err


def test_a_registered_plugin_without_a_project_is_named(
    main: Main, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(registry.parent / "plugins" / "clamav")
    assert main([], registry) == 1
    assert "clamav has no plugins/clamav/pyproject.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('name = "hub-plugin-clamav"', 'name = "hub-plugin-virus"', "name is 'hub-plugin-virus'"),
        ("Virus scanning", "Scanning", "description is 'Scanning through clamd'"),
        ('clamav = "hub_plugin_clamav"', 'clamav = "clamav"', "entry-points.hub.plugins is"),
    ],
)
def test_a_project_that_says_something_else_is_named(
    main: Main, registry: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, what: str
) -> None:
    edit(registry.parent / "plugins" / "clamav" / "pyproject.toml", old, new)
    assert main([], registry) == 1
    assert f"plugins/clamav/pyproject.toml: {what}" in capsys.readouterr().err


def test_what_is_written_in_the_registry_is_text_on_the_page(main: Main, registry: Path) -> None:
    for file in (registry / "registry.toml", registry.parent / "plugins" / "clamav" / "pyproject.toml"):
        edit(file, "through clamd", "<b>& clamd")
    assert main([], registry) == 0
    assert "&lt;b&gt;&amp; clamd" in (registry / "index.html").read_text()
