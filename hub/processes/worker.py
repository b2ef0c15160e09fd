"""A worker: a hub that answers to a supervisor and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

from hub.app import Hub
from hub.config.load import Config
from hub.config.tables.listeners import Listener
from hub.control import Handler, NotRunning, Refused, inquire
from hub.dispatch.blocking import Stack
from hub.dispatch.deaths import Deaths
from hub.lifetime import calm_collector, end_in_time, loop_factory, told_to_stop
from hub.listening import Bound, rebind
from hub.loading.commons import Commons
from hub.loading.errors import LoadErrors
from hub.loading.proposal import Proposal
from hub.loading.reload import Agree
from hub.loading.surroundings import Ask
from hub.log import get_logger
from hub.processes.handing import fetch
from hub.processes.names import ASKING, Note, worker_notes, worker_socket
from hub.tls.tickets import Tickets

LONGEST_NOTE: Final = 10_000
"""Characters of why a worker cannot start."""

_log = get_logger(area="worker")


class Worker(Hub):
    """One of several hubs on the same ports and the same store.

    note: tells the supervisor something. Worker 0 watches the plugin folders for all.
    """

    def __init__(
        self,
        config: Config,
        bound: Sequence[Bound],
        *,
        number: int,
        note: Callable[[Note, str], None],
        trees: Sequence[Path],
        reread: Callable[[], Config],
        commons: Commons,
        tickets: Tickets,
        snapshot: Path | None,
    ) -> None:
        self._number = number
        self._note = note
        self._proposal: Proposal[Mapping[str, object] | None] | None = None
        super().__init__(
            config, bound, trees=trees, reread=reread, commons=commons, tickets=tickets, snapshot=snapshot
        )

    @property
    def socket_name(self) -> str:
        """Where the supervisor asks this worker."""
        return worker_socket(self._number)

    @property
    def asking(self) -> Ask:
        """The supervisor asks all."""
        return self._ask_all

    async def hub_status(self) -> Mapping[str, object]:
        """The supervisor says it of all workers. RuntimeError."""
        return cast("Mapping[str, object]", await self._ask_supervisor("status"))

    @property
    def notes(self) -> Path:
        """Where the supervisor reads what this worker died of."""
        return super().notes.with_name(worker_notes(self._number))

    def set_aside(self) -> Mapping[bytes, str]:
        """The supervisor counts."""
        return Deaths(self.notes.parent).set_aside()

    def verbs(self) -> dict[str, Handler]:
        """What concerns one process; reloads are proposed and concluded."""
        own: dict[str, Handler] = {
            "propose": self._propose,
            "conclude": self._conclude,
            "set-aside": self._set_aside,
            "keep": self._keep,
        }
        return {
            **{verb: do for verb, do in super().verbs().items() if verb not in ("reload", "rollback")},
            **own,
        }

    def watch(self) -> None:
        """Worker 0 notices what is saved, and says so to the supervisor."""
        if self._number == 0:
            self.loader.watch(self._changed)
            self.watch_config(self._config_saved)

    async def rebind(self, listeners: Mapping[str, Listener]) -> list[Bound]:
        """The sockets for these listeners; the supervisor opens those that are not open yet. OSError."""
        handed = await asyncio.to_thread(fetch, self.notes.parent, self._number)

        def take(name: str, asked: tuple[str, int]) -> list[socket.socket]:
            for each in handed:
                if each[:2] == (name, asked):
                    handed.remove(each)
                    return [each[2]]
            raise OSError("the configuration was saved again meanwhile")

        try:
            return rebind([self.bound], listeners, take)[0]
        finally:
            for *_, unused in handed:
                unused.close()

    async def _close(self) -> None:
        """As a hub does; what is built and not agreed on is undone, or it would keep the loader busy."""
        await self._control.close()  # no proposal comes any more
        try:
            await self._conclude({"swap": False})
        except Exception as error:
            _log.error("a reload did not end well", reason=f"{type(error).__name__}: {error}")
        await super()._close()

    async def _ask_all(self, plugin: str, question: str, arguments: Mapping[str, object]) -> Sequence[object]:
        said = await self._ask_supervisor("ask-plugin", plugin=plugin, question=question, arguments=arguments)
        return cast("list[object]", said)

    async def _ask_supervisor(self, verb: str, **arguments: object) -> object:
        control = self.notes.with_name("control.sock")
        try:
            return await inquire(control, verb, timeout=ASKING, **arguments)
        except (NotRunning, Refused, TimeoutError) as error:
            raise RuntimeError(str(error) or "the workers did not answer in time") from error

    async def _changed(self) -> None:
        self._note(Note.CHANGED, "")

    async def _config_saved(self) -> None:
        self._note(Note.CONFIG, "")

    async def _propose(self, request: Mapping[str, object]) -> object:
        """Build what `what` says; `built` if it waits for the word, else the report, if anything was done.

        seen: equal in two workers if they have found the same on disk.
        """
        await self._conclude({"swap": False})
        work: dict[str, Callable[[Agree], Coroutine[object, object, Mapping[str, object] | None]]] = {
            "reload": self.reload,
            "config": partial(self.reload, saved=True),
            "changed": self.reload_saved,
            "again": partial(self.reload_saved, again=True),
            "rollback": self.rollback,
        }
        proposal = self._proposal = Proposal(work[str(request["what"])])
        if await proposal.built():
            return {"built": True, "seen": self.loader.seen}
        self._proposal = None
        return {"built": False, "report": await proposal.end(swap=False), "seen": self.loader.seen}

    async def _keep(self, request: Mapping[str, object]) -> object:
        """Write down what serves in `folder`."""
        await self.loader.keep(Path(str(request["folder"])))
        return True

    async def _set_aside(self, request: Mapping[str, object]) -> object:
        """Judge no more what `contents` names; content in hexadecimal → why."""
        contents = cast("Mapping[str, str]", request["contents"])
        self._judging.set_aside.update((bytes.fromhex(key), why) for key, why in contents.items())
        return True

    async def _conclude(self, request: Mapping[str, object]) -> object:
        proposal, self._proposal = self._proposal, None
        return None if proposal is None else await proposal.end(swap=request["swap"] is True)


def run(
    config: Config,
    bound: Sequence[Bound],
    *,
    number: int,
    lifeline: socket.socket,
    trees: Sequence[Path],
    reread: Callable[[], Config],
    commons: Commons,
    tickets: Tickets,
    snapshot: Path | None,
) -> int:
    """Serve until SIGTERM or until the other end of the lifeline is gone; the exit code."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_work(config, bound, number, lifeline, trees, reread, commons, tickets, snapshot))


