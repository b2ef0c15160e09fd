"""Checks registry.toml against the plugins' projects and writes index.html, the page to browse them by.

With --check nothing is written; the exit code is 1 if the registry is wrong or the page is out of date.
"""

import argparse
import html
import sys
import tomllib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
PREFIX = "hub-plugin-"
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plugins of the mail hub</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #ddd }}
</style>
<h1>Plugins of the mail hub</h1>
<p>These are kept in the hub's own repository and follow its version. To use one, name it in
<code>[hub] plugins</code>.</p>
{areas}</html>
"""
AREA = """\
<h2>{area}</h2>
<table>
<tr><th>Plugin<th>Distribution<th>What it does
{rows}</table>
"""
ROW = '<tr><td><a href="../{source}/">{name}</a><td><code>{distribution}</code><td>{summary}\n'


@dataclass(frozen=True, slots=True)
class Plugin:
    """One row of the registry. `name` is the entry point's; area groups the page; summary is one line."""

    name: str
    area: str
    summary: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return PREFIX + self.name

    @property
    def source(self) -> str:
        """Its folder, relative to the repository."""
        return f"plugins/{self.name}"


def registered(path: Path) -> list[Plugin]:
    """The registry's plugins in its order; TypeError if a row has missing or unknown keys."""
    return [Plugin(**row) for row in tomllib.loads(path.read_text("utf-8")).get("plugin", [])]


def problems(plugins: list[Plugin], repository: Path) -> list[str]:
    """A sentence for each way in which the registry differs from the projects under plugins/."""
    found = []
    names = [plugin.name for plugin in plugins]
    if names != sorted(set(names)):
        found.append("registry.toml: the plugins are not in the order of their names, each once")
    folders = {path.parent.name for path in repository.glob("plugins/*/pyproject.toml")}
    found += [f"registry.toml: plugins/{name} is not listed" for name in sorted(folders.difference(names))]
    for plugin in plugins:
        if plugin.name not in folders:
            found.append(f"registry.toml: {plugin.name} has no {plugin.source}/pyproject.toml")
            continue
        file = f"{plugin.source}/pyproject.toml"
        project = tomllib.loads((repository / file).read_text("utf-8"))["project"]
        module = plugin.distribution.replace("-", "_")
        expected = {
            "name": plugin.distribution,
            "description": plugin.summary,
            "entry-points.hub.plugins": {plugin.name: module},
        }
        actual = {
            "name": project.get("name"),
            "description": project.get("description"),
            "entry-points.hub.plugins": project.get("entry-points", {}).get("hub.plugins"),
        }
        found += [
            f"{file}: {key} is {actual[key]!r}, but by registry.toml it should be {expected[key]!r}"
            for key in expected
            if actual[key] != expected[key]
        ]
    return found


def page(plugins: list[Plugin]) -> str:
    """index.html: one table per area, areas and plugins by name."""
    areas = []
    for area, members in groupby(sorted(plugins, key=lambda p: (p.area, p.name)), key=lambda p: p.area):
        rows = "".join(
            ROW.format(
                source=html.escape(plugin.source),
                name=html.escape(plugin.name),
                distribution=html.escape(plugin.distribution),
                summary=html.escape(plugin.summary),
            )
            for plugin in members
        )
        areas.append(AREA.format(area=html.escape(area.capitalize()), rows=rows))
    return PAGE.format(areas="".join(areas))


def main(arguments: list[str] | None = None, here: Path = HERE) -> int:
    """The exit code; `here` is the folder of registry.toml, its parent the repository."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only tell")
    options = parser.parse_args(arguments)

    plugins = registered(here / "registry.toml")
    found = problems(plugins, here.parent)
    output = here / "index.html"
    text = page(plugins)
    if options.check and (not output.exists() or output.read_text("utf-8") != text):
        found.append("index.html is out of date: run python plugin-registry/generate.py")
    for problem in found:
        print(f"plugin-registry: {problem}", file=sys.stderr)
    if found:
        return 1
    if not options.check:
        output.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
