"""One hook of one generation, compiled: the steps in order and the way to run them.

A plan is called with the trace of the session and the hook's arguments by keyword. It is false when nobody
implements the hook, so that such a hook costs its caller one truth test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Generic, ParamSpec, TypeVar, cast

from hub.dispatch.failure import Failure, HookFailed
from hub.dispatch.notify import Notifier
from hub.dispatch.step import Step
from hub.hooks.markers import OnFailure
from hub.trace.record import Trace

P = ParamSpec("P")
R = TypeVar("R")


class Plan:
    """What all modes share. parameters: the hook's arguments, `plugin` aside.

    Every call gives exactly these.
    """

    __slots__ = ("hook", "parameters", "steps")

    def __init__(self, hook: str, parameters: frozenset[str], steps: tuple[Step, ...]) -> None:
        self.hook = hook
        self.parameters = parameters
        self.steps = steps

    def __bool__(self) -> bool:
        return bool(self.steps)


class FirstPlan(Plan, Generic[P, R]):
    """In order, stops at the first answer."""

    __slots__ = ()

    async def __call__(self, trace: Trace | None, /, *_: P.args, **arguments: P.kwargs) -> R | None:
        """The first answer, None if nobody has one. HookFailed when a step with the rule TEMPFAIL fails."""
        for step in self.steps:
            result = await step.run(trace, arguments)
            if result is None:
                continue
            if not isinstance(result, Failure):
                return cast(R, result)
            if step.on_failure is OnFailure.TEMPFAIL:
                raise HookFailed(result)
        return None


class ChainPlan(Plan, Generic[P, R]):
    """In order, each gets the last value."""

    __slots__ = ("carry",)

    def __init__(self, hook: str, parameters: frozenset[str], steps: tuple[Step, ...], carry: str) -> None:
        super().__init__(hook, parameters, steps)
        self.carry = carry

    async def __call__(self, trace: Trace | None, /, *_: P.args, **arguments: P.kwargs) -> R:
        """The value after the last step. HookFailed when a step with the rule TEMPFAIL fails."""
        values: dict[str, object] = dict(arguments)
        for step in self.steps:
            result = await step.run(trace, values)
            if isinstance(result, Failure):
                if step.on_failure is OnFailure.TEMPFAIL:
                    raise HookFailed(result)
            elif result is not None:
                values[self.carry] = result
        return cast(R, values[self.carry])


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What one step of a COLLECT plan said: a value, or a failure whose rule is TEMPFAIL.

    limits: the least and the most of a score that it declared.
    """

    plugin: str
    value: R | None
    failure: Failure | None = None
    limits: tuple[float, float] | None = None


class CollectPlan(Plan, Generic[P, R]):
    """All at once, side by side; the plan lasts as long as its slowest step, or until that cannot matter."""

    __slots__ = ()

    async def __call__(
        self, trace: Trace | None, /, *_: P.args, **arguments: P.kwargs
    ) -> Sequence[Answer[R]]:
        """The answers in the config's order; who had none, or failed with the rule SKIP, is not in it."""
        return await self._run(trace, _never, arguments)

    async def until(
        self,
        trace: Trace | None,
        settled: Callable[[Sequence[Answer[R]], Sequence[Step]], bool],
        /,
        *_: P.args,
        **arguments: P.kwargs,
    ) -> Sequence[Answer[R]]:
        """The same; steps that still run are cancelled once settled(answers so far, those steps) is true."""
        return await self._run(trace, settled, arguments)

    async def _run(
        self,
        trace: Trace | None,
        settled: Callable[[Sequence[Answer[R]], Sequence[Step]], bool],
        arguments: Mapping[str, object],
    ) -> Sequence[Answer[R]]:
        if len(self.steps) == 1:
            return _answers([(self.steps[0], await self.steps[0].run(trace, arguments))])
        loop, began = asyncio.get_running_loop(), perf_counter()
        running = {loop.create_task(step.run(trace, arguments)): n for n, step in enumerate(self.steps)}
        results: dict[int, object] = {}
        try:
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                results.update((running.pop(task), task.result()) for task in done)
                given: list[Answer[R]] = _answers([(self.steps[n], results[n]) for n in sorted(results)])
                if running and settled(given, [self.steps[n] for n in running.values()]):
                    break
        finally:
            for task in running:
                task.cancel()
        if running:
            await asyncio.wait(running)
        if trace is not None:
            for n in running.values():
                trace.add(
                    "hook",
                    self.hook,
                    "cancelled",
                    plugin=self.steps[n].plugin,
                    seconds=perf_counter() - began,
                    detail="the others had settled the outcome",
                )
        return given


def _never(answers: object, running: object) -> bool:
    return False


def _answers(results: Iterable[tuple[Step, object]]) -> list[Answer[R]]:
    answers: list[Answer[R]] = []
    for step, result in results:
        if isinstance(result, Failure):
            if step.on_failure is OnFailure.TEMPFAIL:
                answers.append(Answer(step.plugin, None, result))
        elif result is not None:
            answers.append(Answer(step.plugin, cast(R, result), limits=step.score))
    return answers


class NotifyPlan(Plan, Generic[P]):
    """All at once, never waited for."""

    __slots__ = ("notifiers",)

    def __init__(
        self, hook: str, parameters: frozenset[str], steps: tuple[Step, ...], notifiers: tuple[Notifier, ...]
    ) -> None:
        super().__init__(hook, parameters, steps)
        self.notifiers = notifiers

    def __call__(self, *_: P.args, **arguments: P.kwargs) -> None:
        """Tell every plugin, later; a failure never reaches the caller."""
        for step, notifier in zip(self.steps, self.notifiers, strict=True):
            notifier.put(partial(step.run, None, arguments))


class GatherPlan(Plan, Generic[R]):
    """Once, while a generation is built: everybody's lists. item: what may be in them."""

    __slots__ = ("item",)

    def __init__(self, hook: str, parameters: frozenset[str], steps: tuple[Step, ...], item: type[R]) -> None:
        super().__init__(hook, parameters, steps)
        self.item = item

    def __call__(self) -> list[tuple[Step, R]]:
        """Each thing and who gave it, in run order. HookFailed, whatever the rules say."""
        found: list[tuple[Step, R]] = []
        for step in self.steps:
            given = step.call({})
            if isinstance(given, Failure):
                raise HookFailed(given)
            for each in cast("Sequence[object]", given or ()):
                if not isinstance(each, self.item):
                    raise HookFailed(step.wrong(each, f"a list of {self.item.__name__}"))
                found.append((step, each))
        return found


def check_arguments(plan: Plan, arguments: Mapping[str, object]) -> None:
    """TypeError that names what is missing or too much; for calls that no type checker has seen."""
    if arguments.keys() != plan.parameters:
        missing = sorted(plan.parameters - arguments.keys())
        extra = sorted(arguments.keys() - plan.parameters)
        raise TypeError(
            f"{plan.hook} takes {', '.join(sorted(plan.parameters))}: missing {missing}, unknown {extra}"
        )
