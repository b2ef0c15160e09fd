"""`hub plugins run`: a hub to try one plugin in."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.mail.redaction import Policy
    from hub.testing.observed import Call
    from hub.testing.project import Project
    from hub.testing.running import RunningHub

HELP = """
A hub with {name} and the drivers, on loopback. alice@{domain} and bob@{domain} have the password
'{password}'.

Send a mail, from a second terminal:

  {python} - <<'END'
  import smtplib
  with smtplib.SMTP("127.0.0.1", {smtp}) as server:
      server.sendmail("bob@{domain}", "alice@{domain}", "Subject: Hello\\r\\n\\r\\nIt works.\\r\\n")
  END

or: swaks --server 127.0.0.1:{smtp} --from bob@{domain} --to alice@{domain} --header "Subject: Hello"

IMAP is at 127.0.0.1:{imap}, submission at 127.0.0.1:{submission}. More about a mail: {hub} trace ID
Save {place} and it is live. Ctrl-C ends it, and nothing is kept.
"""


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option(
    "--addresses",
    type=click.Choice(["full", "domain", "hash"]),
    default="full",
    help="How mail addresses are shown.",
)
def run(path: Path, addresses: Policy) -> None:
    """Run a hub with one plugin and demo accounts, and print each call of it: arguments, result, time.

    PATH is its folder or its one file, the current folder if not given. It is loaded anew when it is saved.
    Its settings are `[tool.hub.settings]` of its pyproject.toml.
    """
    from hub.loading.errors import LoadErrors
    from hub.loading.sources import SourceError
    from hub.log import configure
    from hub.testing.project import open_project

    configure("info", "console", addresses=addresses)
    try:
        asyncio.run(_run(open_project(path), addresses))
    except (SourceError, LoadErrors) as errors:
        raise click.ClickException(str(errors)) from None


async def _run(project: Project, addresses: Policy) -> None:
    from hub.testing.observed import Observed
    from hub.testing.running import ACCOUNTS, running_hub

    def show(call: Call) -> None:
        observed.forget()  # it is seen, and this may run for days
        if call.plugin == project.name:
            click.echo(line(call, addresses).replace(f"{project.root}/", ""))

    observed = Observed(on_call=show)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with tempfile.TemporaryDirectory(prefix="hub-run-") as folder:
        async with running_hub(
            Path(folder),
            tables=project.tables(),
            trees=[project.source.location],
            accounts=() if "directory" in project.drives else ACCOUNTS,
            observed=observed,
        ) as hub:
            click.echo(_help(project, hub))
            await stopping.wait()


def line(call: Call, addresses: Policy) -> str:
    """One call, in colours."""
    from hub.testing.showing import arguments, outcome

    said = outcome(call, addresses)
    colour = "red" if call.failure else "yellow" if said.startswith(("reject", "defer")) else "green"
    took = click.style(f"{call.seconds * 1000:.2f} ms", dim=True)
    asked = f"{click.style(call.hook, bold=True)}({arguments(call, addresses)})"
    return f"{asked} → {click.style(said, fg=colour)}  {took}"


def _help(project: Project, hub: RunningHub) -> str:
    from hub.cli.demo import shortest
    from hub.testing.running import DOMAIN, PASSWORD

    return HELP.format(
        name=project.name,
        domain=DOMAIN,
        password=PASSWORD,
        python=shortest(Path(sys.executable)),
        hub=f"{shortest(Path(sys.executable).parent / 'hub')} -c {hub.folder / 'hub.toml'}",
        smtp=hub.port("smtp"),
        imap=hub.port("imap"),
        submission=hub.port("submission"),
        place=shortest(project.module_file),
    )
