"""Which plugins there are, from where, and which of two of the same name is taken."""

import base64
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from hub.loading import trust
from hub.loading.catalogue import Catalogue, scan
from hub.loading.sources import Kind, SourceError, file_plugin_name

TREE = """
[project]
name = "hub-plugin-{name}"
{version}
dependencies = ["mail-hub"]
[project.entry-points."hub.plugins"]
{name} = "{module}"
"""


def tree(root: Path, name: str, *, src: bool = False, package: bool = False, version: str = '"1.2"') -> Path:
    """A source tree as its author has it."""
    module = "hub_plugin_" + name.replace("-", "_")
    base = root / "src" if src else root
    base.mkdir(parents=True)
    text = TREE.format(name=name, version=f"version = {version}", module=module)
    if not version.startswith('"'):
        text = TREE.format(name=name, version='dynamic = ["version"]', module=module)
        text += f'[tool.hatch.version]\npath = "{version}"\n'
    (root / "pyproject.toml").write_text(text)
    if package:
        (base / module).mkdir()
        (base / module / "__init__.py").write_text("raise RuntimeError('imported')")
    else:
        (base / f"{module}.py").write_text("raise RuntimeError('imported')")
    return root


def installed(
    folder: Path, name: str, version: str = "2.0", *, text: str = "raise RuntimeError", stale: bool = False
) -> None:
    """What `pip install --target` leaves of a distribution of one module."""
    module = "hub_plugin_" + name.replace("-", "_")
    info = folder / f"hub_plugin_{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    if not stale:
        (folder / f"{module}.py").write_text(text)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hub-plugin-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[hub.plugins]\n{name} = {module}\n")
    (info / "RECORD").write_text(f"{module}.py,sha256={digest},{len(text)}\n{info.name}/METADATA,,\n")


def found(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    return {name: (str(source.kind), source.version) for name, source in catalogue.sources.items()}


def test_every_form_of_a_source_is_found_and_none_imported(tmp_path: Path) -> None:
    watched, trees, site = tmp_path / "watched", tmp_path / "trees", tmp_path / "site"
    watched.mkdir()
    (watched / "one_file.py").write_text("raise RuntimeError")
    tree(watched / "here", "in-folder")
    installed(watched, "targeted")
    installed(watched / "own-folder", "alone")
    tree(trees / "flat", "flat")
    tree(trees / "src", "src-layout", src=True)
    tree(trees / "package", "package", package=True, src=True)
    installed(site, "installed")
    before = set(sys.modules)
    catalogue = scan([watched], [trees], [str(site)])
    assert found(catalogue) == {
        "one-file": ("file", hashlib.sha256(b"raise RuntimeError").hexdigest()[:8]),
        "in-folder": ("source tree", "1.2"),
        "targeted": ("installed", "2.0"),
        "alone": ("installed", "2.0"),
        "flat": ("source tree", "1.2"),
        "src-layout": ("source tree", "1.2"),
        "package": ("source tree", "1.2"),
        "installed": ("installed", "2.0"),
    }
    assert catalogue.watched == {"one-file", "in-folder", "targeted", "alone"}
    assert not catalogue.problems
    assert not catalogue.doubts
    for source in catalogue.sources.values():
        assert source.digest()
        assert source.distribution.requires in (None, [], ["mail-hub"])
    assert {name for name in set(sys.modules) - before if "plugin" in name} == set()


def test_a_file_beats_a_source_tree_beats_an_installed_one_and_the_others_are_reported(
    tmp_path: Path,
) -> None:
    watched, trees, site = tmp_path / "watched", tmp_path / "trees", tmp_path / "site"
    watched.mkdir()
    (watched / "deny_list.py").write_text("")
    tree(trees / "deny-list", "deny-list")
    installed(site, "deny-list")
    catalogue = scan([watched], [trees], [str(site)])
    assert catalogue.sources["deny-list"].kind is Kind.FILE
    assert [(each.source.kind, each.by.kind) for each in catalogue.shadowed] == [
        (Kind.TREE, Kind.FILE),
        (Kind.INSTALLED, Kind.FILE),
    ]
    (watched / "deny_list.py").unlink()
    assert scan([watched], [trees], [str(site)]).sources["deny-list"].kind is Kind.TREE


def test_an_editable_install_counts_as_its_source_tree(tmp_path: Path) -> None:
    site, trees = tmp_path / "site", tmp_path / "trees"
    root = tree(trees / "with space", "deny-list", version='"9"')
    installed(site, "deny-list", text="")
    (site / "hub_plugin_deny_list.py").unlink()
    info = site / "hub_plugin_deny_list-2.0.dist-info"
    (info / "direct_url.json").write_text(f'{{"url": "{root.as_uri()}", "dir_info": {{"editable": true}}}}')
    alone = scan([], [], [str(site)])
    assert found(alone) == {"deny-list": ("source tree", "9")}
    assert alone.sources["deny-list"].base == root
    both = scan([], [trees], [str(site)])
    assert not both.shadowed  # one and the same


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('__version__ = "3.1"', "3.1"),
        ("# VERSION\nVERSION = 'v4'\nraise RuntimeError('executed')", "4"),
        ('__version__: str = "5"', "5"),
        ("version = compute()", "0"),
    ],
)
def test_a_dynamic_version_is_read_from_its_file_and_never_executed(
    tmp_path: Path, text: str, version: str
) -> None:
    root = tree(tmp_path / "trees" / "x", "x", version="../version.py")
    (root.parent / "version.py").write_text(text)
    assert scan([], [tmp_path / "trees"], []).sources["x"].version == version


