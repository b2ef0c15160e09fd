"""Rules that hold for every hook, so that none is added by halves."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from hub.hooks.areas import SPECS
from hub.hooks.markers import Mode, SpecOptions

ROOT = Path(__file__).parent.parent
FIRST_NAMES = re.compile(r"(smtp|imap|listener)_[a-z]+|authenticate|(resolve|publish)_[a-z_]+")
NAMES = {
    Mode.NOTIFY: re.compile(
        r"[a-z]+_(opened|closed|accepted|refused|delivered|sent|deferred|bounced|changed|reloaded|succeeded"
        r"|failed|recorded|traced|alarmed|negotiated|received)"
    ),
    Mode.FIRST: FIRST_NAMES,
    Mode.COLLECT: re.compile(r"(check|send)_[a-z_]+"),
    Mode.CHAIN: re.compile(r"rewrite_[a-z_]+"),
    Mode.GATHER: re.compile(r"provide_[a-z_]+"),
    Mode.OWN: re.compile(r"plugin_[a-z_]+"),
}


def options(name: str) -> SpecOptions:
    found = vars(SPECS[name])["hub_spec_options"]
    assert isinstance(found, SpecOptions)
    return found


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_is_a_documented_annotated_function_without_a_body(name: str) -> None:
    spec = SPECS[name]
    assert (inspect.getdoc(spec) or "").strip().endswith((".", '"', ")", "]", "`")), (
        "the docstring is the manual"
    )
    hints = get_type_hints(spec)
    assert set(inspect.signature(spec).parameters) | {"return"} == set(hints), "fully annotated"
    assert next(iter(inspect.signature(spec).parameters)) == "plugin"
    tree = ast.parse(inspect.getsource(spec)).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    assert len(tree.body) == 1, "an empty body"


@pytest.mark.parametrize("name", SPECS)
def test_the_name_of_a_hook_tells_its_mode(name: str) -> None:
    assert NAMES[options(name).mode].fullmatch(name)


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_stands_exactly_once_in_the_mail_flow(name: str) -> None:
    text = (ROOT / "docs" / "mail-flow.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    assert rows[0].split("|")[2].strip() == options(name).mode.name


def test_the_mail_flow_names_no_hook_that_is_not_there() -> None:
    text = (ROOT / "docs" / "mail-flow.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(SPECS)


def implemented(path: Path) -> set[str]:
    """The functions of a module that are marked with hookimpl."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
            if any(isinstance(mark, ast.Name) and mark.id == "hookimpl" for mark in marks):
                found.add(node.name)
    return found


def test_every_hook_is_implemented_by_a_shipped_plugin() -> None:
    modules = [path for path in ROOT.glob("plugins/*/hub_plugin_*") if path.suffix == ".py"]
    modules += ROOT.glob("plugins/*/hub_plugin_*/**/*.py")
    assert set(SPECS) - set().union(*map(implemented, modules)) == set()
