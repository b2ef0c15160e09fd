"""`hub plugins new` writes what passes every check at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.cli.plugins.new import DRIVERS
from hub.hooks.areas import SPECS

ROOT = Path(__file__).parents[3]


def new(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugins", "new", "--directory", str(folder), *arguments])


def run(folder: Path, *command: str, **environ: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin for every hook, for all of them together, and for each driver."""
    folder = tmp_path_factory.mktemp("new")
    wanted = [[hook.replace("_", "-"), "--hooks", hook] for hook in SPECS]
    wanted += [[f"one-{hook.replace('_', '-')}", "--hooks", hook, "--one-file"] for hook in SPECS]
    wanted += [["all-of-them", "--hooks", ",".join(SPECS)], ["default"], ["one", "--one-file"]]
    wanted += [[f"own-{service}", "--driver", service] for service in DRIVERS]
    for arguments in wanted:
        result = new(folder, *arguments)
        assert result.exit_code == 0, result.output
    return folder


def test_what_is_written_is_clean_and_formatted(folder: Path) -> None:
    run(folder, "ruff", "check", "--no-cache", ".")
    run(folder, "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.timeout(300)  # where mypy has not yet seen the libraries
def test_what_is_written_has_strict_types(folder: Path) -> None:
    options = [
        "--strict",
        "--explicit-package-bases",
        "--disable-error-code=import-untyped",  # as `hub plugins check`: the cache is of these options
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "plugins"),
        "--config-file",
        "/dev/null",
    ]
    modules = [*folder.glob("*/*.py"), *folder.glob("*/tests/*.py")]
    names = {path.stem for path in modules}
    assert len(names) == len(modules)
    run(folder, "mypy", *options, *map(str, modules))


@pytest.mark.proves("plugins: `hub plugins new` writes a plugin or a driver that passes its tests and checks")
def test_its_own_tests_pass(folder: Path) -> None:
    """The contract of a driver is expected to fail for now; that of a storage is long, and a part will do."""
    drivers = [f"own-{service}" for service in DRIVERS]
    paths = ":".join(str(folder / name) for name in drivers)
    options = ["-q", "-p", "no:cacheprovider", "-k", "not OwnStorage or mailbox"]
    run(folder, "pytest", *options, "all-of-them", "default", "one", *drivers, PYTHONPATH=paths)


def test_the_new_plugin_is_fit_to_be_shared(folder: Path) -> None:
    result = CliRunner().invoke(main, ["plugins", "check", "--no-types", str(folder / "all-of-them")])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("no faults\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Deny_List"], "Did you mean 'deny-list'?"),
        (["hub-plugin-mine"], "Did you mean 'mine'?"),
        (["../mine"], "is no name for a plugin"),
        (["greylist"], "there is a plugin 'greylist' already"),
        (["mine", "--hooks", "smtp_rctp"], "there is no hook 'smtp_rctp'. Did you mean 'smtp_rcpt'?"),
        (["mine", "--hooks", " , "], "--hooks names no hook"),
        (["mine", "--driver", "storage", "--one-file"], "cannot be one file"),
        (["mine", "--driver", "disk"], "'disk' is not one of"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest_right_name(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = new(tmp_path, *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("mine")
    result = new(tmp_path, "mine")
    assert result.exit_code == 1
    assert "is there already; nothing was written" in result.output
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]
