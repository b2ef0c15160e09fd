"""The supervisor: forks workers, replaces those that die, and speaks for all of them.

It has no threads and loads no plugin, so that a fork copies nothing that is in the middle of something. A
fork happens between two runs of its event loop, never inside of one. All that a worker runs is imported here
once: whoever replaces a dead one serves sooner, and the memory of the code is everybody's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from hub.config.load import Config
from hub.control import ControlServer
from hub.dispatch.blame import culprit
from hub.dispatch.blocking import Stack
from hub.dispatch.deaths import Deaths
from hub.dispatch.judging import BEAT, read_notes
from hub.listening import Bound
from hub.loading.commons import CommonMemory
from hub.log import get_logger
from hub.processes.crew import ANSWERING, Crew, Worker
from hub.processes.forking import end_of, fork
from hub.processes.merging import Fields
from hub.processes.names import Note, worker_notes
from hub.processes.rounds import BUILDING, Rounds, why
from hub.processes.speaking import Spokesman
from hub.processes.vigil import Vigil, anonymous_memory, limit_memory
from hub.processes.worker import run as run_worker
from hub.tls.certificates import CertificateError, Certificates, load_certificates
from hub.tls.ocsp import subject_of
from hub.tls.tickets import DAYS, Tickets

STEADY: Final = 10.0
"""Seconds after which a death is no sign that the next one comes at once."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
"""Seconds from a death to the next start; the first death in a row costs none."""
RENEWED: Final = "hub reload --workers"
"""Why a worker had to go that did nothing wrong."""
CRASH_LOOP: Final = 3
"""Deaths in a row that are worth a line of their own."""
PATIENCE: Final = 30.0
"""Seconds that workers have to drain and close, well over the ten that connections get."""

_log = get_logger(area="supervisor")


