"""XCLIENT: a trusted relay says for whom it speaks (Postfix, XCLIENT_README).

    XCLIENT 1*( SP attribute "=" value ), values in xtext (RFC 3461 §4) or [UNAVAILABLE] or [TEMPUNAVAIL]

The session begins anew as that client's: transaction, greeting, login and what plugins kept are gone, and
`smtp_connect` is asked again. TLS stays what it is between the relay and us.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Final

from hub.config.networks import LOOPBACK
from hub.mail.login import Identity
from hub.mail.stash import Stash
from hub.smtp import greeting, limits, replies
from hub.smtp.dialogue import Answer, Dialogue
from hub.smtp.replies import Reply

_UNKNOWN: Final = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")
_XTEXT: Final = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_ESCAPE: Final = re.compile(rb"\+([0-9A-Fa-f]{2})")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")


class _Wrong(ValueError):
    """An attribute that is not offered, or a value that it cannot have."""


def xclient(dialogue: Dialogue, argument: bytes) -> Answer:
    """XCLIENT attribute=value ..."""
    if not dialogue.is_relay:
        return replies.XCLIENT_DENIED
    if dialogue.transaction is not None:
        return replies.XCLIENT_IN_TRANSACTION
    try:
        said = _attributes(argument, greeting.relay_attributes(dialogue))
        peer = _endpoint(said, "ADDR", "PORT", dialogue.session.peer)
        local = _endpoint(said, "DESTADDR", "DESTPORT", dialogue.session.local)
        extended = _extended(said.get("PROTO"))
        helo = said.get("HELO")
        if helo is not None and not greeting.is_name(helo.encode()):
            raise _Wrong
        name = said.get("NAME")
        if name is not None and not _NAME.fullmatch(name):
            raise _Wrong
    except _Wrong:
        return replies.XCLIENT_SYNTAX
    return _begin_anew(dialogue, peer, local, name, said.get("LOGIN"), helo, extended)


def _attributes(argument: bytes, names: Collection[str]) -> Mapping[str, str | None]:
    """Decoded values by name; None for what the relay does not know."""
    said: dict[str, str | None] = {}
    for word in argument.split():
        key, equals, value = word.partition(b"=")
        name = key.decode("ascii", "replace").upper()
        if name not in names or name in said or not equals:
            raise _Wrong
        if value.decode("ascii", "replace").upper() in _UNKNOWN:
            said[name] = None
            continue
        if not _XTEXT.fullmatch(value):
            raise _Wrong
        try:
            text = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), value).decode()
        except UnicodeDecodeError:
            raise _Wrong from None
        if not text.isprintable():
            raise _Wrong
        said[name] = text
    if not said:
        raise _Wrong
    return said


def _endpoint(
    said: Mapping[str, str | None], address: str, port: str, known: tuple[str, int]
) -> tuple[str, int]:
    """What is said of one end; what is not, stays as it is known. A new address has no known port."""
    host, number = known
    given = said.get(address)
    if given is not None:
        host, number = _host(given), 0
        if host in LOOPBACK and known[0] not in LOOPBACK:
            raise _Wrong  # that would be the relay's machine, and from ours passwords come in the clear
    digits = said.get(port)
    if digits is not None:
        if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) > 65535:
            raise _Wrong
        number = int(digits)
    return host, number


def _host(text: str) -> str:
    try:
        if text[:5].upper() == "IPV6:":
            if "%" in text:
                raise _Wrong
            return str(ipaddress.IPv6Address(text[5:]))
        return str(ipaddress.IPv4Address(text))
    except ipaddress.AddressValueError:
        raise _Wrong from None


def _extended(protocol: str | None) -> bool:
    if protocol is not None and protocol.upper() not in ("SMTP", "ESMTP"):
        raise _Wrong
    return protocol is not None and protocol.upper() == "ESMTP"


async def _begin_anew(
    dialogue: Dialogue,
    peer: tuple[str, int],
    local: tuple[str, int],
    name: str | None,
    login: str | None,
    helo: str | None,
    extended: bool,
) -> Reply:
    identity = None
    if login is not None:
        account = await dialogue.kernel.services.directory.account(login)
        if account is None or not account.enabled:
            return replies.XCLIENT_NOBODY
        identity = Identity(account.ref, str(account.address), account.address)
    session = dialogue.session
    dialogue.trace.add(
        "note", "XCLIENT", "taken", detail=f"{session.peer[0]} speaks for {name or 'unknown'} [{peer[0]}]"
    )
    session.peer, session.local, session.peer_name = peer, local, name
    session.identity, session.greeting, session.extended = identity, None, False
    session.stash = Stash()
    limits.leave(dialogue)
    refused = limits.enter(dialogue, None) or await greeting.refused(dialogue)
    if refused is None and helo is not None:
        refused = await greeting.refused_name(dialogue, helo)
        if refused is None:
            session.greeting, session.extended = helo, extended
    return refused or greeting.banner(dialogue)
