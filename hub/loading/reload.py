"""From one set of plugins to the next, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar, cast

from hub.config.errors import ConfigErrors
from hub.config.load import Config
from hub.config.tables.plugins import PluginOptions
from hub.dispatch.driving import drive
from hub.dispatch.failure import Failure, HookFailed, reason
from hub.dispatch.plan import GatherPlan, Plan
from hub.dispatch.step import Step
from hub.hooks.http import provide_routes
from hub.hooks.imap import provide_imap_commands
from hub.hooks.listeners import provide_listeners
from hub.hooks.plugin import Plugin
from hub.loading.compile import Hook, Part, compile_plans
from hub.loading.drivers import SERVICES, driver_class
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.generation import Generation
from hub.loading.imap_commands import gather_imap_commands
from hub.loading.importing import Loaded, PluginFinder, restore
from hub.loading.kinds import Speaker, gather_kinds
from hub.loading.leaks import end_leaks
from hub.loading.routes import gather_routes
from hub.loading.scope import Scope
from hub.loading.surroundings import Surroundings

R = TypeVar("R")

OPENING: Final = 600.0
"""Seconds that a driver has to open: it may have a store to recover."""

Agree: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited when the next lineup is built and started, before it serves; LoadErrors if it shall not."""


async def alone() -> None:
    """Who serves alone need not ask anybody."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A plugin as it is wanted. drives: the services that its driver fills."""

    loaded: Loaded
    config: Config
    drives: tuple[str, ...]

    @property
    def name(self) -> str:
        """The plugin's."""
        return self.loaded.source.name

    @property
    def options(self) -> PluginOptions:
        """How the operator wants the hub to treat it."""
        return self.config.plugin_options(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A plugin as it is. drivers: service → what fills it; since: the generation that it came with."""

    wish: Wish
    scope: Scope
    since: int
    drivers: dict[str, object] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Who is closed before whom: 0 if it fills no service, the most for the storage."""
        return max((len(SERVICES) - SERVICES.index(service) for service in self.wish.drives), default=0)

    def suits(self, wish: Wish) -> bool:
        """Whether code, settings and open drivers are as wished, so that the scope can stay as it is."""
        return (
            wish.loaded is self.wish.loaded
            and self.drivers.keys() >= set(wish.drives)
            and wish.config.plugin_table(wish.name) == self.wish.config.plugin_table(wish.name)
            and not self.scope.breaker.retired
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """A generation and what it was made of, by name in run order."""

    members: Mapping[str, Member]
    generation: Generation
    warnings: tuple[LoadError, ...] = ()

    def restore(self, finder: PluginFinder) -> None:
        """Have its modules in their places again."""
        for member in self.members.values():
            restore(finder, member.wish.loaded)

    @property
    def drivers(self) -> dict[str, object]:
        """Service → what fills it."""
        return {
            service: driver
            for member in self.members.values()
            for service, driver in member.drivers.items()
            if service in member.wish.drives
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a reload did.

    generation: the number of the one that serves now. changed: plugin → `added`, `replaced`, `removed` or
    `kept`. errors: if there are any, nothing was changed. restart_needed: what takes effect with new workers
    only. rolled_back: whether what serves is what a rollback went back to, and not what is on disk.
    """

    generation: int
    changed: Mapping[str, str]
    errors: tuple[LoadError, ...]
    warnings: tuple[LoadError, ...]
    restart_needed: tuple[str, ...]
    seconds: float
    rolled_back: bool = False

    @property
    def ok(self) -> bool:
        """Whether what is wanted is what serves."""
        return not self.errors


class Transaction:
    """Builds and starts the next lineup beside the present one; `undo` leaves no trace of it."""

    def __init__(
        self,
        now: Lineup,
        wishes: Sequence[Wish],
        around: Surroundings,
        hooks: Mapping[str, Hook],
        check: Callable[[Mapping[str, Speaker]], None],
    ) -> None:
        """check: whether all is spoken that listeners want. LoadErrors."""
        self._now = now
        self._check = check
        self._around = around
        self._hooks = hooks
        self._number = now.generation.number + 1
        self._members = {wish.name: self._member(wish) for wish in wishes}
        self._new = [member for member in self._members.values() if member.since == self._number]
        self._started: list[Member] = []
        self._stopped: list[Member] = []

    def _member(self, wish: Wish) -> Member:
        old = self._now.members.get(wish.name)
        if old is not None and old.suits(wish):
            return Member(wish, old.scope, old.since, old.drivers)
        source = wish.loaded.source
        settings = partial(wish.config.plugin_settings, wish.name)
        scope = Scope(wish.name, source.version, source.folder, settings, self._around)
        return Member(wish, scope, self._number)

    async def run(self, agree: Agree = alone) -> Lineup:
        """The next lineup, every scope started. LoadErrors, with all undone but the stop of `stopped`."""
        parts = {
            name: Part(
                member.wish.loaded.source, member.wish.loaded.module, member.scope, member.wish.options
            )
            for name, member in self._members.items()
        }
        compiled = compile_plans(list(parts.values()), self._hooks)
        errors = [*compiled.errors, *(error for member in self._new for error in _check_settings(member))]
        if errors:
            raise LoadErrors(errors)
        routes = gather_routes(self._gather(compiled.plans, provide_routes, parts))
        imap_commands = gather_imap_commands(self._gather(compiled.plans, provide_imap_commands, parts))
        speakers = gather_kinds(self._gather(compiled.plans, provide_listeners, parts))
        self._check(speakers)
        try:
            await self._stop_exclusive()
            for member in sorted(self._new, key=_start_order):
                self._started.append(member)
                await self._start(member, compiled.plans)
            for member in self._new:
                self._hand_over(member, compiled.plans)
            await agree()
        except BaseException:
            await self.undo()
            raise
        plugins = {name: member.scope for name, member in self._members.items()}
        generation = Generation(
            self._number, plugins, compiled.plans, routes, imap_commands=imap_commands, speakers=speakers
        )
        return Lineup(self._members, generation, compiled.warnings)

    @property
    def stopped(self) -> Sequence[Member]:
        """Exclusive plugins that had to stop for their successors."""
        return self._stopped

    async def undo(self) -> None:
        """Close what was started, in reverse."""
        while self._started:
            member = self._started.pop()
            await member.scope.close()
            old = self._now.members.get(member.wish.name)
            if old is None or old.wish.loaded is not member.wish.loaded:
                await end_leaks(member.wish.loaded.modules, member.scope.log)
            if "storage" in member.drivers:
                self._around.storage = None
            if "blobs" in member.drivers:
                self._around.blobs = None

    async def _stop_exclusive(self) -> None:
        for member in self._new:
            old = self._now.members.get(member.wish.name)
            if old is not None and old.wish.loaded.exclusive:
                self._stopped.append(old)
                await old.scope.close()

    async def _start(self, member: Member, plans: Mapping[str, Plan]) -> None:
        scope, source = member.scope, member.wish.loaded.source
        for service in member.wish.drives:
            driver = driver_class(source, service)
            try:
                opened = await drive(scope.enter(driver(scope)), OPENING)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                said = f"its driver for {service} cannot be opened: {reason(error)}"
                raise LoadErrors([LoadError(scope.name, said)]) from error
            member.drivers[service] = opened
            if service == "storage":
                self._around.storage = opened  # type: ignore[assignment]
            elif service == "blobs":
                self._around.blobs = opened  # type: ignore[assignment]
        for step in _own(plans["plugin_start"], scope.name):
            outcome = await step.run(None, {})
            if isinstance(outcome, Failure):
                raise LoadErrors([_located(member, outcome)])
        try:
            await scope.place_followers()
        except Exception as error:
            said = f"where it begins to follow the log cannot be stored: {reason(error)}"
            raise LoadErrors([LoadError(scope.name, said)]) from error

    def _hand_over(self, member: Member, plans: Mapping[str, Plan]) -> None:
        old = self._now.members.get(member.wish.name)
        if old is None:
            return
        for step in _own(plans["plugin_handover"], member.scope.name):
            outcome = step.call({"old": old.scope})
            if isinstance(outcome, Failure):
                raise LoadErrors([_located(member, outcome)])

    def _gather(
        self, plans: Mapping[str, Plan], spec: Callable[[Plugin], list[R]], parts: Mapping[str, Part]
    ) -> list[tuple[Part, R]]:
        """What the plugins provide. LoadErrors."""
        try:
            found = cast("GatherPlan[R]", plans[spec.__name__])()
        except HookFailed as failed:
            raise LoadErrors([_located(self._members[failed.failure.plugin], failed.failure)]) from failed
        return [(parts[step.plugin], each) for step, each in found]


def changes(old: Lineup, new: Lineup) -> dict[str, str]:
    """Plugin → what became of it."""
    found = {
        name: "added"
        if name not in old.members
        else "kept"
        if member.scope is old.members[name].scope
        else "replaced"
        for name, member in new.members.items()
    }
    return found | {name: "removed" for name in old.members if name not in new.members}


def same(old: Lineup, wishes: Sequence[Wish]) -> bool:
    """Whether the lineup is what is wished for already, to the order and the options."""
    return [wish.name for wish in wishes] == list(old.members) and all(
        old.members[wish.name].suits(wish)
        and wish.options == old.members[wish.name].wish.options
        and wish.drives == old.members[wish.name].wish.drives
        for wish in wishes
    )


def _own(plan: Plan, name: str) -> list[Step]:
    return [step for step in plan.steps if step.plugin == name]


def _start_order(member: Member) -> int:
    return min((SERVICES.index(service) for service in member.wish.drives), default=len(SERVICES))


def _check_settings(member: Member) -> list[LoadError]:
    wish = member.wish
    if wish.loaded.settings is None:
        if not wish.config.plugin_table(wish.name):
            return []
        origin = wish.config.origin_at(("plugins", wish.name))
        said = (
            f"[plugins.{wish.name}] has settings, but the plugin takes none: it has no model named Settings"
        )
        return [LoadError(wish.name, said, origin.name, origin.line)]
    try:
        member.scope.settings(wish.loaded.settings)
    except ConfigErrors as errors:
        return config_errors(wish.name, errors)
    return []


def config_errors(plugin: str, errors: ConfigErrors) -> list[LoadError]:
    """The faults of a configuration as faults of a plugin."""
    return [
        LoadError(plugin, f"{error.key}: {error.reason}", error.file, error.line, error.hint)
        for error in errors.errors
    ]


def _located(member: Member, failure: Failure) -> LoadError:
    file, _, line = (failure.where or "").rpartition(":")
    said = f"{failure.hook} failed: {failure.reason}"
    return LoadError(failure.plugin, said, member.wish.loaded.source.shown(file), int(line) if line else None)
