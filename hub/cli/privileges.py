"""Whose process this is: whatever opens the hub's data does so as the hub's own user."""

from __future__ import annotations

import os
import pwd
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from hub.config.tables.hub import HubTable
from hub.config.tables.listeners import Listener
from hub.config.units import is_unix


def own_data(hub: HubTable) -> None:
    """Make the data folder, if it is not there, for the hub's user alone; so are all later files."""
    os.umask(0o077)
    if hub.data_dir.exists():
        return
    hub.data_dir.mkdir(mode=0o700, parents=True)
    if hub.user is not None and os.getuid() == 0:
        entry = _entry(hub.user)
        os.chown(hub.data_dir, entry.pw_uid, entry.pw_gid)


def own_sockets(hub: HubTable, listeners: Mapping[str, Listener]) -> None:
    """Give the hub's user the Unix sockets that were bound before it is that user."""
    if hub.user is None or os.getuid() != 0:
        return
    entry = _entry(hub.user)
    for listener in listeners.values():
        for host, _ in listener.addresses:
            if is_unix(host) and os.path.exists(host):
                os.chown(host, entry.pw_uid, entry.pw_gid)


def open_many_files() -> None:
    """Have as many connections as the system lets this process have; a service's soft limit is often 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def become(hub: HubTable) -> None:
    """Give up root for good and go on as `hub.user`; nothing happens without one."""
    if hub.user is None:
        return
    entry = _entry(hub.user)
    if os.getuid() == entry.pw_uid:
        return
    if os.getuid() != 0:
        raise click.ClickException(
            f"the hub's data belongs to '{hub.user}': run this as root or as '{hub.user}'"
        )
    os.initgroups(hub.user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


@contextmanager
def acting_as(hub: HubTable) -> Iterator[None]:
    """While it lasts root is `hub.user`, so that what is made belongs to it; nobody else changes."""
    if hub.user is None or os.geteuid() != 0:
        yield
        return
    entry = _entry(hub.user)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())


@contextmanager
def as_oneself() -> Iterator[None]:
    """Within `acting_as`, be who has typed the command."""
    acting = os.geteuid(), os.getegid()
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
    try:
        yield
    finally:
        os.setegid(acting[1])
        os.seteuid(acting[0])


def _entry(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise click.ClickException(
            f"hub.user names '{user}', who is not known here; try: useradd --system {user}"
        ) from None