def test_what_changes_is_read_anew_and_nothing_else(tmp_path: Path) -> None:
    site, root = tmp_path / "site", tree(tmp_path / "tree", "edited", version="edited.txt")
    (root / "edited.txt").write_text("version = '1.0'")
    installed(site, "late")
    installed(site, "newer")
    installed(site, "edited")
    links = json.dumps({"url": root.as_uri(), "dir_info": {"editable": True}})
    (site / "hub_plugin_edited-2.0.dist-info" / "direct_url.json").write_text(links)
    late = site / "hub_plugin_late-2.0.dist-info" / "entry_points.txt"
    said = late.read_text()
    late.write_text("[console_scripts]\n")

    def look() -> dict[str, str]:
        sources = scan((), path=[str(site)]).sources
        return {name: source.version for name, source in sources.items()}

    assert look() == look() == {"newer": "2.0", "edited": "1.0"}
    late.write_text(said)
    (site / "hub_plugin_newer-2.0.dist-info" / "METADATA").write_text(
        "Name: hub-plugin-newer\nVersion: 2.1\n"
    )
    (root / "edited.txt").write_text("version = '1.1'")
    assert look() == {"newer": "2.1", "edited": "1.1", "late": "2.0"}


def test_a_module_that_an_installed_neighbour_claims_is_no_plugin(tmp_path: Path) -> None:
    installed(tmp_path, "targeted")
    (tmp_path / "hub_plugin_other.py").write_text("")
    catalogue = scan([tmp_path], [], [])
    assert found(catalogue).keys() == {"targeted", "other"}
    assert catalogue.sources["targeted"].kind is Kind.INSTALLED
    assert not catalogue.shadowed


def test_of_two_versions_in_a_folder_the_one_whose_hashes_match_wins(tmp_path: Path) -> None:
    installed(tmp_path, "x", "9.0", text="old", stale=True)
    installed(tmp_path, "x", "1.0", text="new")
    assert found(scan([tmp_path], [], [])) == {"x": ("installed", "1.0")}
    (tmp_path / "hub_plugin_x.py").write_text("edited by hand")
    catalogue = scan([tmp_path], [], [])
    assert not catalogue.sources
    assert "is there 2 times and none is whole" in str(catalogue.problems[0])


@pytest.mark.parametrize("name", ["_private.py", ".hidden.py", "notes.txt", "deny.py~", ".#deny.py"])
def test_what_editors_and_people_leave_lying_is_no_plugin(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    catalogue = scan([tmp_path], [], [])
    assert not catalogue.sources
    assert not catalogue.problems


def test_names_are_checked(tmp_path: Path) -> None:
    assert file_plugin_name(Path("hub_plugin_deny_list.py")) == "deny-list"
    for name in ("Deny.py", "deny list.py", "dény.py", "deny__list.py"):
        with pytest.raises(SourceError, match="is no name for a plugin"):
            file_plugin_name(Path(name))
    (tmp_path / "Deny.py").write_text("")
    assert "'Deny' is no name for a plugin" in str(scan([tmp_path], [], []).problems[0])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("[project", "Expected"),
        ("", "no [project] table"),
        ('[project]\nname = "x"\n[project.entry-points]\n"hub.plugins" = 3', "does not consist of tables"),
        (TREE.format(name="x", version="", module="hub_plugin_x"), "neither hub_plugin_x.py nor"),
        (TREE.format(name="x", version="", module="hub_plugin_x:attr"), "must name a module"),
        (TREE.format(name="X_y", version="", module="hub_plugin_x"), "'X_y' is no name for a plugin"),
    ],
)
def test_a_tree_with_wrong_metadata_is_a_problem_where_it_is_enabled_and_a_doubt_elsewhere(
    tmp_path: Path, document: str, reason: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "pyproject.toml").write_text(document)
    assert reason in str(scan([tmp_path], [], []).problems[0])
    assert reason in str(scan([], [tmp_path], []).doubts[0])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("entry_points.txt", b"[hub.plugins]\nno equals sign"),
        ("entry_points.txt", b"[hub.plugins]\nx = \xff\xfe"),
        ("METADATA", b""),
        ("direct_url.json", b"{"),
        ("direct_url.json", b"[1, 2]"),
        ("RECORD", b"\xff"),
    ],
)
def test_broken_metadata_of_one_distribution_hides_no_other(tmp_path: Path, file: str, text: bytes) -> None:
    installed(tmp_path, "x")
    installed(tmp_path, "good")
    (tmp_path / "hub_plugin_x-2.0.dist-info" / file).write_bytes(text)
    for catalogue in (scan([tmp_path], [], []), scan([], [tmp_path], []), scan([], [], [str(tmp_path)])):
        assert "good" in catalogue.sources
        assert "x" in catalogue.sources or catalogue.problems or catalogue.doubts


