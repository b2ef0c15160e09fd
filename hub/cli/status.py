"""`hub status`: what a running hub is doing."""

from __future__ import annotations

import click

from hub.cli.context import Context, show_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show listeners, sessions, generation, breakers, store and queue of the running hub."""
    answer = context.ask("status")
    assert isinstance(answer, dict)
    if as_json:
        show_json(answer)
        return
    click.echo(
        f"hub {answer['version']} as {answer['hostname']}, pid {answer['pid']}, up {answer['uptime']:.0f} s, "
        f"generation {answer['generation']}, {answer['sessions']} sessions"
    )
    if answer["rolled_back"]:
        click.secho(
            "  plugins rolled back: what is on disk serves after the next save or hub reload", fg="yellow"
        )
    for listener in answer["listeners"]:
        click.echo(
            f"  {listener['name']}: {listener['protocol']} on {listener['address']}, tls {listener['tls']}"
        )
    for worker in answer.get("workers", ()):
        last = f", the last one: {worker['last_death']}" if worker["last_death"] else ""
        click.echo(
            f"  worker {worker['number']} {worker['state']}: pid {worker['pid']}, "
            f"up {worker['uptime']:.0f} s, generation {worker['generation']}, "
            f"{worker['sessions']} sessions, {worker['restarts']} restarts{last}"
        )
    if answer["set_aside"]:
        click.secho(f"  {answer['set_aside']} messages kept unjudged: the hub died of them", fg="red")
    for name, health in answer["unwell"].items():
        click.secho(f"  {name}: {health}", fg="red")
    for key, value in answer["storage"].items():
        click.echo(f"  storage {key}: {value}")
