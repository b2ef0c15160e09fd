"""The list may not drift from the plugins, what is published never changes, and what was built serves pip."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from hub_registry import project
from hub_registry.command import main
from hub_registry.describing import Description
from hub_registry.entries import Entry, RegistryFault
from hub_registry.project import Project
from hub_registry.tiers import CHECKS, Subject, outcomes
from hub_registry.wheels import build, publish, releases

from hub.registry.index import Index
from tests.plugin_registry.making import CODE, ROOT, make_registry, served, write_list, write_plugin


def test_the_list_of_this_repository_is_right() -> None:
    assert main(["--check"]) == 0


def check(file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a list that is wrong."""
    assert main(["--registry", str(file), "--check"]) == 1
    return capsys.readouterr().err


def test_a_plugin_that_nobody_listed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = write_list(tmp_path / "registry.toml", write_plugin(tmp_path / "plugins"))
    listed.write_text(f'folders = ["plugins"]\n{listed.read_text()}')
    write_plugin(tmp_path / "plugins", "other")
    assert "plugins/other is not listed" in check(listed, capsys)


def test_a_listed_plugin_without_a_project_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = write_list(tmp_path / "registry.toml", tmp_path / "gone")
    assert "gone: " in check(listed, capsys)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", "hub-plugin-nobody", "hub-plugin-no", "the distribution is named 'hub-plugin-no'"),
        ("pyproject.toml", '"hub_plugin_nobody"', '"nobody"', "there is neither nobody.py nor"),
        ("pyproject.toml", 'readme = "README.md"', "", "the README is not shipped"),
        ("pyproject.toml", "mail-hub", "mail", "it does not require the hub"),
        ("pyproject.toml", "[project.entry-points", "[project.other", "it has no entry point in"),
        ("README.md", "hub-plugin-nobody", "Nobody", "its first line is not '# hub-plugin-nobody'"),
    ],
)
def test_a_project_that_does_not_agree_with_itself_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, said: str
) -> None:
    tree = write_plugin(tmp_path)
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1))
    assert said in check(write_list(tmp_path / "registry.toml", tree), capsys)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('source = "nobody"\ntags = ["Two Words"]', "'Two Words' is no tag"),
        ('source = "nobody"\ntags = []\ntier = "proven"', "a source and a list of tags, and nothing else"),
        ('source = "nobody"', "a source and a list of tags, and nothing else"),
        ('source = "nobody', "registry.toml: "),
    ],
)
def test_the_list_holds_sources_and_tags_and_nothing_that_is_earned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    write_plugin(tmp_path)
    listed = tmp_path / "registry.toml"
    listed.write_text(f"[[plugin]]\n{row}\n")
    assert said in check(listed, capsys)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry of two of our plugins, and of one whose author means harm."""
    folder = tmp_path_factory.mktemp("made")
    trap = write_plugin(
        folder, "trap", summary="<script>alert(1)</script> & more",
        code=f"{CODE}\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n",
        readme="<img src=x onerror=alert(1)> [up](../secret) [out](https://example.org/) "
        "[js](javascript:alert(1))",
    )  # fmt: skip
    return make_registry(folder, ROOT / "plugins" / "greylist", ROOT / "plugins" / "deny-list", trap)


@pytest.fixture(scope="module")
def index(registry: Path) -> Index:
    return Index.model_validate_json((registry / "plugins.json").read_bytes())


def test_what_is_known_of_a_plugin_is_read_from_it(index: Index) -> None:
    greylist = index.plugin("greylist")
    assert (greylist.tier, greylist.hooks) == ("loads", ("smtp_rcpt",))
    settings = {setting.key: setting for setting in greylist.settings}
    assert settings["delay"].default == "300.0"
    assert settings["auto_allow"].meaning.startswith("Passes after which a network")
    assert [release.requires for release in greylist.releases] == [("mail-hub",)]


def test_a_plugin_that_ends_the_process_earns_the_lowest_tier(index: Index) -> None:
    trap = index.plugin("trap")
    assert trap.tier == "listed"
    assert [outcome.passed for outcome in trap.outcomes] == [True, False, None, None]
    assert "loading it ends the process" in trap.outcomes[1].said[0]


def test_what_a_plugin_says_is_text_on_the_pages(registry: Path) -> None:
    page = (registry / "plugins" / "trap" / "index.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<img" not in page
    assert "javascript:" not in page.replace("[js](javascript:alert(1))", "")
    assert '<a href="https://example.org/">out</a>' in page
    assert "secret" not in page


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def test_every_link_leads_somewhere_wherever_the_folder_is_served(registry: Path) -> None:
    pages = list(registry.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        for link in Links(page).found:
            target = urldefrag(link)[0]
            if target and ":" not in target:
                path = (page.parent / target).resolve()
                assert (path / "index.html" if target.endswith("/") else path).is_file(), f"{page}: {link}"


def test_the_index_for_pip_has_hashes_pythons_and_metadata(registry: Path) -> None:
    document = json.loads((registry / "simple" / "hub-plugin-greylist" / "index.json").read_text())
    (file,) = document["files"]
    wheel = registry / "files" / file["filename"]
    assert file["hashes"]["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert file["requires-python"] == ">=3.11"
    metadata = wheel.with_name(f"{wheel.name}.metadata").read_bytes()
    assert file["core-metadata"]["sha256"] == hashlib.sha256(metadata).hexdigest()
    page = (registry / "simple" / "hub-plugin-greylist" / "index.html").read_text()
    assert f"#sha256={file['hashes']['sha256']}" in page
    assert 'data-requires-python="&gt;=3.11"' in page


@pytest.mark.proves(
    "plugins: a registry is one folder on any web server, with pages to browse and an index for pip"
)
def test_pip_takes_a_plugin_from_any_web_server_that_serves_the_folder(
    registry: Path, tmp_path: Path
) -> None:
    with served(registry) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--isolated", "download", "--no-deps"),
                *("--index-url", f"{url}simple/", "--dest", str(tmp_path), "hub-plugin-greylist"),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    assert wheel.read_bytes() == (registry / "files" / wheel.name).read_bytes()


def opened(tree: Path) -> Project:
    """The project in a tree."""
    return project.read(Entry(tree, tree.name, ()))


def test_a_wheel_is_the_same_every_time_and_a_release_is_kept_and_never_changed(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    tree = write_plugin(tmp_path)
    first = publish(opened(tree), files)
    assert first.sha256 == build(opened(tree), tmp_path).sha256
    write_plugin(tmp_path, code=f"{CODE}\n")
    with pytest.raises(
        RegistryFault, match=r"1\.0 has other content than is published: give it a new version"
    ):
        publish(opened(tree), files)
    for version in ("1.10", "1.9"):
        write_plugin(tmp_path, version=version)
        publish(opened(tree), files)
    assert [str(wheel.version) for wheel in releases("hub-plugin-nobody", files)] == ["1.10", "1.9", "1.0"]
    assert first.path.read_bytes()


def test_its_tests_with_the_wheel_prove_a_plugin(tmp_path: Path) -> None:
    tree = write_plugin(tmp_path / "source")
    tests = tree / "tests" / "test_nobody.py"
    tests.parent.mkdir()
    unpacked = shutil.copytree(tree, tmp_path / "unpacked", ignore=shutil.ignore_patterns("tests"))
    subject = Subject(opened(tree), unpacked, Description())
    tests.write_text(
        "import hub_plugin_nobody\n\n\ndef test_it_is_the_wheel():\n"
        "    assert hub_plugin_nobody.__file__.endswith('/unpacked/hub_plugin_nobody.py')\n"
    )
    assert [outcome.said for outcome in outcomes(subject, CHECKS[-1:])] == [()]
    tests.write_text("def test_nothing_is_right():\n    assert False\n")
    (failed,) = outcomes(subject, CHECKS[-1:])
    assert "test_nothing_is_right" in failed.said[0]
