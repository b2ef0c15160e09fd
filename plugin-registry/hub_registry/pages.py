"""The pages for people: plain HTML that needs no script, with a search on top for who has one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hub.registry.index import TIERS, Index, Listed

HERE: Final = Path(__file__).parent
TIER_MEANS: Final = {
    "listed": "Its names, README and metadata agree, and its wheel is built.",
    "loads": "The hub loads its wheel, alone and with nothing else installed beside it.",
    "checked": "hub plugins check finds no fault in names, code, settings, docs, leaks and types.",
    "proven": "Its own tests pass with the wheel.",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One page that lists plugins. path: its folder in the registry, empty for the first page."""

    path: str
    title: str
    meaning: str
    plugins: tuple[Listed, ...]


def write(output: Path, index: Index, readmes: Mapping[str, str]) -> None:
    """Write all pages into the folder. readmes: plugin → Markdown."""
    environment = Environment(
        loader=PackageLoader("hub_registry"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for folder in ("plugins", "tags", "hooks", "tiers"):
        shutil.rmtree(output / folder, ignore_errors=True)
    for file in (HERE / "static").iterdir():
        shutil.copyfile(file, output / file.name)
    groups = {
        "tags": _grouped(index, lambda plugin: plugin.tags),
        "hooks": _grouped(index, lambda plugin: (*plugin.hooks, *plugin.drives)),
        "tiers": _grouped(index, lambda plugin: (plugin.tier,)),
    }
    shared = {"groups": groups, "tiers": TIERS, "tier_means": TIER_MEANS}
    for listing in listings(index, groups):
        page = environment.get_template("list.html.j2").render(
            listing=listing, root=_root(listing.path), **shared
        )
        _write(output / listing.path, page)
    for plugin in index.plugins:
        path = f"plugins/{plugin.name}"
        page = environment.get_template("plugin.html.j2").render(
            plugin=plugin, readme=rendered(readmes[plugin.name]), root=_root(path), **shared
        )
        _write(output / path, page)


def listings(index: Index, groups: Mapping[str, Mapping[str, tuple[Listed, ...]]]) -> list[Listing]:
    """The first page, and one for each tag, hook and tier."""
    found = [Listing("", "Plugins of the mail hub", "", index.plugins)]
    for name, members in groups["tags"].items():
        found.append(Listing(f"tags/{name}", f"Tagged {name}", "", members))
    for name, members in groups["hooks"].items():
        found.append(Listing(f"hooks/{name}", f"Plugins that answer {name}", "", members))
    for name, members in groups["tiers"].items():
        found.append(Listing(f"tiers/{name}", f"Tier {name}", TIER_MEANS[name], members))
    return found


def rendered(readme: str) -> str:
    """A README as HTML, below the page's headings. HTML in it and links into its repository are text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(readme)
    if len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]  # the page has it
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        if token.children:
            token.children = [child for child in _absolute(token.children) if child.type != "image"]
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    # A wide table is moved within the page, with keys too.
    wrapped = html.replace(
        "<table>", '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>'
    )
    return wrapped.replace("</table>", "</table></div>")


def _absolute(children: list[Token]) -> list[Token]:
    """The inline tokens without relative links, whose text stays."""
    kept, dropping = [], False
    for child in children:
        if child.type == "link_open":
            dropping = not urlsplit(str(child.attrs.get("href", ""))).scheme
        if not (dropping and child.type in ("link_open", "link_close")):
            kept.append(child)
        if child.type == "link_close":
            dropping = False
    return kept


def _grouped(index: Index, by: Callable[[Listed], tuple[str, ...]]) -> dict[str, tuple[Listed, ...]]:
    found: dict[str, list[Listed]] = {}
    for plugin in index.plugins:
        for name in by(plugin):
            found.setdefault(name, []).append(plugin)
    return {name: tuple(members) for name, members in sorted(found.items())}


def _root(path: str) -> str:
    """How a page refers to the registry's folder, wherever that is served."""
    return "../" * (path.count("/") + 1) if path else "./"


def _write(folder: Path, page: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page + "\n", "utf-8")
