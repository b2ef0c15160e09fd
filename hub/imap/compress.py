"""COMPRESS (RFC 4978)."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.replies import Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


async def _compress(session: ImapSession, reader: Reader) -> Reply | None:
    reader.space()
    mechanism = reader.word("DEFLATE")
    reader.end()
    if mechanism != b"DEFLATE":
        raise bad("COMPRESS takes DEFLATE and nothing else (RFC 4978 3)")
    if session.out.deflates:
        raise no(b"Compression is active already", b"COMPRESSIONACTIVE")
    if len(session.input):
        raise bad("Nothing may follow COMPRESS before its answer")
    session.out.send(ok(b"From here on all is deflated").line(session.tag))
    session.out.flush()
    session.out.deflate(True)
    session.input.inflate(True)
    return None


COMMANDS = (Command("COMPRESS", _compress, State.AUTHENTICATED),)
