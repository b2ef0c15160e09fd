"""A click group whose verbs are imported when they are called, so that `hub --help` loads none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hub.commands"
"""Entry points of this group are verbs that installed plugins add."""


class LazyGroup(click.Group):
    """Verbs by name: the table of our own (`module:attribute`, one line of help), then those of plugins.

    entry_points: the group of those; without it plugins add none.
    """

    def __init__(
        self,
        *args: object,
        verbs: Mapping[str, tuple[str, str]],
        entry_points: str | None = None,
        **options: object,
    ) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # click's own signature, handed through
        self._verbs = verbs
        self._entry_points = entry_points

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our own in the order of the table, then those of plugins."""
        return [*self._verbs, *sorted(self._added().keys() - self._verbs.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb."""
        if cmd_name in self._verbs:
            module, attribute = self._verbs[cmd_name][0].split(":")
            command = getattr(importlib.import_module(module), attribute)
        else:
            entry = self._added().get(cmd_name)
            if entry is None:
                return None
            command = entry.load()
        if not isinstance(command, click.Command):
            raise click.ClickException(f"the verb '{cmd_name}' is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(error.message + hint, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for `--help`, from the table alone."""
        rows = [(name, text) for name, (_, text) in self._verbs.items()]
        added = self._added()
        rows += [
            (name, f"added by {entry.dist.name if entry.dist else entry.module}")
            for name, entry in sorted(added.items())
            if name not in self._verbs
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _added(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            return {}
        from importlib import metadata

        return {entry.name: entry for entry in metadata.entry_points(group=self._entry_points)}
