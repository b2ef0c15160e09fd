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
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of plugin source trees that need no installation; may be given more than once.",
)
@click.pass_obj
def serve(context: Context, trees: tuple[Path, ...]) -> None:
    """Run the hub in the foreground until SIGTERM or SIGINT.

    It binds its ports first, or takes them from systemd, and then becomes the user that `hub.user` names.
    Without a configuration file it serves on loopback with the embedded defaults.
    """
    run(context, trees)


def run(context: Context, trees: tuple[Path, ...] = ()) -> None:
    """Bind, drop privileges, serve; returns when the hub was told to stop."""
    from hub.app import serve as serve_forever
    from hub.listening import bind
    from hub.loading.errors import LoadErrors
    from hub.log import configure

    config = context.config()
    settings = config.settings
    configure(settings.log.level, settings.log.format)
    os.umask(0o077)
    try:
        data = settings.hub.data_dir
        made = not data.exists()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        bound = bind(settings.listeners, os.environ)
        if settings.hub.user is not None:
            _become(settings.hub.user, data if made else None)
        serve_forever(config, bound, context.reread, trees)
    except (OSError, RuntimeError, LoadErrors) as error:
        raise click.ClickException(str(error)) from error


def _become(user: str, own: Path | None) -> None:
    """Give up root for good; `own` is a folder just made, which becomes the user's."""
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise click.ClickException(
            f"hub.user names '{user}', who is not known here; useradd --system {user}"
        ) from None
    if os.getuid() == entry.pw_uid:
        return
    if own is not None:
        os.chown(own, entry.pw_uid, entry.pw_gid)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
