"""The one who knows which plugins serve: starts them, reloads them, drains what was replaced."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from hub.config.key import suggestion
from hub.config.load import Config
from hub.dispatch.failure import Failure, HookFailed, reason
from hub.dispatch.plan import ChainPlan, CollectPlan, FirstPlan, NotifyPlan, Plan, check_arguments
from hub.dispatch.step import Observe, Step
from hub.dispatch.threads import PluginThreads, PoolFull
from hub.hooks.plugin import Implementation
from hub.loading import describing
from hub.loading.catalogue import Catalogue
from hub.loading.compile import compile_plans, hooks
from hub.loading.describing import Health, PluginInfo, StepInfo
from hub.loading.drivers import SERVICES
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.generation import Generation, Generations
from hub.loading.importing import Loaded, PluginFinder, restore, withdraw
from hub.loading.kinds import Speaker, unspoken
from hub.loading.libraries import outdated, versions
from hub.loading.looking import Found, Target, look, planned, target
from hub.loading.reload import Agree, Lineup, Member, Report, Transaction, Wish, alone, changes, same
from hub.loading.snapshot import keep, lay_over
from hub.loading.sources import Kind
from hub.loading.succession import Succession
from hub.loading.surroundings import Ask, Certify, Status, Submit, Surroundings
from hub.loading.watching import Place, Watcher
from hub.log import get_logger
from hub.services.blobs import Blobs
from hub.services.chosen import Services
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.lazyresolver import LazyResolver
from hub.services.search import Search
from hub.services.storage import Storage

if TYPE_CHECKING:
    from pydantic import BaseModel

SWITCHING: Final = 0.0002
"""Seconds after which threads take turns during a reload."""

IMPORTING: Final = 60.0
"""Seconds that the changed plugins have to be imported."""


class Loader:
    """Owns the catalogue, the current generation, its scopes, and those that are draining.

    trees: source trees, files, and folders of both (`--plugins`). path: in place of `sys.path`, for what is
    installed. observe: told of every step that has run.
    snapshot: where it is kept what others serve with instead of what is on disk, to start with that.
    ask: asks a plugin in every worker; without it this process is all there is. status: what the hub says of
    itself, for plugins. certify: installs their certificates. submit: keeps mail that they have written.
    dns: in place of one that is loaded when it is asked.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        trees: Sequence[Path] = (),
        path: Sequence[str] | None = None,
        snapshot: Path | None = None,
        ask: Ask | None = None,
        status: Status | None = None,
        certify: Certify | None = None,
        observe: Observe | None = None,
        submit: Submit | None = None,
        dns: Dns | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._dns = dns or LazyResolver(config.settings.dns)
        self._trees = tuple(trees)
        self._path = path
        self._hooks = hooks()
        self._lock = asyncio.Lock()
        self._finder = PluginFinder()
        self._scanning = PluginThreads("scanning", size=2)
        self._importing = PluginThreads("importing", size=4)  # a plugin that hangs in its import keeps one
        self._log = get_logger(area="loading")
        empty = Generation(0, {}, compile_plans((), self._hooks).plans)
        self._succession = Succession(Lineup({}, empty), clock, self._log)
        self.generations = self._succession.generations
        self._previous: Lineup | None = None
        self._seen: object = None
        self._on_disk: Mapping[str, str] = {}
        self._libraries: dict[str, str] = {}
        self._snapshot = snapshot
        self.rolled_back = False
        self._services: Services | None = None
        self.catalogue: Catalogue | None = None
        self._watcher: Watcher | None = None
        around = Surroundings(
            config.settings.hub.data_dir,
            clock,
            self._dns,
            self._call,
            ask or self.reply,
            self._tell,
            asyncio.get_running_loop(),
            implementations=self.implementations,
            observe=observe,
            hostname=lambda: self.config.settings.hub.hostname,
        )
        if status is not None:
            around.status = status
        if certify is not None:
            around.certify = certify
        if submit is not None:
            around.submit = submit
        self._around = around

    @property
    def services(self) -> Services:
        """The drivers that the config chose, from `start` on; a reload may replace `directory`."""
        if self._services is None:
            raise RuntimeError("the loader has not started")
        return self._services

    async def start(self) -> Generations:
        """Load what is enabled and serve with it. LoadErrors, with everything closed again."""
        self._finder.install()
        try:
            async with self._lock:
                report = await self._reload(self.config, alone, force=True)
                assert report is not None
        except BaseException:
            await self.close()
            raise
        if report.errors:
            await self.close()
            raise LoadErrors(report.errors)
        self.rolled_back, self._snapshot = self._snapshot is not None, None
        return self.generations

    async def reload(self, config: Config | None = None, agree: Agree = alone) -> Report:
        """Serve with what is on disk and in the config now; if anything is wrong with it, go on as before."""
        async with self._lock:
            report = await self._reload(config or self.config, agree, force=True)
            assert report is not None
            return report

    async def reload_if_changed(self, agree: Agree = alone) -> Report | None:
        """The same if what is on disk is not what was last tried; None if it is."""
        async with self._lock:
            return await self._reload(self.config, agree, force=False)

    async def preview(self, config: Config) -> Report:
        """What a reload would do, as far as can be said without importing anything."""
        async with self._lock:
            began = perf_counter()
            found = await self._look(config)
            if found.errors:
                return self._report(began, errors=found.errors)
            aim = target(config, found, self._now, self._finder)
            libraries = await self._scanning.run(partial(versions, found.active))
            restart = (*aim.restart_needed, *outdated(self._libraries, libraries))
            return self._report(began, changed=planned(self._now, aim.plans), restart=restart)

    async def agree(self, agree: Agree) -> Report:
        """Ask, as a reload does that changes no plugin; whatever else was agreed on has happened then."""
        async with self._lock:
            return await self._agree(perf_counter(), agree)

    async def rollback(self, agree: Agree = alone) -> Report:
        """Serve with the plugins of the generation before again, until something is saved or reloaded."""
        async with self._lock:
            began = perf_counter()
            if self._previous is None or not self._previous.members:
                error = LoadError("hub", "there is no generation to go back to")
                return self._report(began, errors=(error,))
            now, back = self._now, self._previous
            _restore(self._finder, back)
            wishes = [member.wish for member in back.members.values()]
            report = await self._swap(
                began, wishes, (), lambda: _restore(self._finder, now), agree, self.config
            )
            if report.ok:
                # A second rollback may have gone forth to what is on disk.
                loaded = {name: member.wish.loaded.digest for name, member in self._now.members.items()}
                self.rolled_back = loaded != self._on_disk
                self._log.warning("rolled back", until="something is saved, or hub reload")
            return replace(report, rolled_back=self.rolled_back)

    async def keep(self, folder: Path) -> None:
        """Write down what serves, for a loader that starts with it as its snapshot. OSError."""
        serving = [member.wish.loaded for member in self._now.members.values()]
        await asyncio.to_thread(keep, folder, serving, self._on_disk)

    @property
    def draining(self) -> int:
        """Transactions that end with a generation that was replaced, and scopes that are being closed."""
        return self._succession.draining

    @property
    def _now(self) -> Lineup:
        return self._succession.now

    @property
    def seen(self) -> str:
        """What was last found on disk: equal in two workers if they have found the same."""
        return hashlib.sha256(repr(self._seen).encode()).hexdigest()

    def settings_model(self, name: str) -> type[BaseModel] | None:
        """The settings model of a plugin that serves. KeyError if none of that name does."""
        return self._now.members[name].wish.loaded.settings

    def plugins(self) -> list[PluginInfo]:
        """Every plugin that serves, in run order."""
        return describing.plugins(self._now, self.catalogue, self._on_disk) if self.catalogue else []

    def healths(self) -> dict[str, Health]:
        """What is wrong inside of the plugins that serve, in numbers."""
        return describing.healths(self._now)

    @property
    def warnings(self) -> Sequence[LoadError]:
        """What in the plugins that serve was probably meant otherwise."""
        return self._now.warnings

    def dependencies(self) -> list[Mapping[str, str | None]]:
        """What the plugins need outside, and what is wrong with it: `plugin`, `name`, `trouble`."""
        return [
            {"plugin": name, "name": each, "trouble": trouble}
            for name, member in self._now.members.items()
            for each, trouble in sorted(member.scope.dependencies.items())
        ]

    async def reply(self, plugin: str, question: str, arguments: Mapping[str, object]) -> list[object]:
        """What a plugin of this process answers, as the one answer. LookupError, ValueError, RuntimeError."""
        member = self._now.members.get(plugin)
        if member is None:
            raise LookupError(f"no plugin '{plugin}' serves. {suggestion(plugin, self._now.members)}")
        return [await member.scope.reply(question, arguments)]

    def hooks(self) -> Mapping[str, Sequence[StepInfo]]:
        """Hook → who runs on it, in which order."""
        return describing.hooks(self._now)

    def watch(self, changed: Callable[[], Awaitable[object]] | None = None) -> None:
        """From now on, what is saved in a plugin folder or in an active source tree is live at once.

        changed: called instead, if somebody else has to decide.
        """
        if self._watcher is None:
            self._watcher = Watcher(changed or self.reload_if_changed)
        settings = self.config.settings.hub
        for folder in settings.plugin_dirs:
            if folder.is_relative_to(settings.data_dir):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        places = {Place(folder.absolute()) for folder in settings.plugin_dirs}
        for member in self._now.members.values():
            source = member.wish.loaded.source
            if source.kind is Kind.FILE and not source.watched:
                places.add(Place(source.location.absolute()))
            if source.kind is Kind.TREE and not source.watched:
                places.add(Place(source.location.absolute(), deep=False))
                package = (source.base / source.top).absolute()
                places.add(Place(package) if package.is_dir() else Place(package.parent, deep=False))
        self._watcher.watch(places)

    async def close(self) -> None:
        """Close every scope, the storage last; a transaction still under way fails at its next hook."""
        if self._watcher is not None:
            await self._watcher.close()
        async with self._lock:
            members = await self._succession.end()
            for member in sorted(members, key=_close_order):
                await member.scope.close()
            for member in members:
                withdraw(self._finder, member.wish.loaded)
            self._around.storage = self._around.blobs = None
            self._scanning.close()
            self._importing.close()
            self._finder.uninstall()

    # -- one reload -------------------------------------------------------------------------------------

    async def _reload(self, config: Config, agree: Agree, *, force: bool) -> Report | None:
        began = perf_counter()
        with _giving_way():
            found = await self._look(config)
        if found.seen == self._seen and not force:
            return None
        self._seen, self._on_disk = found.seen, found.digests
        if found.errors:
            return await self._refuse(began, found.errors)
        if self._snapshot is not None:
            found = await self._scanning.run(partial(lay_over, found, self._snapshot))
        aim = target(config, found, self._now, self._finder)
        try:
            wishes, libraries = await self._import(aim, found)
        except LoadErrors as failed:
            return await self._refuse(began, failed.errors)
        restart = (*aim.restart_needed, *outdated(self._libraries, libraries))
        report = await self._swap(began, wishes, restart, aim.fresh.undo, agree, config, found.catalogue)
        if report.ok:
            self._libraries = {**libraries, **self._libraries}
            self.rolled_back, report = False, replace(report, rolled_back=False)
            self.config, self.catalogue = config, found.catalogue
            if self._watcher is not None:
                self.watch()  # other source trees, perhaps
        return report

    async def _look(self, config: Config) -> Found:
        return await self._scanning.run(partial(look, config, self._trees, self._path))

    async def _import(self, aim: Target, found: Found) -> tuple[list[Wish], dict[str, str]]:
        """What serves next, and the versions of the libraries that it needs, where it finds them."""

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

    async def _swap(
        self,
        began: float,
        wishes: Sequence[Wish],
        restart: tuple[str, ...],
        undo: Callable[[], None],
        agree: Agree,
        config: Config,
        catalogue: Catalogue | None = None,
    ) -> Report:
        """Build, start, swap, and see to what was replaced; `undo` puts the modules back if that fails."""
        old = self._now
        check = partial(_check_listeners, config, catalogue or self.catalogue)
        if same(old, wishes):
            try:
                check(old.generation.speakers)
            except LoadErrors as failed:
                return await self._refuse(began, failed.errors)
            return await self._agree(began, agree, changed=changes(old, old), restart=restart)
        transaction = Transaction(old, wishes, self._around, self._hooks, check)
        try:
            new = await transaction.run(agree)
        except LoadErrors as failed:
            undo()
            if transaction.stopped:
                await self._start_again()
            return await self._refuse(began, failed.errors)
        except BaseException:
            undo()
            raise
        self._previous = old
        await self._serve(new)
        changed = changes(old, new)
        for warning in new.warnings:
            self._log.warning("plugin", reason=str(warning))
        report = self._report(began, changed=changed, restart=restart, warnings=new.warnings)
        news = {name: what for name, what in changed.items() if what != "kept"}
        self._log.info("plugins loaded", generation=report.generation, changed=news, seconds=report.seconds)
        for what in restart:
            self._log.warning("takes effect with new workers", what=what)
        self._tell("plugins_reloaded", {"generation": report.generation, "changed": MappingProxyType(news)})
        return report

    async def _agree(
        self,
        began: float,
        agree: Agree,
        changed: Mapping[str, str] = MappingProxyType({}),
        restart: tuple[str, ...] = (),
    ) -> Report:
        """No plugin changes, but something else may."""
        try:
            await agree()
        except LoadErrors as failed:
            return await self._refuse(began, failed.errors)
        return self._report(began, changed=changed, restart=restart)

    async def _start_again(self) -> None:
        """Exclusive plugins were stopped for successors that failed: start them with the code they had."""
        wishes = [member.wish for member in self._now.members.values()]
        try:
            check = partial(_check_listeners, self.config, self.catalogue)
            await self._serve(await Transaction(self._now, wishes, self._around, self._hooks, check).run())
        except LoadErrors as failed:
            for error in failed.errors:
                self._log.error("a stopped plugin does not start again", reason=str(error))

    async def _serve(self, new: Lineup) -> None:
        """The swap itself; what follows it is only waited for."""
        old = self._succession.succeed(new)
        self._take_drivers(new)
        tops = {member.wish.loaded.source.top for member in new.members.values()}
        for member in old.members.values():
            if member.wish.loaded.source.top not in tops:
                withdraw(self._finder, member.wish.loaded)
        await self._succession.drain(old, self.config.settings.hub.reload_grace)

    def _take_drivers(self, lineup: Lineup) -> None:
        filled = {
            service: driver
            for member in lineup.members.values()
            for service, driver in member.drivers.items()
            if service in member.wish.drives
        }
        if self._services is None:
            self._services = Services(
                cast(Storage, filled["storage"]),
                cast(Blobs, filled["blobs"]),
                cast(Directory, filled["directory"]),
                self._clock,
                self._dns,
            )
        else:
            self._services.directory = cast(Directory, filled["directory"])
        self._services.search = cast("Search | None", filled.get("search"))
        self._around.directory = self._services.directory

    # -- for scopes -------------------------------------------------------------------------------------

    async def _call(self, name: str, arguments: Mapping[str, object]) -> object:
        plan = self.generations.current.plans.get(name)
        if plan is None:
            raise LookupError(f"there is no hook '{name}'. {suggestion(name, self._hooks)}")
        check_arguments(plan, arguments)
        if isinstance(plan, NotifyPlan):
            return plan(**arguments)
        if not isinstance(plan, FirstPlan | CollectPlan | ChainPlan):
            raise LookupError(f"{name} is called by the hub alone")
        pin = self.generations.pin()
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
        plan = self.generations.current.plans.get(hook)
        if not isinstance(plan, FirstPlan | CollectPlan):
            raise LookupError(f"there is no such hook as '{hook}'. {suggestion(hook, self._hooks)}")
        return {step.plugin: partial(self._call_one, plan, step) for step in plan.steps}

    async def _call_one(self, plan: Plan, step: Step, **arguments: object) -> object:
        check_arguments(plan, arguments)
        pin = self.generations.pin()
        try:
            answer = await step.run(None, arguments)
        finally:
            pin.release()
        if isinstance(answer, Failure):
            raise RuntimeError(str(answer))
        return answer

    def _tell(self, name: str, arguments: Mapping[str, object]) -> None:
        plan = self.generations.current.plans[name]
        if plan and isinstance(plan, NotifyPlan):
            plan(**arguments)

    async def _refuse(self, began: float, errors: tuple[LoadError, ...]) -> Report:
        if self.generations.current.number:  # else whoever starts the hub prints them
            for error in errors:
                self._log.error("reload refused", plugin=error.plugin, reason=str(error))
            self._tell("reload_refused", {"errors": tuple(map(str, errors))})
        return self._report(began, errors=errors)

    def _report(
        self,
        began: float,
        *,
        changed: Mapping[str, str] = MappingProxyType({}),
        errors: tuple[LoadError, ...] = (),
        warnings: tuple[LoadError, ...] = (),
        restart: tuple[str, ...] = (),
    ) -> Report:
        seconds = perf_counter() - began
        number = self.generations.current.number
        return Report(number, changed, errors, warnings, restart, seconds, self.rolled_back)


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


def _close_order(member: Member) -> int:
    """Who fills no service first, the storage last."""
    return max((len(SERVICES) - SERVICES.index(service) for service in member.wish.drives), default=0)


def _check_listeners(config: Config, catalogue: Catalogue | None, speakers: Mapping[str, Speaker]) -> None:
    """LoadErrors for listeners whose protocol nobody speaks."""
    kinds = {name: speaker.kind for name, speaker in speakers.items()}
    if errors := list(unspoken(config, kinds, catalogue.sources if catalogue else ())):
        raise LoadErrors(errors)


def _restore(finder: PluginFinder, lineup: Lineup) -> None:
    for member in lineup.members.values():
        restore(finder, member.wish.loaded)
