"""Plugins are imported anew, all or nothing, past every cache."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.loading import importing
from hub.loading.catalogue import scan
from hub.loading.importing import FreshImport, Loaded, PluginFinder, Wanted, restore, withdraw

PYPROJECT = """
[project]
name = "hub-plugin-pack"
version = "1"
[project.entry-points."hub.plugins"]
pack = "hub_plugin_pack"
"""


@pytest.fixture
def finder() -> Iterator[PluginFinder]:
    finder = PluginFinder()
    finder.install()
    modules = set(sys.modules)
    path = list(sys.path)
    yield finder
    finder.uninstall()
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _with_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def fresh(finder: PluginFinder, folder: Path, *names: str) -> FreshImport:
    sources = scan([folder], [], []).sources
    return FreshImport(finder, [Wanted(sources[name], sources[name].digest()) for name in names or sources])


def load(finder: PluginFinder, folder: Path) -> Loaded:
    (loaded,), errors = fresh(finder, folder).run()
    assert not errors
    return loaded


def package(folder: Path, **files: str) -> None:
    root = folder / "pack" / "hub_plugin_pack"
    root.mkdir(parents=True, exist_ok=True)
    (root.parent / "pyproject.toml").write_text(PYPROJECT)
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)


def test_a_file_is_a_module_of_the_plugin_s_name_and_shadows_nothing(
    finder: PluginFinder, tmp_path: Path
) -> None:
    import email

    (tmp_path / "email.py").write_text('"""Summary.\n\nMore."""\nimport email\nVALUE = email.__file__')
    loaded = load(finder, tmp_path)
    assert loaded.module.__name__ == "hub_plugin_email"
    assert email.__file__ == loaded.module.VALUE
    assert loaded.summary == "Summary."
    assert str(tmp_path) not in sys.path
    assert [path.name for path in tmp_path.iterdir()] == ["email.py"]


@pytest.mark.proves("plugins: what was saved last is what runs, even twice in one second")
def test_two_saves_of_one_length_in_one_second_are_two_versions(finder: PluginFinder, tmp_path: Path) -> None:
    package(tmp_path, __init__="from hub_plugin_pack.text import T", text="T = 'one'")
    text = tmp_path / "pack" / "hub_plugin_pack" / "text.py"
    os.utime(text, (1_000_000_000, 1_000_000_000))
    assert load(finder, tmp_path).module.T == "one"
    text.write_text("T = 'two'")
    os.utime(text, (1_000_000_000, 1_000_000_000))
    assert load(finder, tmp_path).module.T == "two"


def _compiling(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are compiled from now on, as in a process that has imported nothing yet."""
    importing._code.cache_clear()
    compiled: list[str] = []

    def counting(text: bytes, path: str, *mode: Any, **options: Any) -> Any:
        compiled.append(Path(path).name)
        return compile(text, path, *mode, **options)

    monkeypatch.setattr(importing, "compile", counting, raising=False)
    return compiled


def test_the_next_process_compiles_only_what_was_saved(
    finder: PluginFinder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, __init__="from hub_plugin_pack.text import T", text="T = 'one'")
    load(finder, tmp_path)
    (tmp_path / "pack" / "hub_plugin_pack" / "text.py").write_text("T = 'two'")
    compiled = _compiling(monkeypatch)
    assert load(finder, tmp_path).module.T == "two"
    assert compiled == ["text.py"]


