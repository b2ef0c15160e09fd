"""Who may import what, where import-linter cannot look."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(
    path
    for folder in ("plugins", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if path.is_file() and ".venv" not in path.parts
)
CORE = sorted((ROOT / "hub").rglob("*.py"))
HEAVY = (
    "pydantic", "structlog", "sqlalchemy", "alembic", "aiosmtpd", "opentelemetry", "rich", "watchdog",
    "stevedore", "scramp", "yaml", "starlette", "uvicorn", "h11", "anyio", "cryptography", "OpenSSL",
)  # fmt: skip


def imports(path: Path) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(module, names, line) of every import in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", tuple(alias.name for alias in node.names), node.lineno


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_only_the_public_api(path: Path) -> None:
    in_tests = "tests" in path.parts
    for module, names, line in imports(path):
        if module == "hub":
            assert set(names) <= set(hub.__all__), f"{path}:{line}: {names}"
        elif module.startswith("hub."):
            allowed = in_tests and module.startswith("hub.testing")
            assert allowed, f"{path}:{line}: {module} is not the public API"
        elif module.startswith("hub_plugin_"):
            own = next(part for part in path.relative_to(ROOT).parts if part not in ("plugins", "examples"))
            mine = "hub_plugin_" + own.removesuffix(".py").replace("-", "_")
            assert module.split(".")[0] == mine or own == "minimal_package", (
                f"{path}:{line}: {module} is another plugin's"
            )


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_never_imports_the_top_package_or_a_plugin(path: Path) -> None:
    for module, names, line in imports(path):
        assert module != "hub", f"{path}:{line}: import {names} from where they are defined"
        assert not module.startswith("hub_plugin_"), f"{path}:{line}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_has_no_mutable_module_state(path: Path) -> None:
    """No list, set or dict display at module level that the module itself changes, and no `global`."""
    tree = ast.parse(path.read_text("utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]
    mutable = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    changing = (
        "append",
        "add",
        "update",
        "extend",
        "pop",
        "clear",
        "setdefault",
        "remove",
        "insert",
        "discard",
    )
    for node in ast.walk(tree):
        if (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)) or (
            isinstance(node, ast.Attribute) and node.attr in changing
        ):
            named = node.value
        else:
            continue
        assert not (isinstance(named, ast.Name) and named.id in mutable), (
            f"{path}:{node.lineno}: {ast.unparse(node)}"
        )


HELP = "import sys; sys.argv = ['hub', '--help']; from hub.cli.main import main; main(standalone_mode=False)"


@pytest.mark.parametrize("statement", ["import hub", HELP])
def test_importing_the_hub_and_its_help_loads_nothing_heavy(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in run.stderr.split()}
    assert loaded & set(HEAVY) == set()
    assert not [name for name in loaded if name.startswith("hub_plugin_")]


def test_what_a_verb_stands_on_loads_nothing_that_few_verbs_need() -> None:
    code = (
        "import sys, hub.cli.opening, hub.log\n"
        "import hub_plugin_blobs_segment, hub_plugin_directory_sql, hub_plugin_storage_sql\n"
        "hub.log.configure()\n"
        "print('\\n'.join(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"sqlalchemy.dialects.sqlite", "structlog"} <= loaded
    assert loaded & {"dns", "alembic", "sqlalchemy.dialects.postgresql", "rich", "cryptography"} == set()


def test_every_public_name_is_there() -> None:
    for name in hub.__all__:
        assert getattr(hub, name) is not None
    with pytest.raises(AttributeError, match="no public name 'Rejekt'"):
        hub.Rejekt  # noqa: B018 - the access is the test
