"""`hub db`, as operators and scripts use it, on the installed storage."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.control import ControlServer

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Run:
    """Run `hub …` with data beside the configuration; what it prints is in `stdout` and `stderr`."""
    path = tmp_path / "hub.toml"
    path.write_text(f'[hub]\ndata_dir = "{data}"\n')
    return lambda *words, text=None: CliRunner().invoke(main, ["--config", str(path), *words], input=text)


def revisions(run: Run) -> dict[str, tuple[str | None, str]]:
    """Branch → what the database has, what the code needs."""
    result = run("db", "status", "--json")
    assert result.exit_code == 0, result.output
    return {each["branch"]: (each["current"], each["head"]) for each in json.loads(result.stdout)}


def test_the_storages_branch_comes_first_and_every_plugin_with_tables_has_one(run: Run) -> None:
    assert list(revisions(run)) == ["storage-sql", "directory-sql"]
    assert {current for current, _ in revisions(run).values()} == {None}
    shown = run("db", "status")
    assert shown.exit_code == 0
    assert "storage-sql" in shown.stdout
    assert "differs" in shown.stdout


def test_looking_makes_no_database(run: Run, data: Path) -> None:
    revisions(run)
    assert "CREATE TABLE item" in run("db", "upgrade", "--dry-run").stdout
    assert run("db", "downgrade", "storage-sql", "base", "--yes").exit_code == 0
    assert not list(data.rglob("*.sqlite*"))


def test_an_upgrade_brings_every_branch_to_its_head_once(run: Run) -> None:
    first = run("db", "upgrade")
    assert first.exit_code == 0
    assert "statements were run" in first.stdout
    assert all(current == head for current, head in revisions(run).values())
    assert "nothing was changed" in run("db", "upgrade").stdout
    assert "differs" not in run("db", "status").stdout


def test_a_dry_run_shows_the_sql_and_changes_nothing(run: Run) -> None:
    run("db", "upgrade")
    before = revisions(run)
    shown = run("db", "downgrade", "directory-sql", "base", "--dry-run")
    assert shown.exit_code == 0
    assert shown.stdout.count("DROP TABLE") > 1
    assert revisions(run) == before


def test_a_downgrade_asks_first_and_takes_one_branch_back(run: Run) -> None:
    run("db", "upgrade")
    before = revisions(run)
    assert run("db", "downgrade", "directory-sql", "base", text="n\n").exit_code == 1
    assert revisions(run) == before
    assert run("db", "downgrade", "directory-sql", "base", text="y\n").exit_code == 0
    after = revisions(run)
    assert after["directory-sql"][0] is None
    assert after["storage-sql"] == before["storage-sql"]


def test_what_is_not_there_is_named_with_what_is(run: Run) -> None:
    run("db", "upgrade")
    unknown = run("db", "downgrade", "directory-sq", "base", "--yes")
    assert unknown.exit_code == 1
    assert "did you mean directory-sql?" in unknown.stderr
    unknown = run("db", "downgrade", "storage-sql", "9999", "--yes")
    assert unknown.exit_code == 1
    assert "base, 0001" in unknown.stderr


@pytest.fixture
def running_hub(data: Path) -> Iterator[None]:
    """Something listens on the control socket, as a running hub does."""
    loop = asyncio.new_event_loop()
    server = ControlServer(data / "control.sock", {})
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    yield
    asyncio.run_coroutine_threadsafe(server.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.usefixtures("running_hub")
def test_nothing_is_changed_under_a_running_hub(run: Run) -> None:
    for words in (["upgrade"], ["downgrade", "storage-sql", "base", "--yes"]):
        refused = run("db", *words)
        assert refused.exit_code == 1
        assert "stop it" in refused.stderr
    assert set(revisions(run)) == {"storage-sql", "directory-sql"}
    assert run("db", "upgrade", "--dry-run").exit_code == 0
