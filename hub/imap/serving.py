"""One command after another: read, run, answered, and counted."""

from __future__ import annotations

from time import perf_counter
from typing import Final

from hub.imap.dispatch import perform
from hub.imap.input import LineTooLong
from hub.imap.replies import BYE_TOO_MANY_FAILURES, Reply, bad
from hub.imap.session import ImapSession
from hub.imap.tokens import TAG
from hub.imap.updates import tell

MAX_FAILURES_BEFORE_LOGIN: Final = 20
TRACE_CHUNK: Final = 200
"""A session with more records than this has them written before its end."""


async def serve(session: ImapSession) -> None:
    """Read a command and answer it."""
    began, line = perf_counter(), None
    try:
        line = session.input.take_line()
        if line is None:
            return
        if session.idling is not None:
            await _end_idle(session, line)
            return
        name, reply = await perform(session, line)
    except LineTooLong as error:
        line = error.start if line is None else line
        name, reply = "", bad(f"The line is longer than {session.input.limit} octets").reply
        session.idling = None
        await session.input.skip_line()
    if reply is None:
        return
    tag = line.split(b" ", 1)[0]
    session.out.send(reply.line(tag if TAG.fullmatch(tag) else b"*"))
    session.trace.add(
        "command", name, reply.condition.decode(), seconds=perf_counter() - began, detail=_detail(reply)
    )
    if len(session.trace) > TRACE_CHUNK:
        session.kernel.write_trace(session.trace)
    if reply.condition != b"OK" and session.identity is None:
        session.failures += 1
        if session.failures >= MAX_FAILURES_BEFORE_LOGIN:
            session.out.send(BYE_TOO_MANY_FAILURES)
            session.ending = True


async def _end_idle(session: ImapSession, line: bytes) -> None:
    tag, session.idling = session.idling, None
    assert tag is not None
    await tell(session, expunged=True)
    reply = Reply(b"OK", b"IDLE is over") if line.upper() == b"DONE" else bad("IDLE ends with DONE").reply
    session.out.send(reply.line(tag))
    session.trace.add("command", "IDLE", reply.condition.decode())


def _detail(reply: Reply) -> str:
    return "" if reply.condition == b"OK" else reply.text.decode("ascii", "replace")