class Supervisor:
    """One per hub with several workers; made, started and closed on its event loop."""

    def __init__(
        self,
        config: Config,
        crews: Sequence[Sequence[Bound]],
        reread: Callable[[], Config],
        tickets: Tickets,
    ) -> None:
        self._tickets = tickets
        self._folder = config.settings.hub.data_dir
        self._crew = Crew(crews, self._folder)
        self._wanted: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._serving = False
        self._stopping = False
        self._failure: str | None = None
        self._news = asyncio.Event()
        self._saved: set[str] = set()
        self._renewing = asyncio.Lock()
        self._rounds = Rounds(self._crew, config, reread)
        self._tasks: set[asyncio.Task[object]] = set()
        self._deaths = Deaths(self._folder)
        self._control = ControlServer(
            self._folder / "control.sock",
            {
                **Spokesman(self._crew).verbs(),
                "reload": self._reload,
                "rollback": lambda _: self._rounds.run("rollback"),
            },
        )

    @property
    def config(self) -> Config:
        """What all workers have, and who is forked gets."""
        return self._rounds.config

    @property
    def snapshot(self) -> Path | None:
        """What all workers went back to, if that is not what is on disk."""
        return self._rounds.snapshot

    async def start(self) -> None:
        """Take the control socket and ask for the first worker, who makes the store if there is none."""
        await self._control.start()
        self._deaths.look_back()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._rounds.run("reload")))
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        self._spawn(self._follow_news())
        self._spawn(self._look_after_all())
        self._wanted.put_nowait(self._crew.workers[0])

    async def wanted(self) -> Worker | None:
        """The next worker to fork; None when all have ended and no more are wanted."""
        while (worker := await self._wanted.get()) is not None and self._stopping:
            pass
        return worker

    def forked(
        self, worker: Worker, pid: int, lifeline: socket.socket, loop: asyncio.AbstractEventLoop
    ) -> None:
        """It runs; called between two runs of the loop."""
        worker.pid, worker.started_at, worker.said = pid, time.monotonic(), ""
        worker.reloads, worker.leaves = self._rounds.count, False
        worker.vigil = Vigil(worker.number, pid, self._notes(worker))
        worker.ended = loop.create_future()
        self._spawn(self._attend(worker, lifeline), loop)

    def not_forked(self, worker: Worker, error: OSError) -> None:
        """The system has no process to spare."""
        _log.error("no worker can be started", worker=worker.number, reason=str(error))
        worker.said = str(error)
        self._lost(worker)

    async def close(self) -> None:
        """Give the control socket up. RuntimeError if the hub could not start, with the reason."""
        await self._control.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise RuntimeError(self._failure)

    # -- lives of workers -------------------------------------------------------------------------------

    async def _attend(self, worker: Worker, lifeline: socket.socket) -> None:
        """One process from its start to its end."""
        listening = asyncio.ensure_future(self._listen(worker, lifeline))
        status = await asyncio.shield(worker.ended)
        await asyncio.wait((listening,), timeout=1.0)  # what it said last
        listening.cancel()
        steady = time.monotonic() - worker.started_at > STEADY
        pid, worker.pid, worker.ready = worker.pid, 0, False
        if self._stopping:
            _log.info("worker ended", worker=worker.number, pid=pid, **end_of(status))
            self._notes(worker).unlink(missing_ok=True)
            self._see_whether_over()
            return
        worker.deaths = 0 if steady or worker.said == RENEWED else worker.deaths
        why = {"reason": worker.said} if worker.said else {}
        _log.error("worker ended", worker=worker.number, pid=pid, **end_of(status), **why)
        worker.said = worker.said or ", ".join(f"{key} {value}" for key, value in end_of(status).items())
        worker.last_death = worker.said
        self._blame(worker)
        self._lost(worker)

    def _notes(self, worker: Worker) -> Path:
        return self._folder / worker_notes(worker.number)

    def _blame(self, worker: Worker) -> None:
        """Count what it was judging when it died, and tell the others what they must not touch."""
        notes = self._notes(worker)
        stack = Stack(notes).read()
        if stack:
            _log.error("where the worker stood", worker=worker.number, by=culprit(stack), stack=stack)
        fresh = self._deaths.count(read_notes(notes), worker.said, stack)
        notes.unlink(missing_ok=True)
        if fresh:
            self._spawn(self._set_aside(self._crew.ready))

    async def _set_aside(self, workers: Sequence[Worker]) -> None:
        contents = {content.hex(): why for content, why in self._deaths.set_aside().items()}
        for answer in await self._crew.ask(workers, "set-aside", ANSWERING, contents=contents):
            if isinstance(answer, BaseException):
                _log.error("a worker was not told what to set aside", reason=why(answer))

    async def _look_after_all(self) -> None:
        """Notice a loop that is blocked and memory that runs out; what goes on too long costs the worker."""
        while not self._stopping:
            self._tickets.forget()
            for worker in self._crew.alive:
                self._look_after(worker)
            await asyncio.sleep(BEAT)

    def _look_after(self, worker: Worker) -> None:
        assert worker.vigil is not None
        blocked, settings = worker.vigil.look(), self.config.settings.hub
        if blocked >= settings.blocked_limit and worker.ready:
            worker.said = f"blocked for {blocked:.0f} s by {worker.vigil.blocked_by()}"
            os.kill(worker.pid, signal.SIGKILL)
        elif not worker.leaves and anonymous_memory(worker.pid) > settings.worker_memory:
            worker.leaves = True
            worker.said = "it held more than hub.worker_memory allows"
            _log.error("a worker is replaced", worker=worker.number, reason=worker.said)
            os.kill(worker.pid, signal.SIGTERM)
            pid = worker.pid
            asyncio.get_running_loop().call_later(PATIENCE, self._end, worker, pid)

    def _end(self, worker: Worker, pid: int) -> None:
        """It was told to go and has not gone."""
        if worker.pid == pid and not worker.ended.done():
            os.kill(pid, signal.SIGKILL)

    async def _listen(self, worker: Worker, lifeline: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=lifeline)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                note, text = json.loads(line)
                if note == Note.READY:
                    self._is_ready(worker)
                elif note == Note.FAILED:
                    worker.said = text
                elif note in (Note.CHANGED, Note.CONFIG):
                    self._look(note)

    def _is_ready(self, worker: Worker) -> None:
        worker.ready = True
        if self._deaths.set_aside():  # it may have read them before the last one came
            self._spawn(self._set_aside([worker]))
        if self._serving:  # and something may have been saved while it started, or even reloaded
            if worker.reloads == self._rounds.count:
                self._look("changed")
            else:
                self._spawn(self._rounds.run("reload"))
            return
        self._serving = True
        for each in self._crew.workers[1:]:
            self._wanted.put_nowait(each)
        _log.info("supervising", pid=os.getpid(), workers=len(self._crew))

    def _lost(self, worker: Worker) -> None:
        """Replace it, after a pause if it dies again and again; a hub that never served ends."""
        if not self._serving:
            self._failure = worker.said
            self._stop()
            return
        pause = min(FIRST_PAUSE * 2 ** (worker.deaths - 1), LONGEST_PAUSE) if worker.deaths else 0.0
        worker.deaths = min(worker.deaths + 1, 20)
        worker.restarts += 1
        _log.info("worker is replaced", worker=worker.number, seconds=pause)
        if worker.deaths >= CRASH_LOOP:
            _log.error("a worker dies again and again", worker=worker.number, deaths=worker.deaths)
        asyncio.get_running_loop().call_later(pause, self._wanted.put_nowait, worker)

    def _reap(self) -> None:
        for worker in self._crew.alive:
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.ended.set_result(os.waitstatus_to_exitcode(status))

    def _stop(self) -> None:
        """Let the workers drain; nobody listens from now on."""
        if self._stopping:
            return
        self._stopping = True
        _log.info("stopping", pid=os.getpid())
        for worker in self._crew:
            for bound in worker.bound:
                bound.socket.close()
        self._tell_all(signal.SIGTERM)
        asyncio.get_running_loop().call_later(PATIENCE, self._tell_all, signal.SIGKILL)
        self._see_whether_over()

    def _tell_all(self, number: signal.Signals) -> None:
        for worker in self._crew.alive:
            os.kill(worker.pid, number)

    def _see_whether_over(self) -> None:
        if not any(worker.pid for worker in self._crew):
            self._wanted.put_nowait(None)

    async def _reload(self, request: Fields) -> object:
        report = await self._rounds.run("reload")
        if report["errors"] or not request.get("workers"):
            return report
        for worker in self._crew:
            if not await self._renew(worker):
                last = worker.last_death or "it is starting still"
                said = (
                    f"worker {worker.number} does not start again: {last}. Those after it were not replaced"
                )
                return {**report, "errors": [said]}
        return {**report, "replaced": [worker.number for worker in self._crew]}

    async def _renew(self, worker: Worker) -> bool:
        """Let a worker drain and a new process take its place; whether it serves.

        Who connects to its sockets meanwhile waits: we hold them.
        """
        async with self._renewing:
            old = worker.pid
            if old and not worker.ended.done():
                worker.leaves, worker.said = True, RENEWED
                os.kill(old, signal.SIGTERM)
                asyncio.get_running_loop().call_later(PATIENCE, self._end, worker, old)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE + BUILDING):
                    while worker.pid == old or not worker.ready:
                        if worker.deaths >= CRASH_LOOP or self._stopping:
                            return False
                        await asyncio.sleep(BEAT)
                    return True
            return False

    # -- reloads ----------------------------------------------------------------------------------------

    async def _follow_news(self) -> None:
        """One round at a time for all that was saved meanwhile."""
        while True:
            await self._news.wait()
            news, self._saved = self._saved, set()
            self._news.clear()
            for what in sorted(news):
                await self._rounds.run(what)

    def _look(self, what: str) -> None:
        self._saved.add(what)
        self._news.set()

    def _spawn(
        self, work: Coroutine[object, object, object], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        task = (loop or asyncio.get_running_loop()).create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def supervise(
    config: Config,
    crews: Sequence[Sequence[Bound]],
    reread: Callable[[], Config],
    trees: Sequence[Path] = (),
) -> None:
    """Run a worker for each crew of sockets until SIGTERM or SIGINT.

    OSError; RuntimeError if another hub runs on the data or if the first worker cannot start.
    """
    memory = CommonMemory(len(crews))
    tickets = Tickets(DAYS, stapling=_has_something_to_staple(config))
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        supervisor = runner.run(_made(config, crews, reread, tickets))
        try:
            while (worker := runner.run(supervisor.wanted())) is not None:
                number, bound = worker.number, worker.bound

                def work(
                    lifeline: socket.socket,
                    number: int = number,
                    bound: Sequence[Bound] = bound,
                    config: Config = supervisor.config,
                    snapshot: Path | None = supervisor.snapshot,
                ) -> int:
                    limit_memory(config.settings.hub.worker_memory)
                    return run_worker(
                        config,
                        bound,
                        number=number,
                        lifeline=lifeline,
                        trees=trees,
                        reread=reread,
                        commons=memory.of(number),
                        tickets=tickets,
                        snapshot=snapshot,
                    )

                try:
                    pid, lifeline = fork(work, [each.socket for each in bound])
                except OSError as error:
                    loop.call_soon(supervisor.not_forked, worker, error)
                else:
                    supervisor.forked(worker, pid, lifeline, loop)
        finally:
            runner.run(supervisor.close())


def _has_something_to_staple(config: Config) -> bool:
    """Whether some certificate names a responder; what is wrong with one is said by the first worker."""
    settings = config.settings
    with contextlib.suppress(CertificateError):
        pairs = load_certificates(settings.tls, settings.hub.data_dir, Certificates()).pairs
        return any(subject_of(pair.chain) is not None for pair in pairs)
    return False


async def _made(
    config: Config, crews: Sequence[Sequence[Bound]], reread: Callable[[], Config], tickets: Tickets
) -> Supervisor:
    supervisor = Supervisor(config, crews, reread, tickets)
    await supervisor.start()
    return supervisor
