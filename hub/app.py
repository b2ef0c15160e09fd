"""The hub: config, loader, services, listeners and the control socket of one process."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from hub.config.errors import ConfigErrors
from hub.config.load import Config
from hub.config.model import Listener
from hub.control import ControlServer, Handler
from hub.imap import server as imap_server
from hub.listening import BACKLOG, Bound
from hub.loading.kernel import Kernel
from hub.loading.loader import Loader
from hub.loading.reload import Agree, Report, alone
from hub.log import get_logger
from hub.services.clock import Clock, SystemClock
from hub.smtp import server as smtp_server
from hub.tls.context import server_context
from hub.trace.record import Trace
from hub.trace.ring import TraceRing
from hub.trace.writer import TraceWriter
from hub.version import __version__

Factory = Callable[[Kernel, str, Listener], Callable[[], asyncio.BaseProtocol]]
FACTORIES: Final[Mapping[str, Factory]] = {
    "smtp": smtp_server.factory,
    "submission": smtp_server.factory,
    "submissions": smtp_server.factory,
    "imap": imap_server.factory,
    "imaps": imap_server.factory,
}
DRAIN: Final = 10.0
"""Seconds that open connections get to end what they are doing when the hub stops."""

_log = get_logger(area="hub")


class Hub:
    """One process's hub from `start` to `stop`.

    bound: the listeners' sockets. trees: folders of plugin source trees that need no installation.
    reread: gives the configuration as it is on disk now.
    """

    def __init__(
        self,
        config: Config,
        bound: Sequence[Bound],
        *,
        trees: Sequence[Path] = (),
        clock: Clock | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        self._config = config
        self._reread = reread
        self._bound = bound
        self.loader = Loader(config, clock or SystemClock(), trees=trees)
        self._servers: list[asyncio.Server] = []
        self._started_at = time.monotonic()
        settings = config.settings
        self._ring = TraceRing(settings.hub.data_dir / "trace", settings.trace.max_size)
        self._traces = TraceWriter(self._ring, _trace_lost)
        self._control = ControlServer(settings.hub.data_dir / self.socket_name, self.verbs())

    @property
    def socket_name(self) -> str:
        """The control socket in the data folder."""
        return "control.sock"

    def verbs(self) -> dict[str, Handler]:
        """What the control socket answers."""
        return {
            "status": self._status,
            "plugins": self._plugins,
            "hooks": self._hooks,
            "reload": self._reload,
            "rollback": self._rollback,
            "flush-traces": self._flush_traces,
        }

    def watch(self) -> None:
        """From now on, what is saved is live."""
        self.loader.watch()

    async def start(self) -> None:
        """Load the plugins, open the drivers, serve; whatever fails closes again what was opened."""
        settings = self._config.settings
        try:
            await self._control.start()
            tls = server_context(settings.tls)
            generations = await self.loader.start()
            write = self._traces.add if settings.trace.enabled else _forget
            self.kernel = Kernel(settings, generations, self.loader.services, tls, write)
            for bound in self._bound:
                make = FACTORIES[bound.listener.protocol](self.kernel, bound.name, bound.listener)
                context = tls if bound.listener.is_implicit else None
                loop = asyncio.get_running_loop()
                server = await loop.create_server(make, sock=bound.socket, ssl=context, backlog=BACKLOG)
                self._servers.append(server)
            self.watch()
        except BaseException:
            for server in self._servers:
                server.close()
            for bound in self._bound:
                bound.socket.close()
            await self._close()
            raise
        for bound in self._bound:
            _log.info("listening", listener=bound.name, address=_shown(bound))

    async def stop(self) -> None:
        """Take no new connections, let the open ones end, close everything."""
        for server in self._servers:
            server.close()
        left = await self.kernel.connections.drain(DRAIN)
        if left:
            _log.warning("connections did not end in time", count=left)
        await self._close()

    async def _close(self) -> None:
        await self._control.close()
        await self.loader.close()
        await self._traces.flush()

    async def reload(self, agree: Agree = alone) -> Mapping[str, object]:
        """Read the configuration again and load what changed, or change nothing; gives the report."""
        config = self._config
        if self._reread is not None:
            try:
                config = await asyncio.to_thread(self._reread)
            except ConfigErrors as refused:
                for error in refused.errors:
                    _log.error("reload refused", reason=str(error))
                errors = list(map(str, refused.errors))
                number = self.kernel.generations.current.number
                return _said(Report(number, {}, (), (), (), 0.0)) | {"errors": errors}
        report = await self.loader.reload(config, agree)
        if report.ok:
            self._config = config
            self.kernel.settings = config.settings
        return _said(report)

    async def reload_saved(self, agree: Agree = alone, *, again: bool = False) -> Mapping[str, object] | None:
        """Load what was saved since it was last tried, with the settings as they are; None if nothing was.

        again: even what was tried before.
        """
        report = await (self.loader.reload(agree=agree) if again else self.loader.reload_if_changed(agree))
        return None if report is None else _said(report)

    async def rollback(self, agree: Agree = alone) -> Mapping[str, object]:
        """Back to the generation before; gives the report."""
        return _said(await self.loader.rollback(agree))

    # -- what the control socket answers

    async def _status(self, _: Mapping[str, object]) -> object:
        storage = self.kernel.services.storage
        return {
            "version": __version__,
            "hostname": self._config.settings.hub.hostname,
            "pid": os.getpid(),
            "uptime": time.monotonic() - self._started_at,
            "generation": self.kernel.generations.current.number,
            "sessions": len(self.kernel.connections),
            "listeners": [
                {
                    "name": bound.name,
                    "protocol": bound.listener.protocol,
                    "address": _shown(bound),
                    "tls": bound.listener.tls,
                }
                for bound in self._bound
            ],
            "unwell": {
                each["name"]: each["health"] for each in self.loader.plugins() if each["health"] != "ok"
            },
            "storage": dict(storage.status()),
        }

    async def _plugins(self, _: Mapping[str, object]) -> object:
        return self.loader.plugins()

    async def _hooks(self, _: Mapping[str, object]) -> object:
        return self.loader.hooks()

    async def _reload(self, _: Mapping[str, object]) -> object:
        return await self.reload()

    async def _rollback(self, _: Mapping[str, object]) -> object:
        return await self.rollback()

    async def _flush_traces(self, _: Mapping[str, object]) -> object:
        for trace in self.kernel.sessions.values():
            self._traces.add(trace)
        await self._traces.flush()
        return True


def serve(
    config: Config, bound: Sequence[Bound], reread: Callable[[], Config], trees: Sequence[Path] = ()
) -> None:
    """Run a hub until SIGTERM or SIGINT; on uvloop where that is installed."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(config, bound, reread, trees))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's event loop, where that is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(
    config: Config, bound: Sequence[Bound], reread: Callable[[], Config], trees: Sequence[Path]
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    hub = Hub(config, bound, trees=trees, reread=reread)
    await hub.start()
    calm_collector()
    reloads: set[asyncio.Task[Mapping[str, object]]] = set()

    def reload() -> None:
        task = loop.create_task(hub.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    _log.info("serving", pid=os.getpid(), data=str(config.settings.hub.data_dir))
    await stopping.wait()
    _log.info("stopping")
    await hub.stop()


def calm_collector() -> None:
    """What is loaded now stays: leave it out of every garbage collection, and collect less often.

    Collections of everything were seen to hold the loop for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _said(report: Report) -> dict[str, object]:
    """A report in plain values."""
    return {
        "generation": report.generation,
        "changed": {name: what for name, what in report.changed.items() if what != "kept"},
        "errors": list(map(str, report.errors)),
        "warnings": list(map(str, report.warnings)),
        "restart_needed": list(report.restart_needed),
        "seconds": report.seconds,
    }


def _shown(bound: Bound) -> str:
    host, port = bound.socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _trace_lost(error: OSError) -> None:
    _log.warning("trace records were lost", reason=str(error))


def _forget(trace: Trace) -> None:
    trace.take()
