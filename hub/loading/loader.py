"""The one who knows which plugins serve: starts them, reloads them, drains what was replaced."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from hub.config.load import Config
from hub.dispatch.step import Observe
from hub.loading import describing
from hub.loading.calling import Calling
from hub.loading.catalogue import Catalogue
from hub.loading.compile import compile_plans, hooks
from hub.loading.describing import Health, PluginInfo, StepInfo
from hub.loading.disk import Disk
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.generation import Generation, Generations
from hub.loading.importing import PluginFinder, withdraw
from hub.loading.kinds import check_listeners
from hub.loading.libraries import outdated
from hub.loading.looking import planned, target
from hub.loading.reload import Agree, Lineup, Report, Transaction, Wish, alone, changes, same
from hub.loading.snapshot import keep
from hub.loading.succession import Succession
from hub.loading.surroundings import (
    Ask,
    Certify,
    Status,
    Submit,
    Surroundings,
    no_certify,
    no_status,
    no_submission,
)
from hub.loading.watching import Watcher, places
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
        self.disk = Disk(trees, path)
        self._hooks = hooks()
        self._lock = asyncio.Lock()
        self._finder = PluginFinder()
        self._log = get_logger(area="loading")
        empty = Generation(0, {}, compile_plans((), self._hooks).plans)
        self._succession = Succession(Lineup({}, empty), clock, self._log)
        self.generations = self._succession.generations
        self.calling = Calling(self._succession, self._hooks)
        self.implementations = self.calling.implementations
        self._previous: Lineup | None = None
        self._seen: object = None
        self._on_disk: Mapping[str, str] = {}
        self._libraries: dict[str, str] = {}
        self._snapshot = snapshot
        self.rolled_back = False
        self._services: Services | None = None
        self.catalogue: Catalogue | None = None
        self._watcher: Watcher | None = None
        self._around = Surroundings(
            config.settings.hub.data_dir,
            clock,
            self._dns,
            self.calling.call,
            ask or self.calling.reply,
            self.calling.tell,
            asyncio.get_running_loop(),
            implementations=self.implementations,
            status=status or no_status,
            certify=certify or no_certify,
            submit=submit or no_submission,
            observe=observe,
            hostname=lambda: self.config.settings.hub.hostname,
        )

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
            found = await self.disk.look(config)
            if found.errors:
                return self._report(began, errors=found.errors)
            aim = target(config, found, self._now, self._finder)
            libraries = await self.disk.versions(found)
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
            back.restore(self._finder)
            wishes = [member.wish for member in back.members.values()]
            report = await self._swap(
                began, wishes, (), lambda: now.restore(self._finder), agree, self.config
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
        return describing.dependencies(self._now)

    def hooks(self) -> Mapping[str, Sequence[StepInfo]]:
        """Hook → who runs on it, in which order."""
        return describing.hooks(self._now)

    def watch(self, changed: Callable[[], Awaitable[object]] | None = None) -> None:
        """From now on, what is saved in a plugin folder or in an active source tree is live at once.

        changed: called instead, if somebody else has to decide.
        """
        if self._watcher is None:
            self._watcher = Watcher(changed or self.reload_if_changed)
        sources = [member.wish.loaded.source for member in self._now.members.values()]
        self._watcher.watch(places(self.config.settings.hub, sources))

    async def close(self) -> None:
        """Close every scope, the storage last; a transaction still under way fails at its next hook."""
        if self._watcher is not None:
            await self._watcher.close()
        async with self._lock:
            members = await self._succession.end()
            for member in sorted(members, key=lambda member: member.depth):
                await member.scope.close()
            for member in members:
                withdraw(self._finder, member.wish.loaded)
            self._around.storage = self._around.blobs = None
            self.disk.close()
            self._finder.uninstall()

    # -- one reload -------------------------------------------------------------------------------------

    async def _reload(self, config: Config, agree: Agree, *, force: bool) -> Report | None:
        began = perf_counter()
        found = await self.disk.look(config)
        if found.seen == self._seen and not force:
            return None
        self._seen, self._on_disk = found.seen, found.digests
        if found.errors:
            return await self._refuse(began, found.errors)
        if self._snapshot is not None:
            found = await self.disk.lay_over(found, self._snapshot)
        aim = target(config, found, self._now, self._finder)
        try:
            wishes, libraries = await self.disk.bring(aim, found)
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
        check = partial(check_listeners, config, catalogue or self.catalogue)
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
        self.calling.tell(
            "plugins_reloaded", {"generation": report.generation, "changed": MappingProxyType(news)}
        )
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
            check = partial(check_listeners, self.config, self.catalogue)
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
        filled = lineup.drivers
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

    async def _refuse(self, began: float, errors: tuple[LoadError, ...]) -> Report:
        if self.generations.current.number:  # else whoever starts the hub prints them
            for error in errors:
                self._log.error("reload refused", plugin=error.plugin, reason=str(error))
            self.calling.tell("reload_refused", {"errors": tuple(map(str, errors))})
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
