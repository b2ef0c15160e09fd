"""`hub hooks`: the manual of every hook, and who answers it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from hub.cli.context import Context, show_json

if TYPE_CHECKING:
    from hub.hooks.markers import SpecOptions

Steps: TypeAlias = Mapping[str, Sequence[Mapping[str, str]]]
"""What a hub says of its hooks: hook → its steps in order."""


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
    from hub.cli.tables import show_table

    show_table(
        ("hook", "mode", "order", "plugin", "if it fails", "deadline"),
        [row for each in ([name] if name else SPECS) for row in _rows(each, steps)],
    )


def _rows(hook: str, steps: Steps | None) -> list[tuple[str, ...]]:
    """One row per step of a hook; one that says so if it has none."""
    from hub.hooks.areas import SPECS

    options: SpecOptions = vars(SPECS[hook])["hub_spec_options"]
    mode, found = options.mode.name, (steps or {}).get(hook, [])
    if not found:
        nobody = "no hub is running" if steps is None else "nobody"
        return [(hook, mode, "", nobody, options.on_failure.name, f"{options.timeout:g} s")]
    return [
        (
            hook if order == 1 else "",
            mode if order == 1 else "",
            str(order),
            step["plugin"] + (f" (workers {step['workers']} alone)" if "workers" in step else ""),
            step["on_failure"],
            f"{float(step['timeout']):g} s",
        )
        for order, step in enumerate(found, 1)
    ]


def _steps(context: Context) -> Steps | None:
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
