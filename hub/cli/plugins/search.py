"""`hub plugins search`: what a registry has."""

from __future__ import annotations

import click

from hub.cli.context import Context, show_json
from hub.cli.plugins.live import INDEX, place_of, read


@click.command()
@click.argument("words", nargs=-1)
@INDEX
@click.option("--json", "as_json", is_flag=True, help="The plugins as JSON.")
@click.pass_obj
def search(context: Context, words: tuple[str, ...], index: str | None, as_json: bool) -> None:
    """List the plugins of the registry that have all WORDS in name, summary, tags, hooks or tier."""
    found = [plugin for plugin in read(place_of(context, index)).plugins if plugin.matches(words)]
    if as_json:
        show_json([plugin.model_dump(mode="json") for plugin in found])
        return
    if not found:
        raise click.ClickException(f"the registry has no plugin for '{' '.join(words)}'")
    from hub.cli.tables import show_table

    rows = [
        (
            each.name,
            each.releases[0].version if each.releases else "",
            each.tier,
            ", ".join(each.tags),
            each.summary,
        )
        for each in found
    ]
    show_table(("plugin", "version", "tier", "tags", ""), rows)