@pytest.mark.parametrize("spoilt", ["cut short", "of others", "moved"])
def test_what_was_compiled_is_used_only_whole_ours_and_where_it_was_made(
    finder: PluginFinder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    package(tmp_path, __init__="T = 'one'")
    load(finder, tmp_path)
    tree = tmp_path / "pack"
    (kept,) = tree.rglob("*.pyc")
    if spoilt == "cut short":
        kept.write_bytes(kept.read_bytes()[:-5])
    elif spoilt == "of others":
        kept.chmod(0o666)
    else:
        tree.rename(tmp_path / "elsewhere")
    compiled = _compiling(monkeypatch)
    assert load(finder, tmp_path).module.T == "one"
    assert compiled == ["__init__.py"]


def test_the_standard_loader_would_have_served_the_stale_one(tmp_path: Path) -> None:
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_file_location

    def value() -> object:
        spec = spec_from_file_location("stale", file, loader=SourceFileLoader("stale", str(file)))
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.T

    file = tmp_path / "stale.py"
    for text in ("T = 'one'", "T = 'two'"):
        file.write_text(text)
        os.utime(file, (1_000_000_000, 1_000_000_000))
        assert value() == "one"


def test_submodules_are_replaced_too_and_the_old_ones_stay_whole(
    finder: PluginFinder, tmp_path: Path
) -> None:
    package(tmp_path, __init__="from hub_plugin_pack import text\ndef say(): return text.T", text="T = 1")
    old = load(finder, tmp_path)
    package(tmp_path, text="T = 2")
    new = load(finder, tmp_path)
    assert (old.module.say(), new.module.say()) == (1, 2)
    assert sys.modules["hub_plugin_pack.text"] is new.modules["hub_plugin_pack.text"]
    assert old.modules["hub_plugin_pack.text"].T == 1


def test_a_module_that_is_imported_late_is_fresh_as_well(finder: PluginFinder, tmp_path: Path) -> None:
    package(
        tmp_path,
        __init__="def say():\n    from hub_plugin_pack.late import T\n    return T",
        late="T = 'one'",
    )
    assert load(finder, tmp_path).module.say() == "one"
    package(tmp_path, late="T = 'two'")
    assert load(finder, tmp_path).module.say() == "two"


def test_a_failed_import_is_undone_to_the_last_submodule(finder: PluginFinder, tmp_path: Path) -> None:
    package(tmp_path, __init__="import hub_plugin_pack.text", text="T = 1")
    old = load(finder, tmp_path)
    package(tmp_path, __init__="import hub_plugin_pack.more, hub_plugin_pack.text\n1 / 0", more="")
    transaction = fresh(finder, tmp_path)
    loaded, (error,) = transaction.run()
    assert not loaded
    assert str(error) == "hub_plugin_pack/__init__.py:2: ZeroDivisionError: division by zero"
    transaction.undo()
    assert {name: sys.modules[name] for name in sys.modules if "hub_plugin_pack" in name} == dict(old.modules)


def test_undoing_a_first_import_leaves_nothing(finder: PluginFinder, tmp_path: Path) -> None:
    (tmp_path / "deny.py").write_text("")
    transaction = fresh(finder, tmp_path)
    assert not transaction.run()[1]
    transaction.undo()
    assert "hub_plugin_deny" not in sys.modules
    assert finder.find_spec("hub_plugin_deny", None) is None


def test_every_error_of_several_plugins_is_reported_at_once(finder: PluginFinder, tmp_path: Path) -> None:
    for name in ("aaa", "bbb"):
        (tmp_path / f"{name}.py").write_text("\n\ndef f(:")
    (tmp_path / "good.py").write_text("")
    loaded, errors = fresh(finder, tmp_path).run()
    assert [each.source.name for each in loaded] == ["good"]
    assert [(error.plugin, error.line) for error in errors] == [("aaa", 3), ("bbb", 3)]


def test_stash_keys_are_named_after_plugin_and_variable(finder: PluginFinder, tmp_path: Path) -> None:
    package(
        tmp_path,
        __init__="from hub import StashKey\nfrom hub_plugin_pack.keys import INNER\nOUTER = StashKey()",
        keys="from hub import StashKey\nINNER = StashKey()",
    )
    module = load(finder, tmp_path).module
    assert (module.INNER.name, module.OUTER.name) == ("pack.INNER", "pack.OUTER")
    assert module.INNER.module == "hub_plugin_pack"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("from pydantic import BaseModel\nclass Settings(BaseModel):\n    n: int = 1", {"n"}),
        ("class Settings:\n    n = 1", None),
        ("Settings = 3", None),
        ("", None),
    ],
)
def test_settings_are_a_pydantic_model_of_that_name(
    finder: PluginFinder, tmp_path: Path, text: str, fields: set[str] | None
) -> None:
    (tmp_path / "deny.py").write_text(text)
    model = load(finder, tmp_path).settings
    assert (model and set(model.model_fields)) == fields


def test_an_earlier_version_can_be_made_the_current_one_again(finder: PluginFinder, tmp_path: Path) -> None:
    package(tmp_path, __init__="V = 1", only_old="")
    old = load(finder, tmp_path)
    package(tmp_path, __init__="V = 2\nimport hub_plugin_pack.only_new", only_new="")
    new = load(finder, tmp_path)
    restore(finder, old)
    assert sys.modules["hub_plugin_pack"] is old.module
    assert "hub_plugin_pack.only_new" not in sys.modules
    restore(finder, new)
    assert sys.modules["hub_plugin_pack"] is new.module
    withdraw(finder, new)
    assert not [name for name in sys.modules if name.startswith("hub_plugin_pack")]


def test_libraries_in_a_plugin_s_folder_come_after_the_hub_s_own(
    finder: PluginFinder, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    info = folder / "hub_plugin_lib-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hub-plugin-lib\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hub.plugins]\nlib = hub_plugin_lib\n")
    (folder / "hub_plugin_lib.py").write_text("import only_here, json\nA, B = only_here.A, json.__file__")
    (folder / "only_here.py").write_text("A = 1")
    (folder / "json.py").write_text("raise RuntimeError('not this one')")
    module = load(finder, tmp_path).module
    assert module.A == 1
    assert sys.path[-1] == str(folder)
