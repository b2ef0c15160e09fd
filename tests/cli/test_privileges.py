"""Root is given up for good, and what root made belongs to the hub's user."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hub.cli.privileges import become, own_data
from hub.config.tables.hub import HubTable

DROPS = """
import os, sys
from pathlib import Path
from hub.cli.privileges import become, own_data
from hub.config.model import HubTable

hub = HubTable(data_dir=Path(sys.argv[1]), user="nobody")
own_data(hub)
become(hub)
try:
    os.setuid(0)
except PermissionError:
    made = hub.data_dir.stat()
    print(os.getuid(), os.getgid(), len(os.getgroups()), made.st_uid, oct(made.st_mode))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give up root")
def test_root_becomes_the_hub_s_user_and_cannot_come_back(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    run = subprocess.run(
        [sys.executable, "-c", DROPS, str(open_folder / "data")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    uid, gid, groups, owner, mode = run.stdout.split()
    assert (int(uid), int(gid), int(owner)) == (nobody.pw_uid, nobody.pw_gid, nobody.pw_uid)
    assert int(groups) <= 1
    assert mode == "0o40700"


def test_a_user_who_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="'no-such-user', who is not known here; try: useradd"):
        become(HubTable(data_dir=tmp_path, user="no-such-user"))


def test_without_a_user_nothing_changes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        own_data(HubTable(data_dir=tmp_path / "data"))
        become(HubTable(data_dir=tmp_path / "data"))
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_uid == os.getuid()
