"""Where plugins say that mail goes, asked before anything else is (`resolve_route`)."""

from __future__ import annotations

from collections.abc import Sequence

from hub.dispatch.failure import HookFailed
from hub.hooks.relay import NextHop, resolve_route
from hub.loading.kernel import Kernel
from hub.mail.verdict import Defer, Reject
from hub.relay.answers import Answer, failed
from hub.relay.claims import Job


def is_asked(kernel: Kernel) -> bool:
    """Whether a plugin that serves now has anything to say."""
    return bool(kernel.generations.current.plans[resolve_route.__name__])


async def direct(kernel: Kernel, job: Job) -> Sequence[Job]:
    """The job's rows by what plugins say of each: jobs with a route of their own."""
    found: dict[NextHop | Answer | None, Job] = {}
    pin = kernel.generations.pin()
    try:
        for row in job.rows:
            try:
                said = await pin.first(resolve_route)(
                    None,
                    message_id=row.message_id,
                    sender=row.sender,
                    reverse_path=row.reverse_path,
                    recipient=row.recipient,
                )
            except HookFailed:  # who failed has been told
                said = Defer("4.3.0", "nobody can say now where it goes")
            route = failed(said.code, said.text) if isinstance(said, Reject | Defer) else said
            name = str(route) if isinstance(route, NextHop) else job.destination
            found.setdefault(route, Job(job.lease, name, [], route)).rows.append(row)
    finally:
        pin.release()
    return list(found.values())
