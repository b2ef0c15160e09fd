"""CAPABILITY, NOOP, LOGOUT (RFC 3501 §6.1), ENABLE (RFC 5161), ID (RFC 2971) and IDLE (RFC 2177)."""

from __future__ import annotations

from hub.imap.annotated import watch_annotations
from hub.imap.capabilities import capabilities
from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.render import string
from hub.imap.replies import BYE_LOGOUT, Reply, bad, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore, tell
from hub.version import __version__

_MAX_ID_PAIRS = 30  # RFC 2971 §3.3


async def _capability(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.out.send(b"* CAPABILITY %b\r\n" % capabilities(session))
    return ok(b"That is all")


async def _noop(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    if session.view is not None:
        session.view.stale = True
    return ok(b"Nothing done")


async def _logout(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.out.send(BYE_LOGOUT)
    session.select(None)
    session.ending = True
    return ok(b"Logged out")


async def _enable(session: ImapSession, reader: Reader) -> Reply:
    """What is not offered, or not known, is passed over without a word (RFC 5161 §3.1)."""
    asked: set[bytes] = set()
    while not reader.at_end():
        reader.space()
        asked.add(reader.word("the name of a capability"))
    if not asked:
        raise bad("ENABLE takes the capabilities to enable, such as ENABLE UTF8=ACCEPT")
    offered = capabilities(session).upper().split()
    fresh = [
        each
        for each in Enabled
        if each.value in asked and each.value in offered and each not in session.enabled
    ]
    if Enabled.QRESYNC in fresh or Enabled.CONDSTORE in fresh:  # RFC 7162 §3.2.3
        enable_condstore(session)
    session.enabled.update(fresh)
    if Enabled.METADATA in fresh:
        await watch_annotations(session)
    session.out.send(b" ".join([b"* ENABLED", *(each.value for each in fresh)]) + b"\r\n")
    return ok(b"Enabled" if fresh else b"There was nothing to enable")


async def _id(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    client = _id_pairs(reader)
    reader.end()
    said = " ".join(f"{name}={value}" for name, value in client)
    session.trace.add("note", "client", "named", detail=said[:400])
    session.out.send(b'* ID ("name" "mail-hub" "version" %b)\r\n' % string(__version__.encode()))
    return ok(b"Pleased to meet you")


def _id_pairs(reader: Reader) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    if not reader.take(b"("):
        if reader.word("NIL or a list of names and values in parentheses") != b"NIL":
            raise bad("ID takes NIL or a list of names and values in parentheses")
        return pairs
    while not reader.take(b")"):
        if len(pairs) >= _MAX_ID_PAIRS:
            raise bad(f"ID has at most {_MAX_ID_PAIRS} names (RFC 2971 3.3)")
        name = _printable(reader.string("a name in quotes"))
        reader.space()
        pairs.append((name, _printable(reader.astring("a value in quotes or NIL"))))
        if reader.peek() == b" ":
            reader.space()
    return pairs


def _printable(octets: bytes) -> str:
    text = octets[:200].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


async def _idle(session: ImapSession, reader: Reader) -> None:
    """Ends here; the connection goes on without a task, tells what changes and answers at DONE."""
    reader.end()
    session.out.send(b"+ You will be told\r\n")
    if session.view is not None:
        session.view.stale = True
    await tell(session, expunged=True)
    session.idling = reader.line.split(b" ", 1)[0]


COMMANDS = (
    Command("CAPABILITY", _capability, State.ANY, asked=False),
    Command("NOOP", _noop, State.ANY, asked=False),
    Command("LOGOUT", _logout, State.ANY, asked=False),
    Command("ENABLE", _enable, State.AUTHENTICATED),
    Command("ID", _id, State.ANY),
    Command("IDLE", _idle, State.AUTHENTICATED),
)
