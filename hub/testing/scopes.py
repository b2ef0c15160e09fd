"""Real scopes without a hub around them, for tests of drivers and of what plugins do with their scope."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

from hub.config.validate import Where, validate_table
from hub.loading.scope import Scope
from hub.loading.surroundings import Surroundings
from hub.services.clock import Clock
from hub.services.resolver import Resolver
from hub.services.storage import Storage

S = TypeVar("S")


def make_scope(
    name: str,
    data_dir: Path,
    clock: Clock,
    settings: Mapping[str, object] | None = None,
    storage: Storage | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Scope:
    """A scope as the loader makes it, its timers not started; close it when done.

    settings: `[plugins.<name>]`. loop: the running one if not given. Without a storage it has no kv, no
    tables and follows nothing; without a hub it can call no hook.
    """

    def filled(model: type[S], /) -> S:
        assert issubclass(model, BaseModel)
        return cast(S, validate_table(model, settings or {}, Where.nowhere("plugins", name)))

    async def call(hook: str, arguments: Mapping[str, object]) -> object:
        raise LookupError(f"{hook} was called with {sorted(arguments)}, but there is no hub in this test")

    async def ask(plugin: str, question: str, arguments: Mapping[str, object]) -> list[object]:
        assert plugin == name
        return [await scope.reply(question, arguments)]

    def tell(fact: str, arguments: Mapping[str, object]) -> None:
        """Nobody listens."""

    loop = loop or asyncio.get_running_loop()
    around = Surroundings(data_dir, clock, Resolver(), call, ask, tell, loop, storage)
    scope = Scope(name, "0", data_dir, filled, around)
    return scope
