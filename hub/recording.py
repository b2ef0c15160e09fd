"""Where the traces of sessions go: the ring, the log while somebody's level is raised, plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from hub.config.model import HubSettings
from hub.dispatch.plan import NotifyPlan
from hub.hooks.observe import session_traced
from hub.loading.generation import Generations
from hub.loading.records import tell_records
from hub.log import get_logger
from hub.raising import Raising
from hub.trace.record import Trace
from hub.trace.ring import TraceRing
from hub.trace.spans import spans_of
from hub.trace.writer import TraceWriter

_log = get_logger(area="trace")


class Recording:
    """Takes the traces of one process. settings: those that hold now; observe: told of each trace first."""

    def __init__(
        self,
        settings: Callable[[], HubSettings],
        raising: Raising,
        observe: Callable[[Trace], None] | None = None,
    ) -> None:
        self._observe = observe
        self._settings = settings
        self._raising = raising
        table = settings()
        ring = TraceRing(table.hub.data_dir / "trace", table.trace.max_size)
        self._writer = TraceWriter(ring, _trace_lost)
        self._generations: Generations | None = None

    def begin(self, generations: Generations) -> None:
        """From now on plugins are told; generations: whose."""
        self._generations = generations

    def write(self, trace: Trace) -> None:
        """Take what the trace holds."""
        if self._observe is not None and trace:
            self._observe(trace)
        if self._raising:
            self._raising.tell(trace)
        if self._generations is not None:
            tell_records(self._generations, trace)
            plan = self._generations.current.plans[session_traced.__name__]
            if plan:
                self._tell(cast(NotifyPlan[...], plan), trace)
        if self._settings().trace.enabled:
            self._writer.add(trace)
        else:
            trace.take()

    async def flush(self) -> None:
        """Return when everything taken so far is in the ring."""
        await self._writer.flush()

    def _tell(self, plan: NotifyPlan[...], trace: Trace) -> None:
        try:
            spans = spans_of(trace, self._settings())
        except Exception:
            _log.error("spans cannot be made", session=trace.session_id, exc_info=True)
            return
        if spans:
            plan(session_id=trace.session_id, spans=spans)


def _trace_lost(error: OSError) -> None:
    _log.warning("trace records were lost", reason=str(error))
