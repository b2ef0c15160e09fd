"""`hub demo`: a working hub on loopback to play with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hub.cli.context import Context
from hub.cli.context import run as run_async

PASSWORD = "demo"
USERS = ("alice", "bob")
DOMAIN = "example.test"
PLUGINS = (
    "storage-sql",
    "blobs-segment",
    "directory-sql",
    "pop3",
    "deny-list",
    "rate-limit",
    "tracing-console",
)
"""Everything that needs no daemon."""

_CONFIG = """# Written by `hub demo` at every start; remove the folder to begin anew.

[hub]
hostname = "mail.{domain}"
data_dir = "{data}"
plugins = [{plugins}]
plugin_dirs = ["{watched}"]
workers = 1

[relay]
enabled = false  # what is sent elsewhere waits in the queue: a demo bothers nobody

[listeners.smtp]
protocol = "smtp"
bind = ["127.0.0.1:{smtp}"]

[listeners.submission]
protocol = "submission"
bind = ["127.0.0.1:{submission}"]

[listeners.imap]
protocol = "imap"
bind = ["127.0.0.1:{imap}"]

[listeners.pop3]
protocol = "pop3"
bind = ["127.0.0.1:{pop3}"]
"""

_HELP = """
A hub on loopback, in which alice@{domain} and bob@{domain} have the password '{password}'.

Send a mail, from a second terminal:

  {python} - <<'END'
  import smtplib
  with smtplib.SMTP("127.0.0.1", {smtp}) as server:
      server.sendmail("bob@{domain}", "alice@{domain}", "Subject: Hello\\r\\n\\r\\nIt works.\\r\\n")
  END

or: swaks --server 127.0.0.1:{smtp} --from bob@{domain} --to alice@{domain} --header "Subject: Hello"

Read it:

  {python} - <<'END'
  import imaplib
  box = imaplib.IMAP4("127.0.0.1", {imap})
  box.login("alice@{domain}", "{password}"); box.select()
  print(box.fetch("1:*", "BODY[]"))
  END

or fetch it by POP3: curl --user alice@{domain}:{password} pop3://127.0.0.1:{pop3}/1

Log in to send, as a mail client does: 127.0.0.1:{submission}. A mail's life: {hub} trace ID

Your first plugin: save this as {watched}/nobody.py, then send a mail to nobody@{domain}:

  from hub import Reject, hookimpl

  @hookimpl
  async def smtp_rcpt(recipient):
      if recipient.local == "nobody":
          return Reject("5.1.1", "nobody is not here")

Everything is kept in {folder}/. Ctrl-C ends it.
"""


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("hub-demo"),
    show_default=True,
    help="Where the demo keeps its data.",
)
@click.option(
    "--plugins",
    "watched",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("plugins.d"),
    show_default=True,
    help="The watched plugin folder.",
)
@click.option("--smtp-port", type=click.IntRange(1, 65535), default=2525, show_default=True)
@click.option("--submission-port", type=click.IntRange(1, 65535), default=2587, show_default=True)
@click.option("--imap-port", type=click.IntRange(1, 65535), default=2143, show_default=True)
@click.option("--pop3-port", type=click.IntRange(1, 65535), default=2110, show_default=True)
def demo(
    directory: Path, watched: Path, smtp_port: int, submission_port: int, imap_port: int, pop3_port: int
) -> None:
    """Run a hub on loopback with demo accounts, and say how to send and read a first mail."""
    from hub.cli.serve import run

    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    watched.mkdir(mode=0o755, parents=True, exist_ok=True)
    config = directory / "hub.toml"
    config.write_text(
        _CONFIG.format(
            domain=DOMAIN,
            data=(directory / "data").absolute(),
            plugins=", ".join(f'"{name}"' for name in PLUGINS),
            watched=watched.absolute(),
            smtp=smtp_port,
            submission=submission_port,
            imap=imap_port,
            pop3=pop3_port,
        )
    )
    context = Context(config)
    run_async(_accounts(context))
    click.echo(
        _HELP.format(
            domain=DOMAIN,
            password=PASSWORD,
            smtp=smtp_port,
            submission=submission_port,
            imap=imap_port,
            pop3=pop3_port,
            python=shortest(Path(sys.executable)),
            hub=f"{shortest(Path(sys.executable).parent / 'hub')} -c {shortest(config.absolute())}",
            watched=watched,
            folder=directory,
        )
    )
    run(context)


async def _accounts(context: Context) -> None:
    """The demo's domain and accounts, made at the first start."""
    from hub.mail.address import Address

    async with context.directory() as directory:
        if DOMAIN not in [domain for domain, _ in await directory.domains()]:
            await directory.add_domain(DOMAIN)
        there = {account.address.local for account in await directory.accounts(DOMAIN)}
        for user in USERS:
            if user not in there:
                await directory.add_account(Address(user, DOMAIN), PASSWORD, name=user.capitalize())


def shortest(path: Path) -> str:
    """The path as one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
