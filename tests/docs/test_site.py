"""`make docs`: a page for every hook, plugin and table of settings, and no link that leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from hub.config.model import HubSettings
from hub.hooks.areas import SPECS

ROOT = Path(__file__).parents[2]
TABLES = {"hub", "smtp", "listeners", "checks"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "docs.site", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


class Links(HTMLParser):
    """Where a page leads, and the names of its own places."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "a" and said.get("href"):
            self.hrefs.append(said["href"] or "")
        self.places.add(said.get("id") or "")


def test_every_hook_plugin_and_table_has_a_page(site: Path) -> None:
    reference = site / "docs" / "reference"
    plugins = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
    assert {path.stem for path in reference.glob("hooks/*.html")} == set(SPECS)
    assert {path.stem for path in reference.glob("plugins/*.html")} == plugins
    tables = {path.stem for path in reference.glob("settings/*.html")}
    assert tables <= {*HubSettings.model_fields, "plugin-options"}
    assert tables >= TABLES
    shown = (reference / "settings" / "smtp.html").read_text("utf-8")
    for name in HubSettings.model_fields["smtp"].annotation.model_fields:  # type: ignore[union-attr]
        assert f"smtp.{name}" in shown


def test_no_link_between_pages_leads_nowhere(site: Path) -> None:
    pages = {path: Links(path) for path in site.rglob("*.html")}
    lost = []
    for path, links in pages.items():
        for href in links.hrefs:
            parts = urlsplit(href)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or (parts.path and not parts.path.endswith(".html")):
                continue
            there = pages.get(target)
            if there is None or (parts.fragment and unquote(parts.fragment) not in there.places):
                lost.append(f"{path.relative_to(site)}: {href}")
    assert lost == []


def test_no_link_in_a_page_of_the_repository_leads_nowhere() -> None:
    lost = []
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
            if "://" not in link and not link.startswith("mailto:") and not (path.parent / link).exists():
                lost.append(f"{path.relative_to(ROOT)}: {link}")
    assert lost == []
