"""Steps of plain functions, without a loader."""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Protocol

import pytest

from hub.dispatch.breaker import Breaker
from hub.dispatch.step import Step
from hub.dispatch.threads import PluginThreads
from hub.hooks.markers import OnFailure
from hub.mail.verdict import Accept, Defer, Reject
from hub.testing.clock import ManualClock
from hub.testing.plugin import PluginScope


class MakeStep(Protocol):
    """Compiles one function as a step of `smtp_rcpt`."""

    def __call__(
        self,
        function: Callable[..., object],
        *,
        timeout: float = 5,
        on_failure: OnFailure = OnFailure.SKIP,
        max_size: int | None = None,
        threads: int = 8,
        judges: bytes = b"",
    ) -> Step: ...


@pytest.fixture
def changes() -> list[tuple[bool, str, str]]:
    """What the breaker of the steps has reported."""
    return []


@pytest.fixture
async def make_step(
    plugin_scope: PluginScope, manual_clock: ManualClock, changes: list[tuple[bool, str, str]]
) -> MakeStep:
    scope = plugin_scope("test")
    breaker = Breaker(manual_clock.monotonic, lambda *change: changes.append(change))

    def make(
        function: Callable[..., object],
        *,
        timeout: float = 5,
        on_failure: OnFailure = OnFailure.SKIP,
        max_size: int | None = None,
        threads: int = 8,
        judges: bytes = b"",
    ) -> Step:
        assert isinstance(function, FunctionType)
        names = list(inspect.signature(function).parameters)
        return Step(
            hook="smtp_rcpt",
            plugin="test",
            scope=scope,
            function=function,
            accepts=tuple(name for name in names if name != "plugin"),
            takes_plugin="plugin" in names,
            is_async=inspect.iscoroutinefunction(function),
            returns=(Accept, Reject, Defer),
            timeout=timeout,
            on_failure=on_failure,
            max_size=max_size,
            breaker=breaker,
            threads=PluginThreads("test", threads),
            judges=judges,
        )

    return make
