"""`hub trace`: the life of one message as a tree."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, show_json

if TYPE_CHECKING:
    from rich.tree import Tree

    from hub.trace.record import Record
    from hub.trace.ring import Recorded

_STYLES = {"failed": "red", "reject": "red", "defer": "yellow", "-": "dim"}


@click.command()
@click.argument("message")
@click.option("--json", "as_json", is_flag=True, help="The records as JSON.")
@click.pass_obj
def trace(context: Context, message: str, as_json: bool) -> None:
    """Show the life of one message: session, commands, each plugin's verdict and time, commit, delivery.

    MESSAGE is the id after `delivered as` or `queued as`, or the message's own Message-ID.
    """
    from hub.control import NotRunning, ask
    from hub.mail.ident import is_id
    from hub.trace.ring import find

    with contextlib.suppress(NotRunning):  # then what is on disk is all there is
        ask(context.data_dir / "control.sock", "flush-traces")
    parts = list(find(context.data_dir / "trace", message))
    if not is_id(message):
        named = {record[1] for part in parts for record in part.records if record[7] == message and record[1]}
        if len(named) > 1:
            raise click.ClickException(f"several messages have this Message-ID: {', '.join(sorted(named))}")
        message = named.pop() if named else message
    lives = [(part, _life(part.records, message)) for part in parts]
    lives = [(part, records) for part, records in lives if any(record[1] == message for record in records)]
    if not lives:
        raise click.ClickException(f"no trace of {message}: it is too old, or never was here")
    if as_json:
        show_json(
            [
                {
                    "session": part.session_id,
                    "about": part.about,
                    "started_at": part.started_at,
                    "records": [dict(zip(_FIELDS, record, strict=True)) for record in records],
                }
                for part, records in lives
            ]
        )
        return
    from rich.console import Console

    for part, records in lives:
        Console(highlight=False).print(_tree(part, records, message))


_FIELDS = ("offset", "message", "kind", "name", "plugin", "outcome", "microseconds", "detail")


def _life(records: Iterable[Record], message: str) -> list[Record]:
    """The message's own records and those of its session that belong to no message."""
    return [record for record in records if record[1] in (None, message)]


def _tree(part: Recorded, records: Sequence[Record], message: str) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(part.started_at))
    tree = Tree(
        f"[bold]{escape(message)}[/]  {escape(part.about)}  session {escape(part.session_id)}, {began}"
    )
    if part.dropped:
        tree.add(f"[dim]{part.dropped} records of this long session were let go[/]")
    children: list[Record] = []
    for record in records:
        # A hook ends before the command that it belongs to does, and so stands before it.
        if record[2] == "hook":
            children.append(record)
            continue
        branch = tree.add(_line(record))
        for child in children:
            branch.add(_line(child))
        children = []
    for child in children:
        tree.add(_line(child))
    return tree


def _line(record: Record) -> str:
    from rich.markup import escape

    offset, _, kind, name, plugin, outcome, microseconds, detail = record
    took = f"{microseconds / 1000:.2f} ms" if microseconds else ""
    style = _STYLES.get(outcome)
    said = f"[{style}]{escape(outcome)}[/]" if style else escape(outcome)
    who = f"{name} [cyan]{escape(plugin)}[/]" if plugin else f"[bold]{escape(kind)}[/] {escape(name)}"
    return "  ".join(filter(None, (f"[dim]{offset / 1000:9.2f}[/]", who, said, took, escape(detail))))
