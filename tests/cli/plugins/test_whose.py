"""Root installs as the hub's user, whose the plugin folders are, and changes the configuration as root."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.registry.folder import prepare
from hub.registry.index import RegistryError

only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as somebody else")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that anybody may enter; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def hub_of(home: Path, user: str) -> Path:
    """The configuration of a hub with a plugin that its user has installed."""
    installed = home / "data" / "plugins.d" / "gone-1.0"
    metadata = installed / "hub_plugin_gone-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hub-plugin-gone\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hub.plugins]\ngone = hub_plugin_gone\n")
    (installed / "hub_plugin_gone.py").write_text('"""Is gone."""\n')
    subprocess.run(["chown", "-R", user, home / "data"], check=True)
    (home / "data").chmod(0o700)
    config = home / "hub.toml"
    config.write_text(
        f'[hub]\nhostname = "h.example.test"\ndata_dir = "{home}/data"\nuser = "{user}"\n'
        'plugins = ["storage-sql", "blobs-segment", "directory-sql", "gone"]\n'
    )
    return config


@only_root
def test_root_removes_as_the_hub_s_user_and_writes_the_configuration_as_root(home: Path) -> None:
    # First as root alone, so that all modules are imported: here, Python's own may be root's alone too.
    for user in ("root", "nobody"):
        (home / user).mkdir()
        config = hub_of(home / user, user)
        done = CliRunner().invoke(main, ["-c", str(config), "plugins", "remove", "gone"])
        assert done.exit_code == 0, done.output
        plugins = home / user / "data" / "plugins.d"
        assert not (plugins / "gone-1.0").exists()
        assert (plugins / ".lock").stat().st_uid == pwd.getpwnam(user).pw_uid
        assert "gone" not in config.read_text()
        assert config.stat().st_uid == 0
        assert (os.geteuid(), os.getegid()) == (0, os.getgid())


@only_root
def test_who_may_not_write_the_plugin_folder_is_told_who_may(home: Path) -> None:
    (home / "plugins.d").mkdir()
    subprocess.run(["chown", "daemon", home / "plugins.d"], check=True)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(RegistryError, match=r"plugins\.d: run this as daemon or as root"):
            prepare(home / "plugins.d")
    finally:
        os.seteuid(0)


def test_a_plugin_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match=r"file/plugins\.d cannot be used: Not a directory"):
        prepare(tmp_path / "file" / "plugins.d")
