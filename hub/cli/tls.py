"""`hub tls`: why handshakes failed, what a server's TLS is like, and what it has to be before mail goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from rich.text import Text

    from hub.tls.probe import Report

_STYLES: Final = {"error": "red", "warning": "yellow", "hint": "dim"}
_MOST: Final = 300


@click.group()
def tls() -> None:
    """Say why handshakes failed, check a server or a certificate, and what a domain demands."""


@tls.command()
@click.option("--last", type=click.IntRange(1, _MOST), default=10, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
@click.argument("who", metavar="[ADDRESS|SESSION]", required=False)
@click.pass_obj
def explain(context: Context, last: int, as_json: bool, who: str | None) -> None:
    """Why the latest handshakes of the running hub failed, which side offered what, and what to change.

    ADDRESS: of a client, with its port or without; SESSION: the id in the log.
    """
    failures = cast("Sequence[Mapping[str, object]]", context.ask("tls-failures", last=last, who=who))
    if as_json:
        show_json(failures)
        return
    if not failures:
        click.echo("No handshake has failed lately" + (f" of {who}." if who else "."))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for failure in failures:
        _show(failure, console.print)


def _show(failure: Mapping[str, object], show: object) -> None:
    from rich.markup import escape

    assert callable(show)
    found = cast("Mapping[str, object]", failure["explanation"])
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(cast(float, failure["at"])))
    session = f", session {failure['session']}" if failure["session"] else ""
    show(f"[dim]{when}[/]  [bold]{escape(str(failure['client']))}[/] on {failure['listener']}{session}")
    show(f"  why     {escape(str(found['why']))}")
    side = {"client": "the client", "server": "this server", "either": "either side"}.get(str(found["side"]))
    show(f"  change  {escape(str(found['change']))}" + (f"  [dim]({side})[/]" if side else ""))
    offered = cast("Mapping[str, Sequence[str]]", found["offered"])
    allowed = cast("Mapping[str, Sequence[str]]", found["allowed"])
    for kind, values in offered.items():
        ours = allowed.get(kind, ())
        # What both have is what they could have agreed on.
        theirs = ", ".join(f"[green]{escape(x)}[/]" if x in ours else escape(x) for x in values)
        show(f"  [dim]{kind:<11}client[/] {theirs or '-'}")
        if kind in allowed:
            show(f"  [dim]{'':<11}server[/] {escape(', '.join(ours)) or '-'}")
    show("")


@tls.command()
@click.argument("target", metavar="HOST[:PORT]|FILE")
@click.option(
    "--starttls",
    type=click.Choice(["smtp", "imap", "pop3", "none"]),
    help="How the server begins; without it what is usual on the port.",
)
@click.option("--name", help="The name that the certificate has to be for, in place of HOST.")
@click.option(
    "--trust", type=click.Path(exists=True, dir_okay=False), help="PEM file of further authorities."
)
@click.option("--json", "as_json", is_flag=True, help="All that was found, as JSON.")
@click.pass_obj
def check(
    context: Context, target: str, starttls: str | None, name: str | None, trust: str | None, as_json: bool
) -> None:
    """Look at a server's TLS, or at a PEM file: versions, ciphers, certificates, and what is wrong with them.

    Exit code 1 if something is.
    """
    from pathlib import Path

    from rich.console import Console

    from hub.services.resolver import Resolver
    from hub.tls.probe import probe, probe_file
    from hub.tls.visit import Target

    file, trusted = Path(target), Path(trust) if trust else None
    errors = Console(stderr=True)
    if file.is_file():
        report = probe_file(file.read_bytes(), name, trusted, time.time())
    else:
        try:
            where = Target.parse(target, starttls)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        nameservers = context.config().settings.dns.nameservers
        with errors.status(f"{where}") as status:
            try:
                report = run(
                    probe(
                        where,
                        name=name,
                        trust=trusted,
                        dns=Resolver(nameservers),
                        now=time.time(),
                        tell=lambda what: status.update(f"{where}: {what}"),
                    )
                )
            except OSError as error:
                raise click.ClickException(f"{where}: {error.strerror or error}") from None
    if as_json:
        show_json(report.plain())
    else:
        _show_report(report)
    if report.is_faulty:
        raise SystemExit(1)


@tls.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="The steps and what follows as JSON.")
@click.pass_obj
def policy(context: Context, domain: str, as_json: bool) -> None:
    """Say what DOMAIN's servers have to show before they are given mail.

    The running hub asks DNS and its plugins now; what they say is printed step by step, and then what follows
    for each server.
    """
    answer = cast("Mapping[str, object]", context.ask("tls-policy", domain=domain))
    if as_json:
        show_json(answer)
        return
    for what, found in cast("Sequence[tuple[str, str]]", answer["steps"]):
        click.echo(f"{what}: {found}")
    click.echo()
    for server, demand in cast("Mapping[str, str]", answer["policies"]).items():
        click.echo(f"{server}: {demand}")


def _show_report(report: Report) -> None:
    from rich.text import Text

    from hub.cli.tables import show_table

    rows: list[tuple[str, str | Text]] = [(what, said) for what, said in report.facts.items()]
    for fault in report.faults:
        rows.append((fault.severity, Text(str(fault), style=_STYLES[fault.severity])))
    if not report.faults:
        rows.append(("well", Text("nothing is wrong", style="green")))
    show_table(("", ""), rows)
