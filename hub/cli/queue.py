"""`hub queue`: the mail that waits to be sent on."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, cast

import click

from hub.cli.context import Context, run, show_json
from hub.cli.parameters import address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hub.services.queue import QueueCount, QueueRow, Selection

_ALL: Final = 1 << 31
_AGES: Final = (300, 3600, 4 * 3600, 86400, 3 * 86400)
_HISTOGRAM: Final = (
    "under 5 minutes",
    "under an hour",
    "under 4 hours",
    "under a day",
    "under 3 days",
    "older",
)
_PRIORITIES: Final = ("personal", "automatic", "bulk")


@click.group()
def queue() -> None:
    """Show and change the mail that waits to be sent on."""


def _selecting(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose rows; what is said together applies together."""
    for option in (
        click.option("--from", "sender", type=address, help="Rows with this reverse-path."),
        click.option("--to", "recipient", type=address, help="Rows with this recipient."),
        click.option("--domain", help="Rows with recipients in this domain."),
        click.option(
            "--state", type=click.Choice(["queued", "held"]), help="Rows that wait, or that are held back."
        ),
        click.option("--message", "message_id", metavar="MESSAGE", help="Rows of the message with this id."),
    ):
        command = option(command)
    return command


@queue.command("list")
@_selecting
@click.option(
    "--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most that many rows."
)
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON.")
@click.pass_obj
def list_rows(context: Context, /, limit: int, as_json: bool, **chosen: object) -> None:
    """List the queue, the oldest row first; one row per message and recipient."""

    async def read() -> Sequence[QueueRow]:
        async with context.storage() as storage:
            return await storage.queue(limit, selection=_selection(chosen))

    rows = run(read())
    if as_json:
        show_json(list(map(_plain, rows)))
        return
    if not rows:
        click.echo("The queue is empty.")
        return
    from hub.cli.tables import show_table

    show_table(
        ("message", "age", "from", "to", "size", "state", "tries", "next", "last answer"),
        [
            (
                row.message_id,
                _age(row.created_at),
                str(row.reverse_path or "<>"),
                str(row.recipient),
                f"{row.size:,}",
                row.state,
                str(row.attempts),
                _until(row.due_at) if row.state == "queued" else "",
                row.reply,
            )
            for row in rows
        ],
    )


@queue.command("show")
@click.argument("message_id", metavar="MESSAGE")
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON.")
@click.pass_obj
def show_message(context: Context, message_id: str, as_json: bool) -> None:
    """Show all that the queue knows about one MESSAGE, by the id that its sender was told."""

    async def read() -> Sequence[QueueRow]:
        async with context.storage() as storage:
            return await storage.queue(_ALL, selection=_selection({"message_id": message_id}))

    rows = run(read())
    if not rows:
        raise click.ClickException(f"no message {message_id} waits in the queue; see: hub queue list")
    if as_json:
        show_json(list(map(_plain, rows)))
        return
    row = rows[0]
    click.echo(f"message {row.message_id}, {row.size:,} octets in {row.blob}, waiting {_age(row.created_at)}")
    click.echo(f"it counts as {_PRIORITIES[row.priority]} mail")
    click.echo(f"from {row.reverse_path or '<>'}{f', who calls it {row.envid!r}' if row.envid else ''}")
    if row.requires_tls:
        click.echo("it goes only to servers that protect it (REQUIRETLS)")
    if row.ret:
        click.echo(f"a report returns {'all of it' if row.ret == 'FULL' else 'its header'}")
    for row in rows:
        tried = f", tried {row.attempts} times, last answered {row.reply!r}" if row.attempts else ""
        click.echo(f"to {row.recipient}: {row.state}{tried}{_wishes(row)}")


@queue.command()
@_selecting
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def stats(context: Context, /, as_json: bool, **chosen: object) -> None:
    """Count the queue by domain and by age, and show how a running hub stands with whom it sends to."""
    now = time.time()

    async def read() -> Sequence[QueueCount]:
        async with context.storage() as storage:
            return await storage.count_queue([now - age for age in _AGES], selection=_selection(chosen))

    counts = run(read())
    domains, held = Counter[str](), Counter[str]()
    priorities, ages = Counter[str](), Counter[str]()
    for each in counts:
        domains[each.domain] += each.rows
        priorities[_PRIORITIES[each.priority]] += each.rows
        ages[_HISTOGRAM[each.age]] += each.rows
        if each.state == "held":
            held[each.domain] += each.rows
    destinations = _destinations(context, chosen.get("domain"))
    if as_json:
        show_json(
            {
                "rows": domains.total(),
                "domains": dict(domains.most_common()),
                "held": held,
                "priorities": priorities,
                "ages": {name: ages[name] for name in _HISTOGRAM},
                "destinations": destinations,
            }
        )
        return
    _show_stats(domains, held, ages, destinations)


