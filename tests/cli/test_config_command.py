"""`hub config check | show | explain | diff`, as an operator and as a script see them."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main

PLUGIN = '''"""Refuses the impolite."""
from pydantic import BaseModel, Field

from hub import Secret

class Settings(BaseModel):
    """How politeness is judged."""

    limit: int = Field(default=5, description="How many are too many.")
    password: Secret = Field(default=Secret(""), description="What the list is fetched with.")
'''
TEXT = (
    '[smtp]\nmax_size = "25MB"\n[hub]\nplugin_dirs = ["mine"]\n'
    '[plugins.polite]\npassword = "hunter2"\nlimit = 7\n'
)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `hub config …` in a folder with a configuration and a folder of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("HUB_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "mine").mkdir(mode=0o755)
    (tmp_path / "mine/polite.py").write_text(PLUGIN)
    (tmp_path / "hub.toml").write_text(TEXT)
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def test_a_right_configuration_passes(run: Run) -> None:
    result = run("config", "check")
    assert (result.output, result.exit_code) == ("hub.toml: no errors\n", 0)
    result = run("config", "check", "--json")
    assert json.loads(result.stdout) == {
        "ok": True,
        "sources": [str(Path("hub.toml").absolute())],
        "errors": [],
    }


def test_the_defaults_pass(run: Run) -> None:
    Path("hub.toml").unlink()
    result = run("config", "check")
    assert (result.output, result.exit_code) == ("no configuration file, the defaults hold: no errors\n", 0)


def test_every_fault_is_printed_and_the_check_fails(run: Run) -> None:
    Path("hub.toml").write_text("[smtp]\nmax_sizes = 1\n[hubb]\n")
    result = run("config", "check")
    assert result.exit_code == 1
    assert result.stdout == (
        "hub.toml:2: smtp.max_sizes: unknown key. Did you mean 'max_size'?\n"
        "hub.toml:3: hubb: unknown key. Did you mean 'hub'?\n"
    )
    assert result.stderr == (
        "2 errors. What a key means: hub config explain KEY\n"
        "What to do: hub errors CODE, of config-unknown-key\n"
    )
    result = run("config", "check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"][0] == {
        "file": "hub.toml",
        "line": 2,
        "key": "smtp.max_sizes",
        "reason": "unknown key",
        "hint": "Did you mean 'max_size'?",
        "code": "config-unknown-key",
    }


def test_the_tables_of_plugins_are_checked_too(run: Run) -> None:
    Path("hub.toml").write_text(TEXT + "limits = 7\n[plugins.polit]\n")
    result = run("config", "check")
    assert result.exit_code == 1
    assert result.stdout == (
        "hub.toml:8: plugins.polite.limits: unknown key. Did you mean 'limit'?\n"
        "hub.toml:9: plugins.polit: there is no plugin 'polit'. Did you mean 'polite'?\n"
    )


def test_a_listener_needs_somebody_who_speaks_its_protocol(run: Run) -> None:
    listener = '[listeners.mx]\nbind = ["127.0.0.1:25"]\nprotocol = "stmp"\n'
    Path("hub.toml").write_text(TEXT + listener)
    result = run("config", "check")
    assert result.exit_code == 1
    assert "hub.toml:10: " in result.output
    assert "no plugin that is enabled speaks stmp. Did you mean 'smtp'?" in result.output
    Path("hub.toml").write_text(TEXT + listener.replace("stmp", "pop3s"))
    assert run("config", "check").exit_code == 0
    told = TEXT.replace("[hub]", '[hub]\nplugins = ["storage-sql", "blobs-segment", "directory-sql"]')
    Path("hub.toml").write_text(told + listener.replace("stmp", "pop3"))
    assert "nobody speaks pop3. Add 'pop3' to [hub] plugins." in run("config", "check").output


def test_a_plugin_that_cannot_be_imported_is_a_fault(run: Run) -> None:
    Path("mine/polite.py").write_text("import os\n\nx = 1 / 0\n")
    result = run("config", "check")
    assert result.exit_code == 1
    assert "polite.py:3: ZeroDivisionError: division by zero" in result.stdout
    shown = run("config", "show")
    assert shown.exit_code == 0
    assert "hunter2" not in shown.output
    explained = run("config", "explain", "plugins.polite.limit")
    assert explained.exit_code == 1
    assert "ZeroDivisionError" in explained.stderr


def test_a_plugin_of_a_source_tree_is_known_by_its_folder(run: Run) -> None:
    tree = Path("trees/other")
    tree.mkdir(parents=True)
    (tree / "pyproject.toml").write_text(
        '[project]\nname = "hub-plugin-other"\nversion = "1"\n'
        '[project.entry-points."hub.plugins"]\nother = "hub_plugin_other"\n'
    )
    (tree / "hub_plugin_other.py").write_text(PLUGIN.replace("limit", "number"))
    Path("hub.toml").write_text('[hub]\nplugins = ["other"]\n[plugins.other]\nnumber = 3\n')
    assert run("config", "check").exit_code == 1
    result = run("config", "--plugins", "trees", "check")
    assert (result.output, result.exit_code) == ("hub.toml: no errors\n", 0)


def test_show_prints_a_file_that_the_hub_reads(run: Run) -> None:
    result = run("config", "show")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "max_size = 25000000 # hub.toml:2" in lines
    assert "limit = 7 # hub.toml:7" in lines
    assert 'password = "********" # hub.toml:6' in lines
    Path("again.toml").write_text(result.stdout)
    assert run("-c", "again.toml", "config", "check").output == "again.toml: no errors\n"
    assert json.loads(run("config", "show", "--json").stdout) == _without_none(
        tomllib.loads(result.stdout), json.loads(run("config", "show", "--json").stdout)
    )


def _without_none(shown: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """What the TOML says, with the keys that JSON has as null."""
    nulls = {name: None for name, value in other.items() if value is None}
    tables = {
        name: _without_none(value, there)
        for name, value in shown.items()
        if isinstance(value, dict) and isinstance(there := other.get(name), dict)
    }
    return {**shown, **nulls, **tables}


def test_a_wrong_configuration_is_not_shown(run: Run) -> None:
    Path("hub.toml").write_text("[hubb]\n")
    for verb in ("show", "diff"):
        result = run("config", verb)
        assert result.exit_code == 1
        assert result.stderr == (
            "Error: the configuration has errors\nhub.toml:1: hubb: unknown key. Did you mean 'hub'?\n"
        )


def test_explain_says_what_a_key_is(run: Run) -> None:
    assert run("config", "explain", "smtp.max_size").output == (
        "smtp.max_size\n"
        "  The largest message accepted, in bytes, as announced by SIZE (RFC 1870).\n"
        '  type:     size: bytes, or text such as "25MB" or "64KiB"\n'
        "  default:  50000000\n"
        "  value:    25000000\n"
        "  from:     hub.toml:2\n"
    )
    assert run("config", "explain", "plugins.polite").output == (
        "plugins.polite\n  How politeness is judged.\n  type:     table\n"
        "  keys:     limit, password, hub\n  from:     hub.toml:5\n"
    )
    assert "  default:  none, it must be given\n" in run("config", "explain", "listeners.x.bind").output
    facts = json.loads(run("config", "explain", "plugins.polite.password", "--json").stdout)
    assert facts == {
        "key": "plugins.polite.password",
        "meaning": "What the list is fetched with.",
        "type": "secret (a secret:// reference, or text)",
        "required": False,
        "default": "********",
        "value": "********",
        "origin": "hub.toml:6",
        "names": [],
    }


def test_explain_helps_where_the_configuration_is_wrong(run: Run) -> None:
    Path("hub.toml").write_text("[smtp]\nmax_sizes = 1\n")
    result = run("config", "explain", "smtp.max_size")
    assert result.exit_code == 0
    assert "hub.toml:2: smtp.max_sizes: unknown key" in result.stderr
    assert "  value:    50000000\n" in result.stdout
    result = run("config", "explain", "smtp.maxsize")
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: there is no key 'smtp.maxsize'. Did you mean 'smtp.max_size'?\n")


def test_diff_prints_what_is_not_the_default(run: Run) -> None:
    result = run("config", "diff")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f'hub.plugin_dirs: ["{Path("home/.local/share/hub/plugins.d").absolute()}"]'
        f' → ["{Path("mine").absolute()}"]  (hub.toml:4)',
        "plugins.polite.limit: 5 → 7  (hub.toml:7)",
        'plugins.polite.password: "********" → "********"  (hub.toml:6)',
        "smtp.max_size: 50000000 → 25000000  (hub.toml:2)",
    ]


def test_diff_prints_what_another_file_would_change(run: Run) -> None:
    Path("new.toml").write_text(TEXT.replace("hunter2", "hunter3").replace("25MB", "26MB"))
    assert run("config", "diff", "new.toml").output == (
        'plugins.polite.password: "********" → "********"  (new.toml:6)\n'
        "smtp.max_size: 25000000 → 26000000  (new.toml:2)\n"
    )
    assert json.loads(run("config", "diff", "new.toml", "--json").stdout)[1] == {
        "key": "smtp.max_size",
        "before": 25000000,
        "after": 26000000,
        "origin": "new.toml:2",
    }
    assert run("config", "diff", "hub.toml").output == ""
