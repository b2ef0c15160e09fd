"""STARTTLS, LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4959), UNAUTHENTICATE (RFC 8437): who is there."""

from __future__ import annotations

import binascii
import re

from hub.imap.capabilities import can_start_tls, capabilities
from hub.imap.command import Command, State
from hub.imap.input import LineTooLong
from hub.imap.replies import NEEDS_TLS, UNAVAILABLE, WRONG_LOGIN, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.mail.login import Identity, Password
from hub.sasl.login import LoginContext, Unavailable, authenticate
from hub.sasl.mechanisms import Step, mechanisms, start

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


async def _starttls(session: ImapSession, reader: Reader) -> Reply | None:
    reader.end()
    if not can_start_tls(session) or session.start_tls is None:
        raise bad("STARTTLS is not offered here" if session.tls is None else "TLS is active already")
    if len(session.input):
        # What was sent in the clear behind STARTTLS must not be read as if TLS had protected it (RFC 3501
        # §6.2.1).
        session.ending = True
        raise bad("Nothing may follow STARTTLS before the TLS handshake")
    session.out.send(ok(b"Begin TLS now").line(reader.line.split(b" ", 1)[0]))
    try:
        await session.start_tls()
    except OSError as error:  # ssl.SSLError and a client that leaves
        assert session.settings is not None
        why = session.kernel.tls.failed(
            error, session.settings, name=session.listener, peer=session.peer, session=session.id
        )
        session.trace.add("note", "tls", "failed", detail=why[:200])
        raise ConnectionResetError("the TLS handshake failed") from error
    return None


async def _login(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    username = reader.text("the user name")
    reader.space()
    password = reader.text("the password")
    reader.end()
    if not session.plain_login_allowed:
        raise Refused(NEEDS_TLS)
    credentials = Password(username, password, "LOGIN")
    return await _conclude(session, await authenticate(session.kernel, session, session.trace, credentials))


async def _authenticate(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    mechanism = reader.word("a SASL mechanism").decode("ascii").upper()
    response: bytes | None = None
    if not reader.at_end():
        reader.space()
        response = _decoded(reader.line[reader.at :])
    context = LoginContext(session.kernel, session, session.trace)
    try:
        exchange = start(mechanism, context)
    except LookupError:
        offered = " ".join(mechanisms(session.kernel, session))
        if not offered and session.tls is None:
            raise Refused(NEEDS_TLS) from None
        raise no(f"That mechanism is not offered; these are: {offered}".encode("ascii"), b"CANNOT") from None
    while isinstance(step := await exchange.step(response), bytes):
        session.out.send(b"+ %b\r\n" % binascii.b2a_base64(step, newline=False))
        session.out.flush()
        response = await _response(session)
    return await _conclude(session, step)


async def _response(session: ImapSession) -> bytes:
    """What the client answers to a challenge; `*` gives up (RFC 3501 §6.2.2)."""
    try:
        line = await session.input.line()
    except LineTooLong:
        await session.input.skip_line()
        raise bad("The response is too long") from None
    if line == b"*":
        raise bad("The login was given up")
    return _decoded(line)


def _decoded(text: bytes) -> bytes:
    """RFC 4959 §3: `=` stands for an initial response of no octets."""
    if text == b"=":
        return b""
    if not _BASE64.fullmatch(text):
        raise bad("The response is not base64 (RFC 4648 4)")
    return binascii.a2b_base64(text)


async def _conclude(session: ImapSession, end: Step) -> Reply:
    if isinstance(end, Identity):
        await session.storage.ensure_account(end.account)
        session.log_in(end)
        return ok(b"Welcome", b"CAPABILITY " + capabilities(session))
    return UNAVAILABLE if isinstance(end, Unavailable) else WRONG_LOGIN


async def _unauthenticate(session: ImapSession, reader: Reader) -> Reply | None:
    """All is as it was behind the greeting, or behind the TLS handshake (RFC 8437 §2)."""
    reader.end()
    if session.out.deflates and len(session.input):
        raise bad("Nothing may follow UNAUTHENTICATE before its answer while compression is active")
    session.log_out()
    session.out.send(ok(b"Nobody is logged in", b"CAPABILITY " + capabilities(session)).line(session.tag))
    session.out.flush()
    session.out.deflate(False)
    session.input.inflate(False)
    return None


COMMANDS = (
    Command("STARTTLS", _starttls, State.NOT_AUTHENTICATED),
    Command("LOGIN", _login, State.NOT_AUTHENTICATED),
    Command("AUTHENTICATE", _authenticate, State.NOT_AUTHENTICATED),
    Command("UNAUTHENTICATE", _unauthenticate, State.AUTHENTICATED, asked=False),
)