def _show_stats(
    domains: Counter[str], held: Counter[str], ages: Counter[str], destinations: Sequence[Mapping[str, Any]]
) -> None:
    from hub.cli.tables import show_table

    show_table(
        ("domain", "rows", "held"),
        [(domain, str(count), str(held[domain])) for domain, count in domains.most_common()],
    )
    most = max(ages.values(), default=0)
    show_table(
        ("age", "rows", ""),
        [(name, str(ages[name]), "#" * -(-40 * ages[name] // most) if most else "") for name in _HISTOGRAM],
    )
    if destinations:
        show_table(
            ("destination", "under way", "connections", "a minute", "sent", "deferred", "paused", "trouble"),
            [
                (
                    each["destination"],
                    str(each["waiting"]),
                    f"{each['connections']} of {each['most']}, {each['usual']} when well",
                    str(each["per_minute"] or ""),
                    str(each["sent"]),
                    str(each["deferred"]),
                    f"{each['paused']:.0f} s" if each["paused"] else "",
                    each["trouble"] or "",
                )
                for each in destinations
            ],
        )


def _destinations(context: Context, domain: object) -> Sequence[Mapping[str, Any]]:
    """How a running hub stands with those that it sends to; none if no hub is running."""
    from hub.control import is_running

    if not is_running(context.data_dir / "control.sock"):
        return []
    said = cast("Sequence[Mapping[str, Any]]", context.ask("destinations"))
    return [each for each in said if domain is None or each["destination"] == str(domain).lower()]


@queue.command()
@click.option("--domain", help="Only mail to this domain.")
@click.option("--days", type=click.IntRange(1, 7), default=7, show_default=True, help="Today and before.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def bounces(context: Context, domain: str | None, days: int, as_json: bool) -> None:
    """Count what was sent, put off and refused these days, by domain and by why."""
    from hub.relay.tally import NAMESPACE, Fared, fared

    async def read() -> Fared:
        async with context.storage() as storage:
            return await fared(storage.kv(NAMESPACE), days, time.time())

    found = {
        name: outcomes for name, outcomes in run(read()).items() if domain is None or name == domain.lower()
    }
    if as_json:
        show_json(found)
        return
    if not found:
        click.echo("Nothing was sent.")
        return
    from hub.cli.tables import show_table

    ordered = sorted(found.items(), key=lambda item: (item[1]["sent"] - item[1].total(), item[0]))
    show_table(
        ("domain", "sent", "put off", "refused"),
        [
            (name, str(outcomes["sent"]), _listed(outcomes, "deferred"), _listed(outcomes, "bounced"))
            for name, outcomes in ordered
        ],
    )


def _listed(outcomes: Counter[str], fate: str) -> str:
    """`3: quota 2, rate 1`."""
    classes = Counter({name.removeprefix(fate): n for name, n in outcomes.items() if name.startswith(fate)})
    parts = ", ".join(f"{name.strip()} {count}" for name, count in classes.most_common())
    return f"{classes.total()}: {parts}" if classes else "0"


def _changing(name: str, words: str) -> None:
    """A verb that does something to all rows of a selection."""

    @queue.command(name, help=words)
    @_selecting
    @click.option("--all", "everything", is_flag=True, help="All rows.")
    @click.pass_obj
    def change(context: Context, /, everything: bool, **chosen: object) -> None:
        from hub.services.queue import QueueAction

        if everything == any(chosen.values()):
            raise click.UsageError("say which rows: --message, --domain, --to, --from or --state; or --all")

        async def do() -> int:
            async with context.storage() as storage:
                return await storage.change_queue(QueueAction(name), _selection(chosen))

        count = run(do())
        click.echo(f"{name}: {count} {'row' if count == 1 else 'rows'}")
        if not count:
            raise SystemExit(1)


_changing("retry", "Send rows within half a minute, whenever they were to be tried again.")
_changing("hold", "Keep rows from being sent until they are released.")
_changing("release", "Let held rows be sent again.")
_changing("drop", "Remove rows; nobody is told, and the mail is gone.")


@queue.command()
@click.pass_obj
def flush(context: Context) -> None:
    """Send all that waits within half a minute, whenever it was to be tried again."""
    from hub.services.queue import QueueAction

    async def do() -> int:
        async with context.storage() as storage:
            return await storage.change_queue(QueueAction.RETRY, _selection({}))

    click.echo(f"flush: {run(do())} rows")


def _selection(chosen: Mapping[str, object]) -> Selection:
    from hub.services.queue import Selection

    return Selection(**chosen)  # type: ignore[arg-type]  # as the options above make them


def _wishes(row: QueueRow) -> str:
    """What the sender wants to hear about one recipient (RFC 3461)."""
    asked = row.dsn.notify
    said = "" if asked is None else f", report {' and '.join(each.lower() for each in asked)}"
    return said + (f", first written {row.dsn.original}" if row.dsn.original else "")


def _plain(row: QueueRow) -> dict[str, object]:
    return {**asdict(row), "recipient": str(row.recipient), "reverse_path": str(row.reverse_path or "")}


def _until(due_at: float) -> str:
    """How long until a time, or that it has come."""
    seconds = int(due_at - time.time())
    return "now" if seconds <= 0 else f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _age(since: float) -> str:
    """Hours, minutes and seconds until now."""
    seconds = max(0, int(time.time() - since))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
