"""The fixtures of the test kit, known to pytest through the entry point `pytest11`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from hub.loading.scope import Scope
    from hub.services.storage import Storage
    from hub.testing.clock import ManualClock


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
