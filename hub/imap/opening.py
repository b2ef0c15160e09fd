"""The first and the last words of a session: who may come in, and who is told of it."""

from __future__ import annotations

from hub.dispatch.failure import HookFailed
from hub.hooks.imap import imap_connect
from hub.hooks.observe import session_closed, session_opened
from hub.imap.capabilities import capabilities
from hub.imap.replies import UNAVAILABLE, unwanted
from hub.imap.session import ImapSession
from hub.mail.verdict import Defer, Reject


def note_opened(session: ImapSession) -> None:
    """Count the session among those that are open, under its client's address."""
    client = f"{session.peer[0]}:{session.peer[1]}"
    session.kernel.sessions[session.id] = session.trace
    session.trace.about = f"{session.protocol} from {client}"
    session.trace.add("session", session.protocol, "opened", detail=client)


async def ask(session: ImapSession) -> bytes | None:
    """The farewell for a client that a plugin does not want, else None."""
    session.pin_now()
    try:
        verdict = await session.pin.first(imap_connect)(session.trace, session=session)
    except HookFailed:
        verdict = Defer("4.3.0", UNAVAILABLE.text.decode())
    finally:
        session.unpin()
    return unwanted(verdict) if isinstance(verdict, Reject | Defer) else None


def greet(session: ImapSession) -> None:
    """Say what this server can do (RFC 3501 §7.1)."""
    session.out.send(b"* OK [CAPABILITY %b] IMAP server ready\r\n" % capabilities(session))
    session.out.flush()
    session.pin_now()
    opened = session.pin.notify(session_opened)
    if opened:
        opened(session=session)
    session.unpin()


def note_closed(session: ImapSession) -> None:
    """Write down what has happened, and tell who wants to know."""
    session.trace.add("session", session.protocol, "closed")
    session.kernel.sessions.pop(session.id, None)
    session.kernel.write_trace(session.trace)
    session.pin_now()
    closed = session.pin.notify(session_closed)
    if closed:
        closed(session=session)
    session.unpin()
