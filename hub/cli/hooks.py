"""`hub hooks`: the manual of every hook, and who answers it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, show_json

if TYPE_CHECKING:
    from hub.hooks.markers import SpecOptions


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The steps as JSON.")
@click.pass_obj
def hooks(context: Context, name: str | None, as_json: bool) -> None:
    """Show which plugin runs on which hook, in which order, with which failure rule.

    With NAME: the hook's manual, its arguments and its steps. The manual needs no running hub.
    """
    from hub.hooks.areas import SPECS

    if name is not None and name not in SPECS:
        near = difflib.get_close_matches(name, SPECS, 1)
        raise click.ClickException(
            f"there is no hook '{name}'." + (f" Did you mean '{near[0]}'?" if near else " See: hub hooks")
        )
    steps = _steps(context)
    if as_json:
        show_json({each: (steps or {}).get(each, []) for each in ([name] if name else SPECS)})
        return
    if name is not None:
        _manual(SPECS[name])
    from rich.console import Console
    from rich.table import Table

    table = Table("hook", "mode", "order", "plugin", "if it fails", "deadline", box=None, pad_edge=False)
    for each in [name] if name else SPECS:
        options: SpecOptions = vars(SPECS[each])["hub_spec_options"]
        rows = (steps or {}).get(each, [])
        if not rows:
            nobody = "[dim]no hub is running[/]" if steps is None else "[dim]nobody[/]"
            table.add_row(
                each, options.mode.name, "", nobody, options.on_failure.name, f"{options.timeout:g} s"
            )
        for order, row in enumerate(rows, 1):
            table.add_row(
                each if order == 1 else "",
                options.mode.name if order == 1 else "",
                str(order),
                row["plugin"],
                row["on_failure"],
                f"{row['timeout']} s",
            )
    Console(highlight=False).print(table)


def _steps(context: Context) -> dict[str, list[dict[str, str]]] | None:
    from hub.control import NotRunning, ask

    try:
        answer = ask(context.data_dir / "control.sock", "hooks")
    except NotRunning:
        return None
    assert isinstance(answer, dict)
    return answer


def _manual(spec: Callable[..., object]) -> None:
    signature = inspect.signature(spec)
    click.secho(f"{spec.__name__}({', '.join(signature.parameters)})", bold=True)
    for parameter in signature.parameters.values():
        click.echo(f"    {parameter.name}: {parameter.annotation}")
    click.echo(f"    gives: {signature.return_annotation}\n")
    click.echo(inspect.getdoc(spec) or "")
    click.echo()
