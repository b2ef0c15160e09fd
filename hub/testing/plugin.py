"""The fixtures of the test kit, known to pytest through the entry point `pytest11`."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from hub.loading.scope import Scope
    from hub.services.storage import Storage
    from hub.testing.clock import ManualClock
    from hub.testing.running import RunningHub

MARKER = (
    "hub(settings={}, tables={}, accounts=[]): what the fixture `hub` has in [plugins.<name>], in the rest of"
    " hub.toml, and as accounts"
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let a plugin's tests be `async def` without a word of configuration, unless there is one."""
    config.addinivalue_line("markers", MARKER)
    config.addinivalue_line("markers", "proves(claim): of the contract suites; a feature for a README")
    said = getattr(config.option, "asyncio_mode", "")
    if said is None and (config.inipath is None or _is_plugin(config.rootpath)):
        config.option.asyncio_mode = "auto"
        # of pytest-asyncio, where nothing is configured
        warnings.filterwarnings("ignore", ".*asyncio_default_fixture_loop_scope")


def _is_plugin(root: Path) -> bool:
    pyproject = root / "pyproject.toml"
    return pyproject.is_file() and "hub.plugins" in pyproject.read_text("utf-8")


class PluginScope(Protocol):
    """Makes scopes that are closed when the test ends."""

    def __call__(
        self, name: str, settings: Mapping[str, object] | None = None, storage: Storage | None = None
    ) -> Scope:
        """The scope of the plugin `name`. settings: its `[plugins.<name>]` table."""


@pytest.fixture
def manual_clock() -> ManualClock:
    """Time that the test turns: `await manual_clock.turn(60)`."""
    from hub.testing.clock import ManualClock

    return ManualClock()


@pytest.fixture
async def hub(request: pytest.FixtureRequest, manual_clock: ManualClock) -> AsyncIterator[RunningHub]:
    """A hub with the plugin that the test belongs to and the drivers, on free ports: `await hub.send()`.

    The plugin is taken from where it is written. `@pytest.mark.hub(settings={"opens": 9})` is its table, over
    `[tool.hub.settings]` of its pyproject.toml. `hub.clock` stands still until `await hub.clock.turn(60)`.
    """
    from hub.testing.observed import Observed
    from hub.testing.project import find_project
    from hub.testing.running import ACCOUNTS, running_hub

    project = find_project(request.path)
    if project is None:
        pytest.fail(
            f"{request.path} belongs to no plugin: there is none in the nearest pyproject.toml, and no"
            f" {request.path.name.removeprefix('test_')} beside it"
        )
    marker = request.node.get_closest_marker("hub")
    wanted: dict[str, Any] = dict(marker.kwargs) if marker else {}
    tables = project.tables(wanted.pop("settings", None), wanted.pop("tables", None))
    accounts = wanted.pop("accounts", () if "directory" in project.drives else ACCOUNTS)
    if wanted:
        pytest.fail(f"@pytest.mark.hub takes settings, tables and accounts, not {', '.join(wanted)}")
    # Not tmp_path: that is as long as the test's name, and a Unix socket's path may have 107 octets.
    with TemporaryDirectory(prefix="hub-test-") as folder:
        async with running_hub(
            Path(folder),
            tables=tables,
            trees=[project.source.location],
            accounts=accounts,
            clock=manual_clock,
            observed=Observed(),
            beside=request.path.parent,
        ) as running:
            yield running


@pytest.fixture
async def plugin_scope(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[PluginScope]:
    """Real scopes for drivers and plugins: `plugin_scope("blobs-segment", settings={"keep_free": 0})`."""
    from hub.testing.scopes import make_scope

    loop = asyncio.get_running_loop()
    scopes: list[Scope] = []

    def make(
        name: str, settings: Mapping[str, object] | None = None, storage: Storage | None = None
    ) -> Scope:
        scopes.append(make_scope(name, tmp_path, manual_clock, settings, storage, loop))
        return scopes[-1]

    yield make
    for scope in reversed(scopes):
        await scope.close()
