"""The hub: config, loader, services, listeners and the control socket of one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from hub.condition import condition
from hub.config.effective import differences, effective
from hub.config.errors import ConfigErrors
from hub.config.key import suggestion
from hub.config.load import Config
from hub.config.tables.listeners import Listener
from hub.control import ControlServer, Handler
from hub.delivery.submitting import submit
from hub.dispatch.deaths import Deaths
from hub.dispatch.judging import NOTES, Judging
from hub.dispatch.step import Observe
from hub.hooks.relay import resolve_tls_policy
from hub.imap.summarising import Summarising
from hub.listening import Bound, Serving, close_all_but, rebind
from hub.loading.collecting import Collecting
from hub.loading.commons import Commons
from hub.loading.describing import described
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.kernel import Kernel
from hub.loading.loader import Loader
from hub.loading.reload import Agree, Report, alone
from hub.loading.surroundings import Ask
from hub.loading.watching import Watcher
from hub.log import get_logger
from hub.mail.address import Address
from hub.raising import Raising
from hub.recording import Recording
from hub.relay.explaining import explain
from hub.relay.sender import Relay
from hub.renewal import Change, Renewal, changes, hold, places, prepare, tell_changes
from hub.services.clock import Clock, SystemClock
from hub.services.resolver import Resolver
from hub.speaking import speak, tell_unheard
from hub.tls.certificates import Certificates, load_certificates
from hub.tls.engine import Engine
from hub.tls.tickets import Tickets
from hub.trace.record import Trace

if TYPE_CHECKING:
    from pydantic import BaseModel

DRAIN: Final = 10.0
"""Seconds that open connections get to end what they are doing when the hub stops."""
_log = get_logger(area="hub")


class Hub:
    """One process's hub from `start` to `stop`.

    bound: the listeners' sockets. trees: plugins that need no installation: source trees, files, folders of
    both. observe, tell: for tools, told of every step of a plugin and of every trace that is written.
    reread: gives the configuration as it is on disk now. commons, tickets: what it shares with other workers.
    snapshot: of the plugins that others serve with during a rollback.
    """

    def __init__(
        self,
        config: Config,
        bound: Sequence[Bound],
        *,
        trees: Sequence[Path] = (),
        clock: Clock | None = None,
        reread: Callable[[], Config] | None = None,
        commons: Commons | None = None,
        tickets: Tickets | None = None,
        snapshot: Path | None = None,
        observe: Observe | None = None,
        tell: Callable[[Trace], None] | None = None,
    ) -> None:
        self._config = self._read = config
        self._commons = commons or Commons()
        self._reread = reread
        self._renewing = asyncio.Lock()
        self._watcher: Watcher | None = None
        self._collecting: Collecting | None = None
        self._relay: Relay | None = None
        self._summarising: Summarising | None = None
        self._first = bound
        self._serving = Serving(lambda bound: speak(self.kernel, bound))
        settings = config.settings
        self._tls = Engine(settings.hub.data_dir, tickets or Tickets(), settings.tls)
        self._dns = Resolver(**dict(settings.dns))
        self.loader = Loader(
            config,
            clock or SystemClock(),
            trees=trees,
            snapshot=snapshot,
            ask=self.asking,
            status=self.hub_status,
            certify=self._tls.certify,
            observe=observe,
            submit=self._submit,
            dns=self._dns,
        )
        self._started_at = time.monotonic()
        self._judging = Judging()
        self._raising = Raising(clock or SystemClock(), lambda: self._config.settings.log)
        self._recording = Recording(lambda: self._config.settings, self._raising, tell)
        self._control = ControlServer(config.settings.hub.data_dir / self.socket_name, self.verbs())

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
            "preview": self._preview,
            "rollback": self._rollback,
            "flush-traces": self._flush_traces,
            "raise-log": self._raise_log,
            "ask-plugin": self._ask_plugin,
            "destinations": self._destinations,
            "tls-failures": self._tls_failures,
            "tls-policy": self._tls_policy,
        }

    @property
    def asking(self) -> Ask | None:
        """Asks a plugin in all workers; None if there is only this process."""
        return None

    async def hub_status(self) -> Mapping[str, object]:
        """What `hub status` says. RuntimeError."""
        return await self._status({})

    async def _submit(
        self, reverse_path: Address | None, recipients: Sequence[Address], message: bytes
    ) -> str:
        if self._relay is None:
            raise RuntimeError("the hub does not serve yet: mail can be sent once it does")
        return await submit(self.kernel, reverse_path, recipients, message)

    @property
    def notes(self) -> Path:
        """Where this process writes down what it is judging; its stack goes beside it."""
        return self._config.settings.hub.data_dir / f"hub{NOTES}"

    @property
    def bound(self) -> Sequence[Bound]:
        """The sockets that it listens on."""
        return self._serving.bound

    def watch(self) -> None:
        """From now on, what is saved is live: plugins, the configuration, certificates."""
        self.loader.watch()
        self.watch_config(partial(self.reload, saved=True))

    def watch_config(self, changed: Callable[[], Awaitable[object]]) -> None:
        """Call it after a file of the configuration or a certificate was saved."""
        if self._reread is not None:
            self._watcher = Watcher(changed)
            self._watcher.watch(places(self._config))

    def set_aside(self) -> Mapping[bytes, str]:
        """What is judged no more, and why; what the process before this one died of is counted."""
        deaths = Deaths(self._config.settings.hub.data_dir)
        deaths.look_back()
        return deaths.set_aside()

    async def start(self) -> None:
        """Load the plugins, open the drivers, serve; whatever fails closes again what was opened."""
        settings = self._config.settings
        try:
            await self._control.start()
            self._write_down()
            data, listeners = settings.hub.data_dir, settings.listeners
            self._tls.take(load_certificates(settings.tls, data, Certificates(), listeners))
            await asyncio.to_thread(self._tls.certificates.tell)
            generations = await self.loader.start()
            self._recording.begin(generations)
            self.kernel = Kernel(
                settings,
                generations,
                self.loader.services,
                self._tls,
                self._recording.write,
                commons=self._commons,
                judging=self._judging,
            )
            await self._serving.swap(self._first)
            self._tls.start()
            self.watch()
            self._collecting = Collecting(self.loader.services)
            self._summarising = Summarising(self.kernel)
            self._summarising.start()
            self._relay = Relay(self.kernel)
            self._relay.start()
        except BaseException:
            self._serving.close()
            close_all_but((), self._first)
            await self._close()
            raise
        for bound in self.bound:
            _log.info("listening", listener=bound.name, address=bound.shown)
        tell_unheard(self.kernel.generations.current, self.bound)

    async def stop(self) -> None:
        """Take no new connections, let the open ones end, close everything."""
        self._serving.close()
        left = await self.kernel.connections.drain(DRAIN)
        if left:
            _log.warning("connections did not end in time", count=left)
        await self._close()

    def exonerate(self) -> None:
        """What is being judged has nothing to do with this process's end."""
        self._judging.close()

    def _write_down(self) -> None:
        try:
            self._judging.open(self.notes, self.set_aside())
        except OSError as error:
            _log.warning("what is being judged is not written down", reason=str(error))

    async def _close(self) -> None:
        await self._control.close()
        await self._raising.close()
        if self._watcher is not None:
            await self._watcher.close()
        if self._relay is not None:
            await self._relay.close()
        if self._summarising is not None:
            await self._summarising.close()
        if self._collecting is not None:
            await self._collecting.close()
        await self._tls.close()
        await self.loader.close()
        await self._recording.flush()
        self._judging.close()

    async def reload(self, agree: Agree = alone, *, saved: bool = False) -> Mapping[str, object] | None:
        """Read the configuration again and load what changed, or change nothing; gives the report.

        saved: only what the configuration and the certificates say; None if they say what they said.
        """
        async with self._renewing:
            before = effective(self._config, self._model)
            try:
                fresh = await asyncio.to_thread(self._reread) if self._reread is not None else self._read
                new = await prepare(fresh, self._config, self._tls.certificates, self.rebind)
            except ConfigErrors as refused:
                return self._refuse(refused)
            is_same = fresh.says_the_same(self._read)
            certificates = self._tls.certificates
            if saved and is_same and new.certificates is certificates:
                return None

            async def agreed() -> None:
                await agree()
                await self._take(fresh, new)

            try:
                if saved and is_same:  # the plugins are not asked, and a rollback goes on
                    report = await self.loader.agree(agreed)
                else:
                    report = await self.loader.reload(new.config, agreed)
            finally:
                if self._config is not new.config:
                    close_all_but(self.bound, new.bound)
            if not report.ok:
                return described(report)
            tell_unheard(self.kernel.generations.current, self.bound)
            said = [str(change) for change in changes(before, certificates, new, self._model)]
            if agree is alone:
                tell_changes(said, new.waiting)
            return described(report) | {"config": said, "new_start": list(new.waiting)}

    async def rebind(self, listeners: Mapping[str, Listener]) -> list[Bound]:
        """The sockets for these listeners; those that are not open yet are opened. OSError."""
        return rebind([self.bound], listeners)[0]

    async def _take(self, fresh: Config, new: Renewal) -> None:
        """All are agreed: from now on the new configuration holds. LoadErrors if not even now."""
        try:
            await self._serving.swap(new.bound)
        except OSError as error:  # no descriptor to spare
            raise LoadErrors([LoadError("hub", f"a listener cannot be served: {error.strerror}")]) from error
        old, self._config, self._read = self._config.settings, new.config, fresh
        settings = self.kernel.settings = new.config.settings
        self._tls.settings = settings.tls
        if new.certificates is not self._tls.certificates:
            self._tls.take(new.certificates)
            await asyncio.to_thread(new.certificates.tell)
        if settings.dns != old.dns:
            self._dns.configure(**dict(settings.dns))
        if settings.log != old.log:
            self._raising.apply()
        if self._watcher is not None:
            self._watcher.watch(places(new.config))

    def _refuse(self, refused: ConfigErrors) -> Mapping[str, object]:
        for error in refused.errors:
            _log.error("reload refused", reason=str(error))
        return self._unread(refused)

    def _unread(self, refused: ConfigErrors) -> Mapping[str, object]:
        number = self.kernel.generations.current.number
        return described(Report(number, {}, (), (), (), 0.0)) | {"errors": list(map(str, refused.errors))}

    def _model(self, name: str) -> type[BaseModel] | None:
        return self.loader.settings_model(name)

    async def reload_saved(self, agree: Agree = alone, *, again: bool = False) -> Mapping[str, object] | None:
        """Load what was saved since it was last tried, with the settings as they are; None if nothing was.

        again: even what was tried before.
        """
        report = await (self.loader.reload(agree=agree) if again else self.loader.reload_if_changed(agree))
        return None if report is None else described(report)

    async def rollback(self, agree: Agree = alone) -> Mapping[str, object]:
        """Back to the generation before; gives the report."""
        return described(await self.loader.rollback(agree))

    # -- what the control socket answers

    async def _status(self, _: Mapping[str, object]) -> Mapping[str, object]:
        uptime = time.monotonic() - self._started_at
        return await condition(self.kernel, self.loader, self._dns, self.bound, uptime)

    async def _destinations(self, _: Mapping[str, object]) -> object:
        """Where mail was sent of late, and how those stand."""
        return [] if self._relay is None else self._relay.destinations()

    async def _plugins(self, _: Mapping[str, object]) -> object:
        return self.loader.plugins()

    async def _hooks(self, _: Mapping[str, object]) -> object:
        return self.loader.hooks()

    async def _ask_plugin(self, request: Mapping[str, object]) -> object:
        arguments = cast("Mapping[str, object]", request["arguments"])
        return await self.loader.calling.reply(str(request["plugin"]), str(request["question"]), arguments)

    async def _tls_failures(self, request: Mapping[str, object]) -> object:
        who = request.get("who")
        return self._tls.failures.last(int(str(request["last"])), None if who is None else str(who))

    async def _tls_policy(self, request: Mapping[str, object]) -> object:
        plugins = self.loader.implementations(resolve_tls_policy.__name__)
        return await explain(self.kernel, plugins, str(request["domain"]))

    async def _reload(self, request: Mapping[str, object]) -> object:
        if request.get("workers"):
            raise RuntimeError("this hub is one process, with no workers to replace: start it anew")
        return await self.reload()

    async def _preview(self, _: Mapping[str, object]) -> object:
        """What a reload would do; nothing is imported and no socket opened to find out."""
        try:
            fresh = await asyncio.to_thread(self._reread) if self._reread is not None else self._read
        except ConfigErrors as refused:
            return self._unread(refused)
        config, waiting = hold(fresh, self._config)
        report = await self.loader.preview(config)
        different = differences(effective(self._config, self._model), config, effective(config, self._model))
        said = [str(Change.of(change)) for change in different]
        return described(report) | {"config": said, "new_start": list(waiting)}

    async def _rollback(self, _: Mapping[str, object]) -> object:
        return await self.rollback()

    async def _raise_log(self, request: Mapping[str, object]) -> object:
        plugin = request.get("plugin")
        known = [each["name"] for each in self.loader.plugins()]
        if plugin is not None and plugin not in known:
            raise ValueError(f"there is no plugin '{plugin}'. {suggestion(str(plugin), known)}")
        return self._raising.add(request)

    async def _flush_traces(self, _: Mapping[str, object]) -> object:
        for trace in self.kernel.sessions.values():
            self.kernel.write_trace(trace)
        await self._recording.flush()
        return True
