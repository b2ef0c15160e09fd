"""Reloads of all workers: built in every one, then swapped in every one; if one cannot build, none swaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

from hub.config.errors import ConfigErrors
from hub.config.load import Config
from hub.control import NotRunning, Refused
from hub.listening import close_all_but, rebind
from hub.log import configure, get_logger
from hub.processes import merging
from hub.processes.crew import Crew, Worker
from hub.processes.handing import handing_out
from hub.processes.merging import Fields
from hub.renewal import hold, placed, tell_changes

BUILDING: Final = 660.0
"""Seconds that a worker has to build: a driver may open for 600."""
SNAPSHOT: Final = "rolled-back"
"""The folder in the data folder that keeps what a rollback went back to."""
LOOKS: Final = 5
"""How often workers look again that did not find the same."""

_log = get_logger(area="supervisor")


class Rounds:
    """One reload after the other.

    config: what all workers have. count: how many reads of it were tried. snapshot: of the plugins that they
    went back to, as long as what is on disk is something else.
    """

    def __init__(self, crew: Crew, config: Config, reread: Callable[[], Config]) -> None:
        self.config = config
        self.count = 0
        self.snapshot: Path | None = None
        self._crew = crew
        self._reread = reread
        self._lock = asyncio.Lock()

    @property
    def _folder(self) -> Path:
        return self.config.settings.hub.data_dir

    async def run(self, what: str) -> Fields:
        """`reload` and `config` read the configuration again, `changed` looks for saved plugins, `rollback`
        goes back to the plugins of before; gives the report.
        """
        async with self._lock:
            began = time.perf_counter()
            if what not in ("reload", "config"):
                reports, errors = await self._propose(what)
                if what == "rollback" and not errors:
                    await self._keep()
                return self._end(reports, errors, began)
            self.count += 1
            old = [each.bound for each in self._crew]
            try:
                config = hold(self._reread(), self.config)[0]
                crews = rebind(old, config.settings.listeners)
            except ConfigErrors as refused:
                return self._end([], list(map(str, refused.errors)), began)
            except OSError as error:
                return self._end([], [str(placed(config, error))], began)
            async with handing_out(self._folder, crews):
                reports, errors = await self._propose(what)
            if not errors:
                log, self.config = self.config.settings.log, config
                if config.settings.log != log:
                    log = config.settings.log
                    configure(log.level, log.format, addresses=log.addresses)
                for worker, bound in zip(self._crew, crews, strict=True):
                    worker.bound = bound
            for before, after in zip(old, crews, strict=True):
                kept, other = (before, after) if errors else (after, before)
                close_all_but(kept, other)
            return self._end(reports, errors, began)

    def _end(self, reports: Sequence[Fields], errors: Sequence[str], began: float) -> Fields:
        report = merging.report(reports, errors, time.perf_counter() - began)
        if errors:
            _log.error("reload refused in all workers", reasons=list(errors))
        else:
            if reports and not report["rolled_back"]:
                self.snapshot = None
            tell_changes(cast("list[str]", report["config"]), cast("list[str]", report["new_start"]))
        return report

    async def _keep(self) -> None:
        """Have written down what all serve now; who cannot start with that does not start."""
        self.snapshot = self._folder / SNAPSHOT
        first = self._crew.ready[:1]
        for answer in await self._crew.ask(first, "keep", BUILDING, folder=str(self.snapshot)):
            if isinstance(answer, BaseException):
                _log.error("what serves is not kept: a new worker will not start", reason=why(answer))

    async def _propose(self, what: str) -> tuple[list[Fields], list[str]]:
        """The reports of all workers, and why none of them has swapped."""
        workers = self._crew.ready
        said = await self._crew.ask(workers, "propose", BUILDING, what=what)
        for _ in range(LOOKS):
            if what == "rollback" or _agree(said):
                break  # else something was saved when some had looked and some had not
            await self._crew.ask(workers, "conclude", BUILDING, swap=False)
            again = "again" if what == "changed" else what
            said = await self._crew.ask(workers, "propose", BUILDING, what=again)
        proposals = dict(zip(workers, said, strict=True))
        errors = [error for worker in workers for error in _refusals(worker, proposals[worker])]
        if what != "rollback" and not _agree(said):
            errors.append("the workers do not find the same plugins; once no file changes: hub reload")
        waiting = [each for each in workers if _waits(proposals[each])]
        concluded = await self._crew.ask(waiting, "conclude", BUILDING, swap=not errors)
        for worker, end in zip(waiting, concluded, strict=True):
            if isinstance(end, BaseException):
                _log.error("a worker did not end its reload", worker=worker.number, reason=why(end))
        reports = (*(_report(answer) for answer in said), *concluded)
        return [cast(Fields, each) for each in reports if isinstance(each, dict)], list(dict.fromkeys(errors))


def _agree(proposals: Sequence[object]) -> bool:
    """Whether all that answered have found the same on disk."""
    return len({each["seen"] for each in proposals if isinstance(each, dict)}) <= 1


def _waits(proposal: object) -> bool:
    """Whether it needs the word; who did not answer in time may be building still."""
    return isinstance(proposal, TimeoutError) or (isinstance(proposal, dict) and proposal["built"])


def _report(proposal: object) -> object:
    return proposal.get("report") if isinstance(proposal, dict) else None


def _refusals(worker: Worker, proposal: object) -> list[str]:
    if isinstance(proposal, BaseException):
        return [f"worker {worker.number} did not load it: {why(proposal)}"]
    report = _report(proposal)
    return list(report["errors"]) if isinstance(report, dict) else []


def why(error: BaseException) -> str:
    """What went wrong between two of our own processes, as a sentence."""
    if isinstance(error, NotRunning | Refused):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
