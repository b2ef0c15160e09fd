"""`hub reload`: load what changed, now."""

from __future__ import annotations

import click

from hub.cli.context import Context, show_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def reload(context: Context, as_json: bool) -> None:
    """Load changed plugins and settings now; if anything is wrong with them, say so and change nothing."""
    show_report(context.ask("reload"), as_json)


def show_report(report: object, as_json: bool) -> None:
    """What a reload or a rollback did; exit code 1 if it was refused."""
    assert isinstance(report, dict)
    if as_json:
        show_json(report)
    else:
        for error in report["errors"]:
            click.echo(error, err=True)
        for warning in report["warnings"]:
            click.echo(f"warning: {warning}", err=True)
        for change in report["config"]:
            click.echo(change)
        for name, what in report["changed"].items():
            click.echo(f"{name}: {what}")
        for reason in report["restart_needed"]:
            click.echo(f"takes effect with new workers: {reason}")
        for key in report["new_start"]:
            click.echo(f"takes effect with a new start of the hub: {key}")
        if report["rolled_back"]:
            click.echo("what is on disk is something else, and serves after the next save or hub reload")
        if report["errors"]:
            click.echo(f"refused; generation {report['generation']} goes on", err=True)
        else:
            click.echo(f"generation {report['generation']} serves, after {report['seconds'] * 1000:.0f} ms")
    if report["errors"]:
        raise click.exceptions.Exit(1)
