"""`hub serve`: the hub in the foreground."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hub.cli.context import Context


@click.command()
@click.option(
    "--plugins",
    "trees",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A plugin that is not installed: its source tree, its file, or a folder of such; may be repeated.",
)
@click.pass_obj
def serve(context: Context, trees: tuple[Path, ...]) -> None:
    """Run the hub in the foreground until SIGTERM or SIGINT.

    It binds its ports first, or takes them from systemd, and then becomes the user that `hub.user` names.
    With `hub.workers` over 1, that many processes serve; one that dies is replaced.
    Without a configuration file it serves on loopback with the embedded defaults.
    """
    run(context, trees)


def run(context: Context, trees: tuple[Path, ...] = ()) -> None:
    """Bind, drop privileges, serve; returns when the hub was told to stop."""
    from hub.cli.privileges import become, open_many_files, own_data, own_sockets
    from hub.listening import bind_for
    from hub.loading.errors import NOT_LOADED, LoadErrors
    from hub.log import configure

    config = context.config()
    settings = config.settings
    configure(settings.log.level, settings.log.format, addresses=settings.log.addresses)
    try:
        open_many_files()
        own_data(settings.hub)
        crews = bind_for(settings.hub.workers, settings.listeners, os.environ)
        own_sockets(settings.hub, settings.listeners)
        become(settings.hub)
        if len(crews) == 1:
            from hub.lifetime import serve as serve_forever
            from hub.processes.vigil import limit_memory

            limit_memory(settings.hub.worker_memory)
            serve_forever(config, crews[0], context.reread, trees)
        else:
            from hub.processes.supervisor import supervise

            supervise(config, crews, context.reread, trees)
    except LoadErrors as errors:
        raise click.ClickException(f"{errors}\nWhat to do: hub errors {NOT_LOADED.code}") from errors
    except (OSError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
