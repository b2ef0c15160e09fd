"""`hub status`: what a running hub is doing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from hub.cli.context import Context, show_json

_UNITS: Final = ("octets", "KiB", "MiB", "GiB", "TiB")
_SPANS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show listeners, sessions, generation, breakers, dependencies, store and queue of the running hub."""
    answer = context.ask("status")
    assert isinstance(answer, dict)
    if as_json:
        show_json(answer)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    click.echo(
        f"hub {answer['version']} as {answer['hostname']}, pid {answer['pid']}, "
        f"up {_span(answer['uptime'])}, generation {answer['generation']}, {answer['sessions']} sessions"
    )
    table = Table.grid(padding=(0, 2))
    before = ""
    for label, text, style in _lines(answer):
        table.add_row(Text("" if label == before else label, "bold"), Text(text, style))
        before = label
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What stands left, what stands right, and its colour."""
    for listener in answer["listeners"]:
        yield (
            "listeners",
            f"{listener['name']}: {listener['protocol']} on {listener['address']}, tls {listener['tls']}",
            "",
        )
    for worker in answer.get("workers", ()):
        last = f", the last one: {worker['last_death']}" if worker["last_death"] else ""
        text = (
            f"worker {worker['number']} {worker['state']}: pid {worker['pid']}, "
            f"up {_span(worker['uptime'])}, generation {worker['generation']}, "
            f"{worker['sessions']} sessions, "
            f"{worker['restarts']} restarts{last}"
        )
        yield "workers", text, "" if worker["state"] == "serves" else "yellow"
    if answer["rolled_back"]:
        text = "rolled back: what is on disk serves after the next save or hub reload"
        yield "plugins", text, "yellow"
    if answer["set_aside"]:
        yield "plugins", f"{answer['set_aside']} messages kept unjudged: the hub died of them", "red"
    for name, health in answer["unwell"].items():
        yield "plugins", f"{name}: {health}", "red"
    for each in answer["dependencies"]:
        trouble = each["trouble"]
        yield "needs", f"{each['name']} ({each['plugin']}): {trouble or 'answers'}", "red" if trouble else ""
    yield from _stored(answer["store"], answer["storage"], answer["queue"])


def _stored(
    store: Mapping[str, Any], storage: Mapping[str, Any], queue: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    if "trouble" in store:
        yield "store", store["trouble"], "red"
    else:
        yield (
            "store",
            f"{store['messages']} messages of {_size(store['octets'])}, "
            f"{_size(store['free'])} of the disk free",
            "",
        )
        blobs = dict(store["blobs"])
        octets = blobs.pop("octets", None)
        figures = [f"{name} {value}" for name, value in blobs.items()]
        yield "store", ", ".join(["bytes: " + figures[0], *figures[1:], *_sized(octets)]), ""
    yield "store", "index: " + ", ".join(f"{name} {value}" for name, value in storage.items()), ""
    if "trouble" in queue:
        yield "queue", queue["trouble"], "red"
    elif queue["rows"]:
        yield "queue", f"{queue['rows']} recipients wait, the first for {_span(queue['age'])}", ""
    else:
        yield "queue", "empty", ""


def _sized(octets: int | None) -> list[str]:
    return [] if octets is None else [_size(octets)]


def _size(octets: float) -> str:
    for unit in _UNITS:
        if octets < 1024 or unit == _UNITS[-1]:
            break
        octets /= 1024
    return f"{octets:.3g} {unit}" if octets < 1000 else f"{octets:.0f} {unit}"


def _span(seconds: float) -> str:
    length, unit = next((each for each in _SPANS if seconds >= 2 * each[0]), _SPANS[-1])
    return f"{seconds // length:.0f} {unit}"
