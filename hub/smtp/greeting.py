"""Who is there, and the commands that change nothing (RFC 5321 §4.1.1)."""

from __future__ import annotations

import re
from typing import Final

from aiosmtpd.smtp import SMTP

from hub.dispatch.failure import HookFailed
from hub.hooks.observe import session_opened
from hub.hooks.smtp import smtp_connect, smtp_helo
from hub.mail.verdict import Defer, Reject
from hub.sasl.mechanisms import mechanisms
from hub.smtp import replies
from hub.smtp.dialogue import Answer, Dialogue, State
from hub.smtp.replies import Reply, refusal

# Wider than RFC 5321 §4.1.3, for hosts call themselves all sorts of things; but one word in ASCII.
_NAME: Final = re.compile(rb"[!-~]{1,255}\Z")


def connect(dialogue: Dialogue) -> Answer:
    """The first line of the server (RFC 5321 §3.1)."""
    if dialogue.kernel.connections.draining:
        dialogue.state = State.CLOSING
        return replies.DRAINING
    session, listener = dialogue.session, dialogue.listener
    if session.protocol == "lmtp" and session.peer[0] not in listener.clients:
        dialogue.state = State.CLOSING
        return replies.NOT_TRUSTED
    if dialogue.kernel.generations.current.plans[smtp_connect.__name__]:
        return _ask_connect(dialogue)
    return _greeted(dialogue)


async def _ask_connect(dialogue: Dialogue) -> Reply:
    return await refused(dialogue) or _greeted(dialogue)


async def refused(dialogue: Dialogue) -> Reply | None:
    """Why plugins do not want this client, and the session closes; None if they do."""
    pin = dialogue.kernel.generations.pin()
    try:
        verdict = await pin.first(smtp_connect)(dialogue.trace, session=dialogue.session)
    except HookFailed:
        dialogue.state = State.CLOSING
        return replies.CONNECT_FAILED
    finally:
        pin.release()
    if isinstance(verdict, Reject | Defer):
        dialogue.state = State.CLOSING
        return refusal(verdict, 554, 421)
    return None


def _greeted(dialogue: Dialogue) -> Reply:
    if dialogue.kernel.generations.current.plans[session_opened.__name__]:
        pin = dialogue.kernel.generations.pin()
        pin.notify(session_opened)(session=dialogue.session)
        pin.release()
    return banner(dialogue)


def banner(dialogue: Dialogue) -> Reply:
    """What a new client is greeted with."""
    spoken = "LMTP" if dialogue.session.protocol == "lmtp" else "ESMTP"
    return Reply(220, "", f"{dialogue.kernel.settings.hub.hostname} {spoken}")


def is_name(octets: bytes) -> bool:
    """Whether a host may call itself this."""
    return _NAME.match(octets) is not None


def ehlo(dialogue: Dialogue, argument: bytes) -> Answer:
    """EHLO: the greeting that names the extensions; ends a transaction (RFC 5321 §4.1.4)."""
    return _hello(dialogue, argument, extended=True)


def helo(dialogue: Dialogue, argument: bytes) -> Answer:
    """HELO: the greeting of RFC 821."""
    return _hello(dialogue, argument, extended=False)


def _hello(dialogue: Dialogue, argument: bytes, *, extended: bool) -> Answer:
    if not is_name(argument):
        return replies.GREETING_SYNTAX
    name = argument.decode("ascii")
    if dialogue.kernel.generations.current.plans[smtp_helo.__name__]:
        return _ask_hello(dialogue, name, extended)
    return _welcome(dialogue, name, extended)


async def _ask_hello(dialogue: Dialogue, name: str, extended: bool) -> Reply:
    return await refused_name(dialogue, name) or _welcome(dialogue, name, extended)


async def refused_name(dialogue: Dialogue, name: str) -> Reply | None:
    """Why plugins do not want a client that calls itself so; None if they do."""
    pin = dialogue.kernel.generations.pin()
    try:
        verdict = await pin.first(smtp_helo)(dialogue.trace, session=dialogue.session, name=name)
    finally:
        pin.release()
    if isinstance(verdict, Reject | Defer):
        return refusal(verdict, 550, 450)
    return None


def _welcome(dialogue: Dialogue, name: str, extended: bool) -> Reply:
    session = dialogue.session
    dialogue.end_transaction()
    session.greeting, session.extended = name, extended
    hostname = dialogue.kernel.settings.hub.hostname
    if not extended:
        return Reply(250, "", hostname)
    lines = [
        hostname,
        "PIPELINING",  # RFC 2920
        f"SIZE {dialogue.kernel.settings.smtp.max_size}",  # RFC 1870
        "8BITMIME",  # RFC 6152
        "CHUNKING",  # RFC 3030
        "BINARYMIME",  # RFC 3030
        "DSN",  # RFC 3461
        "SMTPUTF8",  # RFC 6531
        "ENHANCEDSTATUSCODES",  # RFC 2034
    ]
    if dialogue.offers_tls:
        lines.append("STARTTLS")  # RFC 3207
    if session.tls is not None:
        lines.append("REQUIRETLS")  # RFC 8689
    if session.is_submission and session.identity is None:
        offered = mechanisms(dialogue.kernel, session)
        if offered:
            lines.append("AUTH " + " ".join(offered))  # RFC 4954
    if dialogue.is_relay:
        lines.append("XCLIENT " + " ".join(relay_attributes(dialogue)))
    lines.append("HELP")
    return Reply(250, "", "\n".join(lines))


def relay_attributes(dialogue: Dialogue) -> tuple[str, ...]:
    """What a relay may say by XCLIENT; who logs in, only where clients may log in themselves."""
    names = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "DESTADDR", "DESTPORT")
    return (*names, "LOGIN") if dialogue.session.is_submission else names


def starttls(dialogue: Dialogue, argument: bytes) -> Answer:
    """STARTTLS (RFC 3207): everything that was said so far is forgotten, on both sides."""
    if argument:
        return replies.NO_ARGUMENT
    if dialogue.session.tls is not None:
        return replies.TLS_ALREADY
    if not dialogue.offers_tls:
        return replies.NO_TLS
    dialogue.end_transaction()
    dialogue.state = State.TLS
    return replies.READY_FOR_TLS


def noop(dialogue: Dialogue, argument: bytes) -> Answer:
    """NOOP, with whatever argument."""
    return replies.OK


def verify(dialogue: Dialogue, argument: bytes) -> Answer:
    """VRFY: no address is confirmed to strangers (RFC 5321 §7.3)."""
    return replies.CANNOT_VERIFY


def expand(dialogue: Dialogue, argument: bytes) -> Answer:
    """EXPN: not offered."""
    return replies.NO_EXPANSION


def help_(dialogue: Dialogue, argument: bytes) -> Answer:
    """HELP: the commands, or the syntax of one, in aiosmtpd's words."""
    texts = {
        name.removeprefix("smtp_"): str(method.__smtp_syntax__)
        for name, method in vars(SMTP).items()
        if hasattr(method, "__smtp_syntax__")
    }
    texts["BDAT"] = "Syntax: BDAT octets [LAST]"
    asked = texts.get(argument.decode("ascii", "replace").upper())
    return Reply(214, "2.0.0", asked or "Commands: " + " ".join(sorted(texts)))


def quit_(dialogue: Dialogue, argument: bytes) -> Answer:
    """QUIT."""
    if argument:
        return replies.NO_ARGUMENT
    dialogue.state = State.CLOSING
    return replies.BYE