async def _work(
    config: Config,
    bound: Sequence[Bound],
    number: int,
    lifeline: socket.socket,
    trees: Sequence[Path],
    reread: Callable[[], Config],
    commons: Commons,
    tickets: Tickets,
    snapshot: Path | None,
) -> int:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    reader, writer = await asyncio.open_unix_connection(sock=lifeline)

    def note(kind: Note, text: str) -> None:
        writer.write(json.dumps([kind, text]).encode() + b"\n")

    async def outlive_nobody() -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        stopping.set()

    watching = asyncio.create_task(outlive_nobody())
    try:
        hub = Worker(
            config,
            bound,
            number=number,
            note=note,
            trees=trees,
            reread=reread,
            commons=commons,
            tickets=tickets,
            snapshot=snapshot,
        )
        with Stack(hub.notes):
            await hub.start()
            calm_collector()
            note(Note.READY, "")
            _log.info("serving", worker=number, pid=os.getpid(), data=str(config.settings.hub.data_dir))
            await told_to_stop(hub, stopping)
            _log.info("stopping", worker=number)
            await hub.stop()
        end_in_time()
        return 0
    except (OSError, RuntimeError, LoadErrors) as error:
        note(Note.FAILED, str(error)[:LONGEST_NOTE])
        return 1
    finally:
        watching.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
