"""`hub plugins check` finds what is wrong with a plugin, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.testing.checking import check
from hub.testing.checking.metadata import metadata_faults
from hub.testing.project import open_project

PYPROJECT, MODULE, README = "pyproject.toml", "hub_plugin_mine.py", "README.md"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A new plugin."""
    made = CliRunner().invoke(main, ["plugins", "new", "mine", "--directory", str(tmp_path)])
    assert made.exit_code == 0
    return tmp_path / "mine"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            PYPROJECT,
            "hub-plugin-mine",
            "my-plugin",
            "pyproject.toml:6: the distribution is named 'my-plugin', but its plugin 'mine'."
            ' Say: name = "hub-plugin-mine"',
        ),
        (
            PYPROJECT,
            "[dependency-groups]",
            '[project.entry-points."hub.storge"]\nmine = "hub_plugin_mine:X"\n\n[dependency-groups]',
            "pyproject.toml:18: the hub reads no entry points 'hub.storge'. Did you mean 'hub.storage'?",
        ),
        (
            PYPROJECT,
            "[dependency-groups]",
            '[project.entry-points."hub.storage"]\nyours = "hub_plugin_mine:X"\n\n[dependency-groups]',
            "pyproject.toml:19: a driver has its plugin's name, and 'yours' is not 'mine'. Say: mine = …",
        ),
        (PYPROJECT, '["mail-hub"]', "[]", 'it does not require the hub. Say: dependencies = ["mail-hub"]'),
        (PYPROJECT, 'readme = "README.md"\n', "", "the README is not shipped. Say: readme"),
        (README, "# hub-plugin-mine", "# Mine", "README.md:1: its first line is not '# hub-plugin-mine'"),
    ],
)
def test_what_the_files_say_wrongly_is_told_with_line_and_remedy(
    mine: Path, file: str, old: str, new: str, said: str
) -> None:
    change(mine / file, old, new)
    [fault] = metadata_faults(open_project(mine))
    assert said in str(fault)


def test_hooks_settings_and_docs_are_held_against_the_code(mine: Path) -> None:
    change(mine / README, "`refuse`", "it")
    change(mine / MODULE, ', description="Refuse whoever asks."', "")
    change(mine / MODULE, "return None", "return {}['key']")
    change(mine / MODULE, "@hookimpl\n", "def smtp_mail():\n    pass\n\n\n@hookimpl\n")
    found = list(map(str, check(mine, types=False)))
    assert [each.partition(". ")[0] for each in found] == [
        "hub_plugin_mine.py:17: smtp_mail is not marked with @hookimpl and will not run.",
        "hub_plugin_mine.py:14: the setting 'refuse' has no description",
        "README.md: it does not name the setting 'refuse'",
        "hub_plugin_mine.py:32: smtp_rcpt fails on a plain mail: KeyError: 'key'",
    ]


def test_a_misspelt_hook_is_told_with_the_nearest(mine: Path) -> None:
    change(mine / MODULE, "async def smtp_rcpt(", "async def smtp_rctp(")
    [fault] = check(mine, types=False)
    assert "hub_plugin_mine.py:18: there is no hook 'smtp_rctp'. Did you mean 'smtp_rcpt'?" in str(fault)


LEAKS = """
@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    loop = asyncio.get_running_loop()
    loop.create_task(forever())
    threading.Thread(target=wait, name="worker", daemon=True).start()
    OPEN.append(socket.socket())
    OPEN.append(open("/etc/passwd"))


async def forever() -> None:
    await asyncio.sleep(999)


def wait() -> None:
    threading.Event().wait()
"""


@pytest.mark.proves("plugins: `hub plugins check` finds what a plugin leaves behind, and its line")
def test_what_is_left_behind_is_told_with_the_line_that_opened_it(mine: Path) -> None:
    change(mine / MODULE, "from hub", "import asyncio\nimport socket\nimport threading\n\nfrom hub")
    change(mine / MODULE, "\n\n\nclass Settings", "\n\nOPEN = []\n\n\nclass Settings")
    path = mine / MODULE
    path.write_text(path.read_text() + LEAKS)
    lines = path.read_text().splitlines()
    found = {}
    for fault in check(mine, types=False):
        assert fault.area == "leaks"
        found[fault.reason.partition(":")[0]] = "" if fault.line is None else lines[fault.line - 1].strip()
    assert found == {
        "a task is left running": "await asyncio.sleep(999)",
        "a thread is left running": "threading.Event().wait()",
        "a socket is left open": "OPEN.append(socket.socket())",
        "the file /etc/passwd is left open": 'OPEN.append(open("/etc/passwd"))',
    }


def test_a_plugin_that_ends_the_process_is_told(mine: Path) -> None:
    change(mine / MODULE, "class Settings", "import os\n\nos._exit(3)\n\n\nclass Settings")
    [fault] = check(mine, types=False)
    assert "mine: the process that has loaded it ends with 3" in str(fault)


def test_types_are_checked_where_mypy_is_installed(tmp_path: Path) -> None:
    plugin = tmp_path / "wrong.py"
    plugin.write_text('"""Wrong."""\n\n\ndef double(number: int) -> int:\n    return str(number)\n')
    [fault] = check(plugin)
    assert (fault.area, fault.file, fault.line) == ("types", "wrong.py", 5)
    assert "Incompatible return value type" in fault.reason


def test_the_faults_come_as_json_with_an_exit_code(tmp_path: Path) -> None:
    plugin = tmp_path / "silent.py"
    plugin.write_text("from hub import hookimpl\n")
    result = CliRunner().invoke(main, ["plugins", "check", "--no-types", "--json", str(plugin)])
    assert result.exit_code == 1
    assert json.loads(result.output) == [
        {
            "area": "docs",
            "file": "silent.py",
            "line": 1,
            "reason": "the module has no docstring",
            "hint": "Its first line is what hub plugins shows",
            "is_warning": False,
        }
    ]


def test_what_is_no_plugin_is_a_fault_too(tmp_path: Path) -> None:
    [fault] = check(tmp_path)
    assert "is neither a .py file nor a folder with a pyproject.toml. See: hub plugins new" in str(fault)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    [fault] = check(tmp_path)
    assert 'it has no entry point in [project.entry-points."hub.plugins"]' in str(fault)
