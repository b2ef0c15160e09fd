"""Entry point of the `hub` command: the root group that the verbs hang from."""

import click

from hub.version import __version__


@click.group()
@click.version_option(__version__, prog_name="hub")
def main() -> None:
    """A mail server whose every decision is a hook."""
