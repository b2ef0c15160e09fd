"""`hub plugins run` shows what a plugin does, and `hub plugins test` whether that is right."""

from __future__ import annotations

import re
import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.main import main

ROOT = Path(__file__).parents[3]
NOBODY = ROOT / "examples" / "one_file" / "nobody.py"


@contextmanager
def running(path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The verb at work."""
    command = [str(Path(sys.executable).parent / "hub"), "plugins", "run", str(path), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line from now on that has the pattern."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"it ends without {pattern}")


def send(port: int, to: str) -> int:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo("client.example")
        client.mail("someone@far.example")
        return client.rcpt(to)[0]


@pytest.mark.proves(
    "plugins: `hub plugins run` prints each call of a plugin, and takes it anew when it is saved"
)
def test_each_call_is_printed_and_what_is_saved_is_live(tmp_path: Path) -> None:
    plugin = Path(shutil.copy(NOBODY, tmp_path))
    with running(plugin) as process:
        port = int(until(process, r"--server 127\.0\.0\.1:(\d+)")[1])
        until(process, "Ctrl-C ends it")
        assert send(port, "nobody@example.test") == 550
        until(process, r"smtp_rcpt\(recipient=nobody@example\.test\) → reject 5\.1\.1 nobody.*\d ms")
        plugin.write_text(plugin.read_text().replace('"nobody"', '"bob"').replace("return", "raise"))
        until(process, "replaced")
        assert send(port, "bob@example.test") == 451
        until(process, r"smtp_rcpt\(recipient=bob@example\.test\) → failed: TypeError: .*  nobody\.py:9 ")
    assert process.returncode == 0


def test_addresses_are_shown_as_asked(tmp_path: Path) -> None:
    with running(NOBODY, "--addresses", "domain") as process:
        port = int(until(process, r"--server 127\.0\.0\.1:(\d+)")[1])
        until(process, "Ctrl-C ends it")
        send(port, "alice@example.test")
        until(process, r"smtp_rcpt\(recipient=…@example\.test\) → -")


def test_what_does_not_load_is_told_with_file_and_line(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(NOBODY.read_text().replace("recipient)", "recipiant)"))
    result = CliRunner().invoke(main, ["plugins", "run", str(plugin)])
    assert result.exit_code == 1
    assert "broken.py:7: smtp_rcpt has no argument 'recipiant'" in result.output
    assert "Did you mean 'recipient'?" in result.output


def test_tests_are_run_with_what_follows_the_path(tmp_path: Path) -> None:
    plugin = str(shutil.copy(NOBODY, tmp_path))
    (tmp_path / "test_nobody.py").write_text(
        "async def test_right(hub):\n    assert (await hub.send(to='nobody@example.test'))[0] == 550\n\n"
        "async def test_wrong():\n    assert False\n\n"
        "async def test_other():\n    assert False\n"
    )
    command = [str(Path(sys.executable).parent / "hub"), "plugins", "test", plugin, "-k", "wrong or right"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "1 failed, 1 passed, 1 deselected" in run.stdout


def test_without_tests_or_pytest_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = str(shutil.copy(NOBODY, tmp_path))
    result = CliRunner().invoke(main, ["plugins", "test", plugin])
    assert result.exit_code == 1
    assert "there is no test_nobody.py beside it. See: hub plugins new" in result.output
    result = CliRunner().invoke(main, ["plugins", "test", str(tmp_path)])
    assert "neither a .py file nor a folder with a pyproject.toml" in result.output
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["plugins", "test", plugin])
    assert "pytest and pytest-asyncio is not installed: pip install 'mail-hub[testing]'" in result.output
