"""Logging in to a smarthost (RFC 4954): SCRAM-SHA-256, PLAIN or LOGIN, the strongest that it offers."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Final

from scramp import ScramClient, ScramException

from hub.relay.answers import Answer
from hub.relay.wire import COMMAND, Broken, Wire

MECHANISMS: Final = ("SCRAM-SHA-256", "PLAIN", "LOGIN")


async def log_in(wire: Wire, offered: str, user: str, password: str) -> None:
    """Broken if that fails. offered: what stands behind AUTH."""
    host = wire.hop.host
    if not wire.is_private:
        raise Broken(f"{host} would be told a password that others can read: it is not encrypted")
    known = offered.upper().split()
    mechanism = next((each for each in MECHANISMS if each in known), None)
    if mechanism is None:
        raise Broken(f"{host} offers no login that is known here: {offered or 'none at all'}")
    if mechanism == "SCRAM-SHA-256":
        answer = await _scram(wire, user, password)
    elif mechanism == "PLAIN":
        answer = await wire.ask("AUTH PLAIN " + _encoded(f"\0{user}\0{password}"))
    else:
        answer = await _login(wire, user, password)
    if not answer.is_success:
        raise Broken(f"{host} does not let {user} in: {answer}")


async def _login(wire: Wire, user: str, password: str) -> Answer:
    answer = await wire.ask("AUTH LOGIN")
    for said in (user, password):
        if answer.code != 334:
            return answer
        answer = await wire.ask(_encoded(said))
    return answer


async def _scram(wire: Wire, user: str, password: str) -> Answer:
    """The server shows that it knows the password too (RFC 5802 §5)."""
    client = ScramClient(["SCRAM-SHA-256"], user, password)
    wire.say(f"AUTH SCRAM-SHA-256 {_encoded(client.get_client_first())}")
    try:
        code, lines = await wire.lines(COMMAND)
        if code != 334:
            return Answer(code, "5.7.8", lines[0], wire.hop.host)
        client.set_server_first(_decoded(lines[0]))
        wire.say(_encoded(client.get_client_final()))
        code, lines = await wire.lines(COMMAND)
        if code == 334:
            client.set_server_final(_decoded(lines[0]))
            return await wire.ask("")
        return Answer(code, "5.7.8", lines[0], wire.hop.host)
    except (ScramException, ValueError) as error:
        raise Broken(f"{wire.hop.host} does not know the password itself: {error}") from None


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
