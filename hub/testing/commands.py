"""Commands of plugins, run beside a hub of the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from click import ClickException, Command
from click.testing import CliRunner, Result

from hub.hooks.plugin import Plugin

if TYPE_CHECKING:
    from hub.testing.running import RunningHub

T = TypeVar("T")


async def run_command(hub: RunningHub, command: Command, *words: str) -> Result:
    """What a command that takes a `CommandContext` says, with the plugins' own scopes and the hub's clock."""
    beside = _Beside(hub, asyncio.get_running_loop())
    return await asyncio.to_thread(CliRunner().invoke, command, list(words), obj=beside)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What `hub` gives its commands, for one that runs in a thread."""

    hub: RunningHub
    loop: asyncio.AbstractEventLoop

    @asynccontextmanager
    async def open_plugin(self, name: str) -> AsyncIterator[Plugin]:
        yield self.hub.plugin(name)

    def run(self, work: Coroutine[object, object, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result()
        except LookupError as error:
            raise ClickException(str(error)) from error
