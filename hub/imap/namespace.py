"""NAMESPACE (RFC 2342): one's own mailboxes, and those of others."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.replies import Reply, ok
from hub.imap.session import ImapSession
from hub.imap.shared import PREFIX
from hub.imap.tokens import Reader


async def _namespace(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.out.send(b'* NAMESPACE (("" "/")) (("%b" "/")) NIL\r\n' % PREFIX.encode("ascii"))
    return ok(b"There are two")


COMMANDS = (Command("NAMESPACE", _namespace, State.AUTHENTICATED),)
