"""Where plugins come from: what is on disk, and what is imported from there, none of it on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from hub.config.load import Config
from hub.dispatch.failure import reason
from hub.dispatch.threads import PluginThreads, PoolFull
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.importing import Loaded
from hub.loading.libraries import versions
from hub.loading.looking import Found, Target, look
from hub.loading.reload import Wish
from hub.loading.snapshot import lay_over

SWITCHING: Final = 0.0002
"""Seconds after which threads take turns during a reload."""

IMPORTING: Final = 60.0
"""Seconds that the changed plugins have to be imported."""


class Disk:
    """Looks and imports, each in threads of its own.

    trees: source trees, files, and folders of both. path: in place of `sys.path`, for what is installed.
    """

    def __init__(self, trees: Sequence[Path], path: Sequence[str] | None) -> None:
        self.trees = tuple(trees)
        self._path = path
        self._scanning = PluginThreads("scanning", size=2)
        self._importing = PluginThreads("importing", size=4)  # a plugin that hangs in its import keeps one

    async def look(self, config: Config) -> Found:
        """What is there now."""
        with _giving_way():
            return await self._scanning.run(partial(look, config, self.trees, self._path))

    async def lay_over(self, found: Found, snapshot: Path) -> Found:
        """The same with what is kept in the snapshot's folder in its place."""
        return await self._scanning.run(partial(lay_over, found, snapshot))

    async def versions(self, found: Found) -> dict[str, str]:
        """Of the libraries that the active plugins require."""
        return await self._scanning.run(partial(versions, found.active))

    async def bring(self, aim: Target, found: Found) -> tuple[list[Wish], dict[str, str]]:
        """Import what serves next; gives all of it, and the versions of the libraries that it needs, where it
        finds them. LoadErrors, with nothing imported.
        """

        def work() -> tuple[tuple[Sequence[Loaded], Sequence[LoadError]], dict[str, str]]:
            return aim.fresh.run(), versions(found.active)

        try:
            async with asyncio.timeout(IMPORTING):
                with _giving_way():
                    (loaded, errors), libraries = await self._importing.run(work)
            if errors:
                raise LoadErrors(errors)
        except BaseException as error:
            aim.fresh.undo()
            if isinstance(error, TimeoutError | PoolFull):
                raise LoadErrors(
                    [LoadError("hub", f"importing the plugins hangs: {reason(error)}")]
                ) from error
            raise
        by_name = {each.source.name: each for each in loaded}
        wishes = [
            each if isinstance(each, Wish) else Wish(by_name[each[0].source.name], aim.config, each[1])
            for each in aim.plans
        ]
        return wishes, libraries

    def close(self) -> None:
        """End the threads."""
        self._scanning.close()
        self._importing.close()


@contextlib.contextmanager
def _giving_way() -> Iterator[None]:
    """While a thread looks at files, a busy loop lets go of the interpreter more often than every 5 ms.

    The thread lets go at every system call, of which there are hundreds, and waits for its turn after each.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCHING)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
