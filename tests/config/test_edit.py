"""What the verbs write into a configuration, and what they leave to its owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.config.edit import CannotEdit, disabled, enabled, forgotten
from hub.config.load import Config, load
from hub.config.tables.hub import EMBEDDED_PLUGINS

HUB = """\
# The hub's.
[hub]   # as a whole
hostname = "mail.example.test"
plugins = [
    "storage-sql",     # the index
    "blobs-segment",
    "directory-sql",
    # policy
    "greylist",        # at last
]

[plugins.greylist]     # settings
delay = "1min"

[log]
level = "warning"  # quiet
"""


def config(folder: Path, text: str, name: str = "hub.toml", **environ: str) -> Config:
    file = folder / name
    file.write_text(text)
    return load(file, environ=environ, cwd=folder)


def test_a_plugin_is_enabled_behind_the_others_and_disabled_again_with_all_comments_kept(
    tmp_path: Path,
) -> None:
    edit = enabled(config(tmp_path, HUB), "dnsbl", watched=False)
    assert edit is not None
    edit.write()
    assert (tmp_path / "hub.toml").read_text() == HUB.replace(
        '"greylist",        # at last\n', '"greylist",        # at last\n    "dnsbl",\n'
    )
    assert '+    "dnsbl",\n' in edit.diff
    back = disabled(config(tmp_path, edit.after), "dnsbl", watched=False)
    assert back is not None
    assert back.after == HUB
    edit.undo()
    assert (tmp_path / "hub.toml").read_text() == HUB


def test_mode_and_place_of_the_file_stay_also_behind_a_symbolic_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text(HUB)
    real.chmod(0o640)
    (tmp_path / "hub.toml").symlink_to(real)
    edit = enabled(load(tmp_path / "hub.toml", environ={}, cwd=tmp_path), "dnsbl", watched=False)
    assert edit is not None
    edit.write()
    assert (tmp_path / "hub.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "dnsbl" in real.read_text()


def test_what_a_plugin_folder_enables_is_disabled_by_an_exclamation_mark(tmp_path: Path) -> None:
    found = config(tmp_path, HUB)
    assert enabled(found, "nobody", watched=True) is None
    edit = disabled(found, "nobody", watched=True)
    assert edit is not None
    assert '    "!nobody",\n' in edit.after
    again = enabled(config(tmp_path, edit.after), "nobody", watched=True)
    assert again is not None
    assert again.after == HUB


def test_nothing_is_written_when_it_is_so_already(tmp_path: Path) -> None:
    found = config(tmp_path, HUB)
    assert enabled(found, "greylist", watched=False) is None
    assert disabled(found, "dnsbl", watched=False) is None
    assert forgotten(found, "dnsbl") == []


def test_list_and_table_of_a_plugin_that_is_removed_go_in_one_edit(tmp_path: Path) -> None:
    (edit,) = forgotten(config(tmp_path, HUB), "greylist")
    assert "greylist" not in edit.after
    assert '[log]\nlevel = "warning"  # quiet\n' in edit.after
    assert edit.before == HUB


def test_without_a_list_the_embedded_one_is_written_out_first(tmp_path: Path) -> None:
    edit = enabled(config(tmp_path, '[hub]\nhostname = "h.example.test"\n'), "dnsbl", watched=False)
    assert edit is not None
    for name in (*EMBEDDED_PLUGINS, "dnsbl"):
        assert f'"{name}"' in edit.after
    edit = enabled(config(tmp_path, "# nothing yet\n"), "dnsbl", watched=False)
    assert edit is not None
    assert edit.after.startswith("# nothing yet\n")
    assert load(_written(edit.after, tmp_path), environ={}, cwd=tmp_path).settings.hub.plugins[-1] == "dnsbl"


def _written(text: str, folder: Path) -> Path:
    (folder / "hub.toml").write_text(text)
    return folder / "hub.toml"


def test_the_included_file_that_has_the_list_is_the_one_that_is_changed(tmp_path: Path) -> None:
    (tmp_path / "plugins.toml").write_text(
        '[hub]\nplugins = ["storage-sql", "blobs-segment", "directory-sql"]\n'
    )
    edit = enabled(config(tmp_path, 'include = ["plugins.toml"]\n'), "dnsbl", watched=False)
    assert edit is not None
    assert edit.path == tmp_path / "plugins.toml"


def test_yaml_is_left_to_its_owner_with_the_line_to_write(tmp_path: Path) -> None:
    found = config(tmp_path, "hub:\n  plugins: [storage-sql, blobs-segment, directory-sql]\n", "hub.yaml")
    with pytest.raises(
        CannotEdit, match=r'hub.yaml:2: only TOML is changed here; .*: plugins = \[.*"dnsbl"\]'
    ):
        enabled(found, "dnsbl", watched=False)


def test_what_stands_in_the_environment_or_nowhere_is_said(tmp_path: Path) -> None:
    listed = '["storage-sql", "blobs-segment", "directory-sql"]'
    found = config(tmp_path, HUB, HUB__HUB__PLUGINS=listed)
    with pytest.raises(CannotEdit, match="HUB__HUB__PLUGINS"):
        enabled(found, "dnsbl", watched=False)
    with pytest.raises(CannotEdit, match=r"there is no configuration file \(hub init writes one\)"):
        enabled(
            load(environ={"HOME": str(tmp_path / "home")}, cwd=tmp_path / "empty"), "dnsbl", watched=False
        )