def test_a_source_tree_of_something_else_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "pyproject.toml").write_text('[project]\nname = "something"\nversion = "1"')
    catalogue = scan([tmp_path], [], [])
    assert not catalogue.sources
    assert not catalogue.problems


def test_a_folder_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    assert not scan([tmp_path / "missing"], [tmp_path / "missing too"], []).sources


# -- who else could write it


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "deny.py"
    file.write_text("")
    file.chmod(mode)
    catalogue = scan([tmp_path], [], [])
    assert not catalogue.sources
    assert f"the plugin is refused: others can write it (mode {mode:04o}); run: chmod go-w {file}" in str(
        catalogue.problems[0]
    )


def test_so_is_a_folder_and_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "deny.py").write_text("")
    tmp_path.chmod(0o777)
    catalogue = scan([tmp_path], [], [])
    assert not catalogue.sources
    assert "the plugin folder is refused" in str(catalogue.problems[0])


def test_and_a_module_deep_inside_a_tree(tmp_path: Path) -> None:
    root = tree(tmp_path / "x", "x", package=True)
    (root / "hub_plugin_x" / "more.py").write_text("")
    (root / "hub_plugin_x" / "more.py").chmod(0o606)
    assert "hub_plugin_x/more.py: others can write it" in str(scan([tmp_path], [], []).problems[0])


def test_a_group_counts_as_others_unless_it_is_the_owner_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deny.py").write_text("")
    (tmp_path / "deny.py").chmod(0o664)
    monkeypatch.setattr(trust, "_is_private", lambda gid, uid: True)
    assert trust.why_untrusted(tmp_path / "deny.py") is None
    monkeypatch.setattr(trust, "_is_private", lambda gid, uid: False)
    assert "mode 0664" in str(trust.why_untrusted(tmp_path / "deny.py"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused_and_of_a_group_with_members_too(tmp_path: Path) -> None:
    file = tmp_path / "deny.py"
    file.write_text("")
    file.chmod(0o600)
    os.chown(file, 12345, 0)
    assert (
        trust.why_untrusted(file) == "it belongs to user 12345, not to root or to the user that runs the hub"
    )
    os.chown(file, 0, 12345)
    file.chmod(0o660)
    assert "mode 0660" in str(trust.why_untrusted(file))


# -- what is active


def active(catalogue: Catalogue, *listed: str, chosen: tuple[str, ...] = ()) -> list[str]:
    sources, errors = catalogue.active(listed, chosen)
    assert not errors, errors
    return [source.name for source in sources]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    for name in ("bbb", "aaa"):
        watched = tmp_path / "watched"
        watched.mkdir(exist_ok=True)
        (watched / f"{name}.py").write_text("")
    for name in ("deny-list", "clamav", "storage"):
        installed(tmp_path / "site", name)
    return scan([tmp_path / "watched"], [], [str(tmp_path / "site")])


def test_listed_ones_run_in_order_then_what_lies_in_the_folder_by_name(catalogue: Catalogue) -> None:
    assert active(catalogue) == ["aaa", "bbb"]
    assert active(catalogue, "deny-list", "clamav") == ["deny-list", "clamav", "aaa", "bbb"]
    assert active(catalogue, "bbb", "clamav") == ["bbb", "clamav", "aaa"]


def test_an_exclamation_mark_disables_what_the_folder_would_enable(catalogue: Catalogue) -> None:
    assert active(catalogue, "!aaa") == ["bbb"]


def test_a_chosen_driver_is_active_first_unless_it_is_listed(catalogue: Catalogue) -> None:
    assert active(catalogue, "clamav", chosen=("storage", "storage")) == ["storage", "clamav", "aaa", "bbb"]
    assert active(catalogue, "clamav", "storage", chosen=("storage",))[:2] == ["clamav", "storage"]
    _, errors = catalogue.active(["!storage"], ["storage"])
    assert "disables the plugin of a driver" in str(errors[0])


def test_an_unknown_name_is_an_error_with_the_nearest_one(catalogue: Catalogue) -> None:
    _, errors = catalogue.active(["deny_lst", "!clmav"], [])
    assert [str(error) for error in errors] == [
        "deny_lst: there is no plugin 'deny_lst'. Did you mean 'deny-list'?",
        "clmav: there is no plugin 'clmav'. Did you mean 'clamav'?",
    ]


def test_a_listed_plugin_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "trees" / "broken-tree").mkdir(parents=True)
    (tmp_path / "trees" / "broken-tree" / "pyproject.toml").write_text("[project")
    installed(tmp_path / "site", "half-there")
    (tmp_path / "site" / "hub_plugin_half_there.py").unlink()
    _, errors = scan([], [tmp_path / "trees"], [str(tmp_path / "site")]).active(
        ["broken-tree", "half-there"], []
    )
    assert "broken-tree: Expected" in str(errors[0])
    assert "neither hub_plugin_half_there.py nor" in str(errors[1])
