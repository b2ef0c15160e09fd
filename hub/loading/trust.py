"""Whether somebody else could write a plugin's code."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


def why_untrusted(path: Path) -> str | None:
    """A sentence if anybody but root and the hub's own user can write the file or folder, else None.

    A group that has no other member than the owner counts as the owner (Debian's and Fedora's private
    groups), and nobody can write to what is mounted read-only, as Kubernetes mounts its ConfigMaps.
    """
    status = path.stat()
    ours = status.st_uid in (0, os.geteuid())
    private = not status.st_mode & stat.S_IWGRP or _is_private(status.st_gid, status.st_uid)
    if ours and private and not status.st_mode & stat.S_IWOTH:
        return None
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return None
    if not ours:
        return f"it belongs to {_user(status.st_uid)}, not to root or to the user that runs the hub"
    return f"others can write it (mode {stat.S_IMODE(status.st_mode):04o}); run: chmod go-w {path}"


def _is_private(gid: int, uid: int) -> bool:
    try:
        group, owner = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and not set(group.gr_mem) - {owner.pw_name}


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
