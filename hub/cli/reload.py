"""`hub reload`: load what changed, now."""

from __future__ import annotations

import click

from hub.cli.context import Context, show_json


@click.command()
@click.option(
    "--workers", is_flag=True, help="Then replace every worker by a new process, one after another."
)
@click.option("--dry-run", is_flag=True, help="Only say what would change; nothing is imported or opened.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def reload(context: Context, workers: bool, dry_run: bool, as_json: bool) -> None:
    """Load what changed of configuration, certificates and plugins; if anything is wrong, change nothing.

    What it says takes effect with new workers, such as another version of a library, needs --workers: each
    worker ends what is under way and a new process takes its place; who connects meanwhile waits.
    """
    if dry_run and workers:
        raise click.UsageError("--dry-run replaces no workers")
    if dry_run:
        show_report(context.ask("preview"), as_json, dry_run=True)
    elif workers:
        # Each worker may take its time to drain.
        show_report(context.ask("reload", timeout=3600.0, workers=True), as_json)
    else:
        show_report(context.ask("reload"), as_json)


def show_report(report: object, as_json: bool, *, dry_run: bool = False) -> None:
    """What a reload or a rollback did, or would do; exit code 1 if it was refused."""
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
            click.echo(
                "this would be refused" if dry_run else f"refused; generation {report['generation']} goes on",
                err=True,
            )
        elif dry_run:
            click.echo("nothing was changed")
        else:
            if replaced := report.get("replaced"):
                click.echo(f"{len(replaced)} workers replaced")
            click.echo(f"generation {report['generation']} serves, after {report['seconds'] * 1000:.0f} ms")
    if report["errors"]:
        raise click.exceptions.Exit(1)
