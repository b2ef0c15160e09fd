"""`hub errors`: what an error means and what to do about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.main import main


@pytest.mark.proves("operation: every error says what to do about it (`hub errors`)")
def test_an_error_is_explained_by_its_code() -> None:
    result = CliRunner().invoke(main, ["errors", "smtp-store-full"])
    assert result.exit_code == 0
    assert "category: recoverable" in result.stdout
    assert "RFC 3463: 4.3.1" in result.stdout
    assert "Free some of the disk" in result.stdout


def test_errors_are_found_by_the_code_in_a_reply() -> None:
    result = CliRunner().invoke(main, ["errors", "5.7.1", "--json"])
    found = {each["code"]: each for each in json.loads(result.stdout)}
    assert found["smtp-no-relaying"]["category"] == "permanent"
    assert {each["enhanced"] for each in found.values()} == {"5.7.1"}


def test_all_errors_are_listed() -> None:
    lines = CliRunner().invoke(main, ["errors"]).stdout.splitlines()
    assert any(line.startswith("plugin-breaker-opened ") for line in lines)
    assert len(lines) > 150


def test_an_unknown_code_names_the_nearest() -> None:
    result = CliRunner().invoke(main, ["errors", "smtp-store-ful1"])
    assert result.exit_code == 1
    assert "Did you mean 'smtp-store-full'?" in result.stderr


def test_a_hub_that_does_not_start_says_where_to_read_more(tmp_path: Path) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    (folder / "broken.py").write_text("from hub import nothing\n")
    config = tmp_path / "hub.toml"
    config.write_text(
        f'listeners = {{ smtp = {{ protocol = "smtp", bind = ["127.0.0.1:0"] }} }}\n[hub]\nworkers = 1\n'
        f'hostname = "mail.example.test"\ndata_dir = "{tmp_path / "data"}"\nplugin_dirs = ["{folder}"]\n'
    )
    ran = subprocess.run(
        [Path(sys.executable).parent / "hub", "-c", config, "serve"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert "broken.py:1:" in ran.stderr
    assert ran.stderr.endswith("What to do: hub errors plugin-not-loaded\n")
