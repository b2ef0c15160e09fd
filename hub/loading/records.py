"""Plugins that count are given what every session has recorded."""

from __future__ import annotations

from typing import cast

from hub.dispatch.plan import NotifyPlan
from hub.hooks.observe import session_recorded
from hub.loading.generation import Generations
from hub.trace.record import Trace


def tell_records(generations: Generations, trace: Trace) -> None:
    """Tell what the trace holds, before it is taken; costs a truth test if nobody listens."""
    plan = generations.current.plans[session_recorded.__name__]
    if plan and trace:
        cast("NotifyPlan[...]", plan)(
            session_id=trace.session_id,
            protocol=trace.about.partition(" ")[0],
            records=tuple(trace.records),
            dropped=trace.dropped,
        )
