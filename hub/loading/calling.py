"""Plugins that are called by name: whoever is on a hook, and one that is asked a question."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from hub.config.key import suggestion
from hub.dispatch.failure import Failure, HookFailed
from hub.dispatch.plan import ChainPlan, CollectPlan, FirstPlan, NotifyPlan, Plan, check_arguments
from hub.dispatch.step import Step
from hub.hooks.plugin import Implementation
from hub.loading.compile import Hook
from hub.loading.succession import Succession


class Calling:
    """Calls into the generation that serves at the time. hooks: by name, all that there are."""

    def __init__(self, succession: Succession, hooks: Mapping[str, Hook]) -> None:
        self._succession = succession
        self._generations = succession.generations
        self._hooks = hooks

    async def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Fire a hook of the generation that serves now. LookupError, TypeError, HookFailed."""
        plan = self._generations.current.plans.get(name)
        if plan is None:
            raise LookupError(f"there is no hook '{name}'. {suggestion(name, self._hooks)}")
        check_arguments(plan, arguments)
        if isinstance(plan, NotifyPlan):
            return plan(**arguments)
        if not isinstance(plan, FirstPlan | CollectPlan | ChainPlan):
            raise LookupError(f"{name} is called by the hub alone")
        pin = self._generations.pin()
        try:
            if not isinstance(plan, CollectPlan):
                return await plan(None, **arguments)
            answers = await plan(None, **arguments)
        finally:
            pin.release()
        for failure in (answer.failure for answer in answers):
            if failure is not None:
                raise HookFailed(failure)
        return [answer.value for answer in answers]

    def implementations(self, hook: str) -> Mapping[str, Implementation]:
        """Who implements a FIRST or COLLECT hook, each to be called by itself. LookupError."""
        plan = self._generations.current.plans.get(hook)
        if not isinstance(plan, FirstPlan | CollectPlan):
            raise LookupError(f"there is no such hook as '{hook}'. {suggestion(hook, self._hooks)}")
        return {step.plugin: partial(self._call_one, plan, step) for step in plan.steps}

    async def _call_one(self, plan: Plan, step: Step, **arguments: object) -> object:
        check_arguments(plan, arguments)
        pin = self._generations.pin()
        try:
            answer = await step.run(None, arguments)
        finally:
            pin.release()
        if isinstance(answer, Failure):
            raise RuntimeError(str(answer))
        return answer

    def tell(self, name: str, arguments: Mapping[str, object]) -> None:
        """Fire a NOTIFY hook, if anybody is on it."""
        plan = self._generations.current.plans[name]
        if plan and isinstance(plan, NotifyPlan):
            plan(**arguments)

    async def reply(self, plugin: str, question: str, arguments: Mapping[str, object]) -> list[object]:
        """What a plugin of this process answers, as the one answer. LookupError, ValueError, RuntimeError."""
        members = self._succession.now.members
        member = members.get(plugin)
        if member is None:
            raise LookupError(f"no plugin '{plugin}' serves. {suggestion(plugin, members)}")
        return [await member.scope.reply(question, arguments)]
