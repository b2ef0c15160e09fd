"""Entry point of the `hub` command: the root group that the verbs hang from."""

from __future__ import annotations

import atexit
import gc
from pathlib import Path
from typing import Final

import click

from hub.cli.context import Context
from hub.cli.lazy import GROUP, LazyGroup
from hub.version import __version__

LOADED: Final = 150_000
"""Objects that are made while a hub is loaded. They stay: to look for garbage among them again and again as
they become more, and twice as the process ends, took a quarter of what a verb takes."""

VERBS = {
    "init": ("hub.cli.init:init", "Write a first hub.toml and a systemd unit."),
    "serve": ("hub.cli.serve:serve", "Run the hub in the foreground."),
    "demo": ("hub.cli.demo:demo", "Run a hub to play with, on loopback, with demo accounts."),
    "status": ("hub.cli.status:status", "Show what a running hub is doing."),
    "reload": ("hub.cli.reload:reload", "Load changed plugins now."),
    "account": ("hub.cli.account:account", "Manage the accounts that have mailboxes."),
    "domain": ("hub.cli.domain:domain", "Manage the domains that mail is accepted for."),
    "alias": ("hub.cli.alias:alias", "Manage addresses that lead elsewhere."),
    "plugins": ("hub.cli.plugins:plugins", "Show, reload and roll back plugins."),
    "hooks": ("hub.cli.hooks:hooks", "Show which plugin runs on which hook, and in which order."),
    "config": ("hub.cli.config:config", "Check, show and explain the configuration."),
    "trace": ("hub.cli.trace:trace", "Show the life of one message."),
    "dns": ("hub.cli.dns:dns", "Show and check what a domain needs in DNS."),
    "mailbox": ("hub.cli.mailbox:mailbox", "Share mailboxes, and bring back what was removed."),
    "queue": ("hub.cli.queue:queue", "Show the mail that waits to be sent on."),
    "explain": ("hub.cli.explain:explain", "Walk through a decision, step by step."),
    "errors": ("hub.cli.errors:errors", "Say what an error means and what to do about it."),
    "log": ("hub.cli.log:log", "Log more for a while, about one sender or plugin."),
    "tls": (
        "hub.cli.tls:tls",
        "Say why handshakes failed; check servers, certificates and what domains demand.",
    ),
    "store": ("hub.cli.store:store", "Check the store, give back its free space, make its index anew."),
    "search": ("hub.cli.search:search", "Show and make anew the index that narrows SEARCH."),
    "db": ("hub.cli.db:db", "Show and change the database schema."),
    "completion": ("hub.cli.completion:completion", "Print the script for shell completion."),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    entry_points=GROUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hub")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="HUB_CONFIG",
    help="The configuration file; without it ./hub.toml, ~/.config/hub/hub.toml, /etc/hub/hub.toml.",
)
@click.pass_context
def main(ctx: click.Context, config_path: Path | None) -> None:
    """A mail server whose every decision is a plugin."""
    gc.set_threshold(LOADED, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    ctx.obj = Context(config_path)
